"""One measured training in this process, for `tests.bench.training`: one engine, one model, one pass over the rows."""

import json
import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from chatgui.adapters.full import Full
from chatgui.adapters.lora import Lora
from chatgui.config import TrainingConfig
from chatgui.tasks.chat import Chat
from chatgui.tokens.example import IGNORE_INDEX, Example
from chatgui.training.loop import train

BATCH_SIZE = 8
LEARNING_RATE = 1e-4
REPLY_SHARE = 0.7
MEDIAN_LENGTH = {"short": 40, "chat": 120, "long": 400}
SPREAD = 0.8
"""Standard deviation of the logarithm of the lengths."""
ROWS = {"llama-15m": 160, "gpt2-small": 48, "starter": 320}
TUTORIAL_SECONDS = 25
"""The tutorial loop pads every batch alike, so a part of its pass measures it as well as the whole."""
STARTER = Path(__file__).parents[2] / "assets" / "starter"


def rows(vocabulary: int, lengths: str, count: int, limit_tokens: int) -> list[Example]:
    """Random ids; lengths are lognormal, the last REPLY_SHARE of a row is its reply. Id 0 is left to the padding."""
    rng = random.Random(0)
    made = []
    for _ in range(count):
        length = min(limit_tokens, max(8, round(rng.lognormvariate(0, SPREAD) * MEDIAN_LENGTH[lengths])))
        ids = tuple(rng.randrange(1, vocabulary) for _ in range(length))
        prompt = round(length * (1 - REPLY_SHARE))
        made.append(Example(ids, (IGNORE_INDEX,) * prompt + ids[prompt:]))
    return made


def build(model: str) -> Any:
    """Random weights in one of the shapes; dropout as the shape's published config has it."""
    from transformers import AutoConfig, AutoModelForCausalLM, GPT2Config, LlamaConfig

    torch.manual_seed(0)
    shapes: dict[str, Callable[[], Any]] = {
        "llama-15m": lambda: LlamaConfig(
            vocab_size=32000, hidden_size=288, intermediate_size=768, num_hidden_layers=6, num_attention_heads=6,
            num_key_value_heads=6, max_position_embeddings=1024, tie_word_embeddings=True,
        ),
        "gpt2-small": GPT2Config,
        "starter": lambda: AutoConfig.from_pretrained(STARTER),
    }  # fmt: skip
    return AutoModelForCausalLM.from_config(shapes[model](), dtype=torch.float32)


def run(case: dict[str, Any]) -> dict[str, float]:
    """Tokens per second and per processor second (padding not counted), and the peak of resident memory."""
    model = build(case["model"])
    limit = min(1024, model.config.max_position_embeddings)
    count = 16 if case["quick"] else case["rows"] or ROWS[case["model"]]
    examples = rows(model.config.vocab_size, "short" if case["quick"] else case["lengths"], count, limit)
    model = (Lora(rank=16, alpha=32) if case["mode"] == "lora" else Full()).attach(model, 100)
    model.train()
    model(input_ids=torch.tensor([[1] * 16]), use_cache=False).logits.sum().backward()  # threads and buffers are there
    model.zero_grad()
    clock = _Clock()
    with tempfile.TemporaryDirectory() as folder:
        ENGINES[case["engine"]](model, examples, clock, packed=case["setting"] == "packed", folder=folder)
    return clock.result()


class _Clock:
    """Time between `start` and `stop`, and the real tokens that went through the model in it."""

    tokens = 0

    def start(self) -> None:
        self.began = time.perf_counter(), time.process_time()

    def stop(self) -> None:
        self.seconds = time.perf_counter() - self.began[0]
        self.cpu_seconds = time.process_time() - self.began[1]

    @contextmanager
    def running(self) -> Iterator[None]:
        self.start()
        yield
        self.stop()

    def result(self) -> dict[str, float]:
        return {
            "tokens_per_second": self.tokens / self.seconds, "tokens_per_cpu_second": self.tokens / self.cpu_seconds,
            "peak_rss_mb": peak_rss_bytes() / 1e6,
        }  # fmt: skip


def peak_rss_bytes() -> int:
    """Of this process alone: on Linux the kernel's high-water mark, since `ru_maxrss` begins with the parent's."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def chatgui(model: Any, examples: list[Example], clock: _Clock, **_: Any) -> None:
    """This program's loop with its own defaults."""
    config = TrainingConfig(epochs=1, batch_size=BATCH_SIZE, learning_rate=LEARNING_RATE)
    with clock.running():
        outcome = train(model, Chat(), examples, (), config, emit=lambda event: None)
    clock.tokens = outcome.tokens


def tutorial(model: Any, examples: list[Example], clock: _Clock, **_: Any) -> None:
    """The loop of the usual tutorial: shuffled batches of 8, every row padded or cut to 512 tokens."""
    width = min(512, model.config.max_position_embeddings)
    optimizer = torch.optim.AdamW([w for w in model.parameters() if w.requires_grad], lr=LEARNING_RATE)
    random.Random(0).shuffle(examples)
    with clock.running():
        for at in range(0, len(examples), BATCH_SIZE):
            part = [(row.input_ids[:width], row.labels[:width]) for row in examples[at : at + BATCH_SIZE]]
            ids = torch.tensor([list(ids) + [0] * (width - len(ids)) for ids, _ in part])
            labels = torch.tensor([list(labels) + [IGNORE_INDEX] * (width - len(labels)) for _, labels in part])
            loss = model(input_ids=ids, attention_mask=(ids != 0).long(), labels=labels).loss
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            clock.tokens += int((ids != 0).sum())
            if time.perf_counter() - clock.began[0] > TUTORIAL_SECONDS:
                break


def trainer(model: Any, examples: list[Example], clock: _Clock, folder: str, **_: Any) -> None:
    """transformers.Trainer, dynamic padding, rows grouped by length."""
    from transformers import DataCollatorForSeq2Seq, Trainer, TrainingArguments

    arguments = TrainingArguments(train_sampling_strategy="group_by_length", **_arguments(folder))
    collator = DataCollatorForSeq2Seq(tokenizer(), padding=True)
    _fit(Trainer(model=model, args=arguments, train_dataset=_dataset(examples), data_collator=collator), clock)


def trl(model: Any, examples: list[Example], clock: _Clock, folder: str, packed: bool) -> None:
    """TRL's SFTTrainer: dynamic padding of rows grouped by length, or packed to 1,024 tokens (best fit)."""
    from trl import SFTConfig, SFTTrainer

    settings = {**_arguments(folder), "max_length": min(1024, model.config.max_position_embeddings)}
    if packed:
        settings |= {"packing": True, "per_device_train_batch_size": 1}  # a full row: the tokens of 8 short ones
    else:
        settings |= {"train_sampling_strategy": "group_by_length"}
    arguments = SFTConfig(**settings)
    _fit(SFTTrainer(model=model, args=arguments, train_dataset=_dataset(examples), processing_class=tokenizer()), clock)


def _arguments(folder: str) -> dict[str, Any]:
    return {
        "output_dir": folder, "per_device_train_batch_size": BATCH_SIZE, "num_train_epochs": 1,
        "learning_rate": LEARNING_RATE, "lr_scheduler_type": "cosine", "weight_decay": 0.0, "max_grad_norm": 1.0,
        "optim": "adamw_torch_fused", "gradient_checkpointing": False, "bf16": False, "fp16": False, "use_cpu": True,
        "report_to": [], "save_strategy": "no", "logging_steps": 10, "disable_tqdm": True, "seed": 0,
        "dataloader_pin_memory": False,
    }  # fmt: skip


def _dataset(examples: list[Example]) -> Any:
    import datasets

    datasets.disable_progress_bars()
    return datasets.Dataset.from_list(
        [{"input_ids": list(row.input_ids), "labels": list(row.labels)} for row in examples]
    )


def _fit(made: Any, clock: _Clock) -> None:
    """Train, with the clock running from the first step to the last; what is not padding counts."""
    from transformers import TrainerCallback

    class Times(TrainerCallback):
        def on_train_begin(self, *_: Any, **__: Any) -> None:
            clock.start()

        def on_train_end(self, *_: Any, **__: Any) -> None:
            clock.stop()

    def count(module: Any, inputs: Any, arguments: dict[str, Any]) -> None:
        clock.tokens += int((arguments["input_ids"] != 0).sum())

    made.model.register_forward_pre_hook(count, with_kwargs=True)
    made.add_callback(Times())
    made.train()


def tokenizer() -> Any:
    """What the trainers want to pad with; the rows are ids already."""
    from transformers import PreTrainedTokenizerFast

    from tests.conftest import make_tokenizer

    made: PreTrainedTokenizerFast = make_tokenizer(None)
    made.pad_token = made.eos_token  # id 0
    return made


ENGINES: dict[str, Callable[..., None]] = {"chatgui": chatgui, "trl": trl, "trainer": trainer, "tutorial": tutorial}


if __name__ == "__main__":
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    print(json.dumps(run(json.loads(sys.argv[1]))))
