"""The same training by TRL's SFTTrainer: the curve is the same at each of 100 steps, within half a percent."""

from collections.abc import Callable
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
import torch

from chatgui.adapters.full import Full
from chatgui.adapters.lora import Lora
from chatgui.config import TrainingConfig
from chatgui.events import Event, Step
from chatgui.tasks.chat import Chat
from chatgui.tokens.batches import plan_epoch
from chatgui.tokens.example import IGNORE_INDEX, Example
from chatgui.training.loop import train
from tests.conftest import make_tokenizer
from tests.test_attention import gpt2, llama

STEPS = 100
BATCH_SIZE = 4
RATE = 2e-3


def some_examples() -> list[Example]:
    """Counting up and down from random starts: there is something to learn, so that the curve falls."""
    generator = torch.Generator().manual_seed(1)
    made = []
    for number in range(40):
        start, length = (int(torch.randint(low, high, (1,), generator=generator)) for low, high in ((1, 60), (6, 36)))
        ids = tuple(1 + (start + (place if number % 2 else -place)) % 97 for place in range(length))
        made.append(Example(ids, (IGNORE_INDEX,) * (length // 3) + ids[length // 3 :]))
    return made


def ours(model: Any, examples: list[Example]) -> list[float]:
    events: list[Event] = []
    config = TrainingConfig(
        max_steps=STEPS, batch_size=BATCH_SIZE, learning_rate=RATE, schedule="linear", warmup_fraction=0.1,
        weight_decay=0.01, micro_batch_tokens=100,
    )  # fmt: skip
    train(model, Chat(), examples, (), config, emit=events.append)
    return [event.loss for event in events if isinstance(event, Step)]


def theirs(model: Any, examples: list[Example], folder: Path) -> list[float]:
    """TRL on the same batches in the same order: its sampler is told to take the rows as they lie."""
    from datasets import Dataset, disable_progress_bars
    from trl import SFTConfig, SFTTrainer

    disable_progress_bars()
    epochs = range(-(-STEPS * BATCH_SIZE // len(examples)))
    order = [index for epoch in epochs for part in plan_epoch([len(e) for e in examples], BATCH_SIZE, 0, epoch)
             for index in part]  # fmt: skip
    rows = [{"input_ids": list(examples[i].input_ids), "labels": list(examples[i].labels)} for i in order]
    tokenizer = make_tokenizer(None)
    tokenizer.pad_token = tokenizer.eos_token
    settings = SFTConfig(
        output_dir=str(folder), max_steps=STEPS, per_device_train_batch_size=BATCH_SIZE, learning_rate=RATE,
        lr_scheduler_type="linear", warmup_steps=STEPS // 10, weight_decay=0.01, max_grad_norm=1.0,
        optim="adamw_torch_fused", train_sampling_strategy="sequential", gradient_checkpointing=False, bf16=False,
        use_cpu=True, report_to=[], save_strategy="no", logging_steps=1, logging_nan_inf_filter=False, seed=0,
        disable_tqdm=True, max_length=None,
    )  # fmt: skip
    trainer = SFTTrainer(model=model, args=settings, train_dataset=Dataset.from_list(rows), processing_class=tokenizer)
    trainer.train()
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


@pytest.mark.filterwarnings("ignore")  # of TRL and accelerate about themselves
@pytest.mark.parametrize("adapter", [Full(), Lora(rank=4)], ids=["full", "lora"])
@pytest.mark.parametrize("make", [gpt2, llama])
def test_the_loss_curve_is_that_of_trl(make: Callable[[], Any], adapter: Any, tmp_path: Path) -> None:
    def fresh() -> Any:
        torch.manual_seed(0)
        model = make()
        with torch.no_grad():
            for weight in model.parameters():
                if weight.ndim > 1:
                    weight.mul_(5)  # a base that varies with its input, or an adapter in it could learn little
        return adapter.attach(model, STEPS)

    examples = some_examples()
    curve, reference = ours(fresh(), examples), theirs(fresh(), examples, tmp_path)
    assert len(curve) == len(reference) == STEPS
    assert fmean(curve[:10]) - fmean(curve[-10:]) > 0.1, "nothing was learnt, so nothing is shown"
    worst = max(abs(mine - other) / other for mine, other in zip(curve, reference, strict=True))
    assert worst < 0.005
