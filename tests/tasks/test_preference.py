import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest
import torch

from chatgui.adapters.lora import Lora
from chatgui.config import TrainingConfig
from chatgui.data.conversation import Document, Judged, Message, Preference
from chatgui.errors import DataError, ModelError
from chatgui.tasks.likelihood import sequence_log_probs
from chatgui.tasks.preference import Prefer, _log1mexp
from chatgui.tokens.batches import Batch, collate
from chatgui.tokens.example import IGNORE_INDEX
from chatgui.tokens.template import Template
from chatgui.training.loop import train

Method = Literal["dpo", "ipo", "kto", "orpo"]
LIMIT = 96


def asked(text: str) -> tuple[Message, ...]:
    return (Message("user", text),)


PAIRS = (
    Preference(asked("Do you accept cards?"), "Yes, gladly.", "Who knows."),
    Preference(asked("Open today?"), "Until six.", "Look at the door, will you."),
    Preference(asked("可以退货吗？"), "可以，30天内。", "不。"),
)  # fmt: skip
VOTES = (
    Judged(asked("Do you accept cards?"), "Yes, gladly.", True), Judged(asked("Open?"), "Look at the door.", False),
    Judged(asked("Returns?"), "Within 30 days.", True),
)  # fmt: skip


def batch_of(task: Prefer, items: Any, template: Template) -> Batch:
    return collate(task.arrange([task.make_example(item, template, LIMIT) for item in items], LIMIT))


@pytest.fixture
def adapted(fresh_model: Callable[..., Any]) -> Any:
    """The tiny model with an adapter that already says something else than its base."""
    model = fresh_model(Lora(rank=4))
    torch.manual_seed(1)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=0.3)
    return model


def test_a_long_prompt_loses_its_beginning_so_that_the_replies_fit(template: Template) -> None:
    long = Preference(asked("Well, " * 200 + "open?"), "Until six.", "No.")
    with pytest.raises(DataError):
        Prefer().make_example(long, template, LIMIT)
    example = Prefer(prompt_tokens=12).make_example(long, template, LIMIT)
    whole = Prefer().make_example(long, template, 10_000)
    for row, full in ((example, whole), (example.rivals[0], whole.rivals[0])):
        start = row.labels.index(next(label for label in row.labels if label != IGNORE_INDEX))
        assert start == 12 and full.input_ids[-len(row.input_ids) :] == row.input_ids
    lost = len(whole) - len(example)
    assert lost > 0 and example.cut_tokens == lost
    assert Prefer(prompt_tokens=96).make_example(PAIRS[0], template, LIMIT) == Prefer().make_example(
        PAIRS[0], template, LIMIT
    )


def test_only_the_replies_count(template: Template) -> None:
    example = Prefer().make_example(PAIRS[0], template, LIMIT)
    for row, reply in ((example, "Yes, gladly.<|end|>"), (example.rivals[0], "Who knows.<|end|>")):
        assert template.tokenizer.decode([label for label in row.labels if label != IGNORE_INDEX]) == reply


def test_a_single_vote_needs_the_method_that_weighs_votes(template: Template) -> None:
    with pytest.raises(DataError, match="KTO"):
        Prefer(method="dpo").make_example(VOTES[0], template, LIMIT)
    with pytest.raises(DataError, match="no preference"):
        Prefer().make_example(Document("a"), template, LIMIT)


def test_a_pair_is_two_votes_to_kto_and_each_meets_the_reply_before(template: Template) -> None:
    task = Prefer(method="kto")
    votes = task.arrange([task.make_example(item, template, LIMIT) for item in PAIRS[:2]], LIMIT)
    assert [vote.target for vote in votes] == [(1.0,), (0.0,), (1.0,), (0.0,)]
    rival = template.tokenizer.decode(list(votes[2].rivals[0].input_ids))
    assert rival == "<|user|>Open today?<|end|><|assistant|>Who knows.<|end|>"


def test_likelihoods_are_those_of_the_whole_logits(template: Template, adapted: Any) -> None:
    batch = batch_of(Prefer(), PAIRS, template)
    logits = adapted(input_ids=batch.input_ids).logits[:, :-1].log_softmax(dim=-1)
    targets = batch.labels[:, 1:]
    picked = logits.gather(2, targets.clamp(min=0)[:, :, None])[:, :, 0] * (targets != IGNORE_INDEX)
    assert torch.allclose(sequence_log_probs(adapted, batch), picked.sum(dim=1), atol=1e-4)


def trl_loss(method: Method, model: Any, batch: Batch, beta: float, tmp_path: Path, template: Template) -> Any:
    """The loss that TRL's trainer gives for the same rows."""
    from datasets import Dataset

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from trl import DPOConfig, DPOTrainer, KTOConfig, KTOTrainer
        from trl.experimental.orpo import ORPOConfig, ORPOTrainer

        common = {
            "output_dir": str(tmp_path), "beta": beta, "report_to": [], "use_cpu": True, "bf16": False,
            "per_device_train_batch_size": 4, "gradient_checkpointing": False,
        }  # fmt: skip
        pairs = Dataset.from_list([{"prompt": "a", "chosen": "b", "rejected": "c"}] * 4)
        votes = Dataset.from_list([{"prompt": "a", "completion": "b", "label": bool(i % 2)} for i in range(4)])
        tokenizer = template.tokenizer
        tokenizer.pad_token = tokenizer.eos_token
        ids, mask = batch.input_ids, (batch.labels != IGNORE_INDEX).long()
        lengths = torch.as_tensor(batch.lengths)
        real = (torch.arange(ids.shape[1]) < lengths[:, None]).long()
        model.train()
        if method == "kto":
            trainer: Any = KTOTrainer(model, args=KTOConfig(**common), train_dataset=votes, processing_class=tokenizer)
            assert batch.targets is not None
            inputs = {
                "input_ids": ids[0::2], "attention_mask": real[0::2], "completion_mask": mask[0::2],
                "KL_input_ids": ids[1::2], "KL_attention_mask": real[1::2], "KL_completion_mask": mask[1::2],
                "label": batch.targets[:, 0].bool(),
            }  # fmt: skip
        elif method == "orpo":
            config = ORPOConfig(**common, max_length=LIMIT)
            trainer = ORPOTrainer(model, args=config, train_dataset=pairs, processing_class=tokenizer)
            inputs = {}
            for side, rows in (("chosen", slice(0, None, 2)), ("rejected", slice(1, None, 2))):
                inputs |= {
                    f"{side}_input_ids": ids[rows], f"{side}_attention_mask": real[rows],
                    f"{side}_labels": batch.labels[rows],
                }  # fmt: skip
            return trainer.get_batch_loss_metrics(model, inputs)[0]
        else:
            kind = "sigmoid" if method == "dpo" else method
            config = DPOConfig(**common, loss_type=[kind])
            trainer = DPOTrainer(model, args=config, train_dataset=pairs, processing_class=tokenizer)
            order = [*range(0, len(ids), 2), *range(1, len(ids), 2)]
            inputs = {"input_ids": ids[order], "attention_mask": real[order], "completion_mask": mask[order]}
        model.delete_adapter("ref")  # TRL's copy of an adapter that has learnt already; without it the base is meant
        return trainer._compute_loss(model, inputs, False)


@pytest.mark.parametrize("method", ["dpo", "ipo", "kto", "orpo"])
def test_loss_and_gradients_are_those_of_trl(method: Method, adapted: Any, template: Template, tmp_path: Path) -> None:
    task = Prefer(method=method, beta=0.3)
    batch = batch_of(task, PAIRS, template)
    ours = task.loss(adapted, batch) / batch.supervised
    ours.backward()
    grads = {name: w.grad.clone() for name, w in adapted.named_parameters() if w.requires_grad}
    assert sum(grad.abs().sum() for grad in grads.values()) > 0.1
    adapted.zero_grad()
    theirs = trl_loss(method, adapted, batch, 0.3, tmp_path, template)
    theirs.backward()
    assert ours.item() == pytest.approx(theirs.item(), abs=1e-5)
    for name, weight in adapted.named_parameters():
        if weight.requires_grad:
            assert torch.allclose(weight.grad, grads[name], atol=1e-5), name


@pytest.mark.parametrize("method", ["dpo", "ipo", "kto"])
def test_without_an_adapter_there_is_no_reference(method: Method, tiny_model: Path, template: Template) -> None:
    from chatgui.config import ModelConfig
    from chatgui.models import load_model

    model = load_model(ModelConfig(name=str(tiny_model)), "AutoModelForCausalLM", torch.device("cpu"), torch.float32)
    task = Prefer(method=method)
    with pytest.raises(ModelError, match="LoRA"):
        task.loss(model, batch_of(task, PAIRS, template))


@pytest.mark.parametrize(("method", "items"), [("dpo", PAIRS), ("ipo", PAIRS), ("orpo", PAIRS), ("kto", VOTES)])
def test_rewards_part_while_it_learns(
    method: Method, items: Any, template: Template, fresh_model: Callable[..., Any]
) -> None:
    task = Prefer(method=method)
    model = fresh_model(Lora(rank=4))
    examples = task.arrange([task.make_example(item, template, LIMIT) for item in items], LIMIT)
    events: list[Any] = []
    config = TrainingConfig(max_steps=25, learning_rate=1e-2, batch_size=3, warmup_fraction=0.0)
    train(model, task, examples, examples, config, emit=events.append)
    first, last = events[0].metrics, events[-1].metrics
    assert last["reward_margin"] > first["reward_margin"] + 0.01
    assert last["reward_accuracy"] == 1.0
    assert {"reward_margin", "reward_accuracy"} <= set(events[1].metrics)


def test_the_reference_is_asked_without_dropout_and_leaves_the_model_as_it_was(
    template: Template, fresh_model: Callable[..., Any]
) -> None:
    task = Prefer()
    model = fresh_model(Lora(rank=4, dropout=0.5)).train()
    loss = task.loss(model, batch_of(task, PAIRS, template))  # the adapter is still zero: policy and reference agree
    assert loss.item() / len(PAIRS) == pytest.approx(0.693147, abs=1e-5)
    assert model.training
    assert all(module.training for module in model.modules())


def test_log_of_one_minus_exp_is_exact_at_both_ends() -> None:
    x = torch.tensor([-1e-6, -0.5, -1.0, -20.0], dtype=torch.float64)
    assert torch.allclose(_log1mexp(x), torch.log(1 - torch.exp(x)), rtol=1e-6)
