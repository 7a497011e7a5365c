"""Preference: prefer the better of two replies (DPO, IPO, ORPO), or the good ones to the bad (KTO)."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from chatgui.data.conversation import Conversation, Item, Judged, Message, Preference
from chatgui.errors import DataError, ModelError
from chatgui.fields import Config
from chatgui.tasks.causal import CausalTask
from chatgui.tasks.chat import Chat
from chatgui.tasks.likelihood import label_log_probs
from chatgui.tokens.batches import Batch
from chatgui.tokens.example import IGNORE_INDEX, Example, cut
from chatgui.tokens.report import must_teach

if TYPE_CHECKING:
    import torch

    from chatgui.tokens.template import Template

REPLY = Chat(teach="last_reply")


class Prefer(CausalTask, Config):
    """Learn to prefer the replies that people preferred. Goes on from a chat model, or from the base."""

    ACCEPTS: ClassVar[tuple[type, ...]] = (Preference, Judged)
    PADDED: ClassVar[bool] = True
    kind: Literal["preference"] = "preference"
    method: Literal["dpo", "ipo", "kto", "orpo"] = "dpo"
    """DPO suits most pairs; IPO holds back where all pairs agree; KTO needs single votes, not pairs; ORPO needs no
    reference model and teaches the good replies as well."""
    beta: float = Field(0.1, gt=0, le=10)
    """Tie to the model before the training; higher keeps closer to it and learns less from the preferences."""
    desirable_weight: float = Field(1.0, gt=0, le=100)
    """Of good replies in KTO; raise it when they are the rarer ones."""
    undesirable_weight: float = Field(1.0, gt=0, le=100)
    """Of bad replies in KTO; raise it when they are the rarer ones."""
    prompt_tokens: int | None = Field(None, ge=1)
    """A longer prompt loses its beginning, to leave room for the replies; empty keeps it whole, and pairs whose prompt
    alone fills the limit are left out."""

    def make_example(self, item: Item, template: "Template", max_length_tokens: int) -> Example:
        """A pair is the chosen reply with the rejected one as its rival; a single vote is a reply with its verdict.

        Raises DataError for a single vote where the method weighs pairs.
        """
        if isinstance(item, Preference):
            chosen, rejected = (
                reply_example(item.prompt, reply, template, self.prompt_tokens, max_length_tokens)
                for reply in (item.chosen, item.rejected)
            )
            lost = chosen.cut_tokens + rejected.cut_tokens
            return Example(chosen.input_ids, chosen.labels, lost, (1.0,), (rejected,))
        if not isinstance(item, Judged):
            raise DataError("task.needs_preferences")
        if self.method != "kto":
            raise DataError("task.needs_pairs", method=self.method.upper())
        reply = reply_example(item.prompt, item.reply, template, self.prompt_tokens, max_length_tokens)
        return Example(reply.input_ids, reply.labels, reply.cut_tokens, (float(item.good),))

    def arrange(self, examples: Sequence[Example], max_length_tokens: int) -> Sequence[Example]:
        """Pairs as they are. For KTO every reply stands alone; its rival is the same prompt with the reply of the
        example before, from which the drift of the model is estimated (section 3.1 of arXiv:2402.01306).
        """
        if self.method != "kto":
            return examples
        single = [reply for example in examples for reply in _votes(example)]
        before = [single[-1], *single[:-1]]
        return [_with_mismatch(one, other, max_length_tokens) for one, other in zip(single, before, strict=True)]

    def loss(self, model: Any, batch: Batch) -> "torch.Tensor":
        """Sum of the losses of the pairs (votes); rewards, margin and accuracy go to `batch.tally`."""
        return METHODS[self.method](self, model, batch)

    def metrics(self, loss: float) -> dict[str, float]:
        """None that follow from the loss; see `batch.tally`."""
        return {}


def _dpo(task: Prefer, model: Any, batch: Batch) -> "torch.Tensor":
    """Rafailov et al. 2023, arXiv:2305.18290, equation 7."""
    import torch

    ratios = _log_ratios(model, batch.input_ids, batch.labels)
    chosen, rejected = ratios[0::2], ratios[1::2]
    _tally_pairs(batch, task.beta * chosen, task.beta * rejected)
    return -torch.nn.functional.logsigmoid(task.beta * (chosen - rejected)).sum()


def _ipo(task: Prefer, model: Any, batch: Batch) -> "torch.Tensor":
    """Azar et al. 2023, arXiv:2310.12036, equation 17, on means per token: `beta` is the paper's tau."""
    ratios = _log_ratios(model, batch.input_ids, batch.labels)
    _tally_pairs(batch, task.beta * ratios[0::2], task.beta * ratios[1::2])
    means = ratios / _reply_tokens(batch)
    return ((means[0::2] - means[1::2] - 1 / (2 * task.beta)) ** 2).sum()


def _kto(task: Prefer, model: Any, batch: Batch) -> "torch.Tensor":
    """Ethayarajh et al. 2024, arXiv:2402.01306, equation 7; the drift is estimated on the micro-batch."""
    import torch

    assert batch.targets is not None
    good = batch.targets[:, 0] > 0.5
    with torch.no_grad():
        drift = _log_ratios(model, batch.input_ids[1::2], batch.labels[1::2]).mean().clamp(min=0)
    ratios = _log_ratios(model, batch.input_ids[0::2], batch.labels[0::2])
    gains = torch.sigmoid(task.beta * torch.where(good, ratios - drift, drift - ratios))
    rewards = (task.beta * ratios).detach()
    for name, chosen in (("reward_chosen", good), ("reward_rejected", ~good)):
        if chosen.any():  # a mean over all, once it is divided by the number of votes
            batch.tally[name] = (rewards[chosen].mean() * len(rewards)).item()
    if good.any() and not good.all():
        batch.tally["reward_margin"] = batch.tally["reward_chosen"] - batch.tally["reward_rejected"]
    batch.tally["reward_accuracy"] = ((rewards > 0) == good).sum().item()
    return (torch.where(good, task.desirable_weight, task.undesirable_weight) * (1 - gains)).sum()


def _orpo(task: Prefer, model: Any, batch: Batch) -> "torch.Tensor":
    """Hong et al. 2024, arXiv:2403.07691, equation 6. As in TRL, prompt and chosen reply are learnt as a text too."""
    import torch

    labels = batch.labels.clone()
    lengths = torch.as_tensor(batch.lengths, device=labels.device)
    real = torch.arange(labels.shape[1], device=labels.device) < lengths[:, None]
    labels[0::2] = torch.where(real, batch.input_ids, IGNORE_INDEX)[0::2]
    found = label_log_probs(model, batch.input_ids, labels)
    means = (found * (batch.labels[:, 1:] != IGNORE_INDEX)).sum(dim=1) / _reply_tokens(batch)
    chosen, rejected = means[0::2], means[1::2]
    log_odds = (chosen - rejected) - (_log1mexp(chosen) - _log1mexp(rejected))
    _tally_pairs(batch, task.beta * chosen, task.beta * rejected)
    text_loss = -found[0::2].sum() / (labels[0::2, 1:] != IGNORE_INDEX).sum()
    return len(chosen) * text_loss - task.beta * torch.nn.functional.logsigmoid(log_odds).sum()


METHODS: dict[str, Callable[[Prefer, Any, Batch], "torch.Tensor"]] = {
    "dpo": _dpo, "ipo": _ipo, "kto": _kto, "orpo": _orpo,
}  # fmt: skip


def _log_ratios(model: Any, input_ids: "torch.Tensor", labels: "torch.Tensor") -> "torch.Tensor":
    """log(policy / reference) of each row's reply (B). The reference is the same model with its adapter off."""
    import torch

    with torch.no_grad(), _reference(model):
        reference = label_log_probs(model, input_ids, labels).sum(dim=1)
    return label_log_probs(model, input_ids, labels).sum(dim=1) - reference


@contextmanager
def _reference(model: Any) -> Iterator[None]:
    """While it lasts the model answers as before the training, without dropout. Raises ModelError when it cannot."""
    if not hasattr(model, "disable_adapter"):
        raise ModelError("task.needs_adapter")
    was_training = model.training
    model.eval()
    try:
        with model.disable_adapter():
            yield
    finally:
        model.train(was_training)


def _tally_pairs(batch: Batch, chosen: "torch.Tensor", rejected: "torch.Tensor") -> None:
    chosen, rejected = chosen.detach(), rejected.detach()
    batch.tally["reward_chosen"] = chosen.sum().item()
    batch.tally["reward_rejected"] = rejected.sum().item()
    batch.tally["reward_margin"] = (chosen - rejected).sum().item()
    batch.tally["reward_accuracy"] = (chosen > rejected).sum().item()


def _reply_tokens(batch: Batch) -> "torch.Tensor":
    return (batch.labels[:, 1:] != IGNORE_INDEX).sum(dim=1).clamp(min=1)


def _log1mexp(x: "torch.Tensor") -> "torch.Tensor":
    """log(1 - exp(x)) for x < 0, without cancellation (Mächler 2012)."""
    import torch

    return torch.where(x > -0.6931472, torch.log(-torch.expm1(x)), torch.log1p(-torch.exp(x)))


def reply_example(
    prompt: tuple[Message, ...], reply: str, template: "Template", prompt_tokens: int | None, limit_tokens: int
) -> Example:
    """A prompt with a reply, of which the reply is labelled; of the prompt its last `prompt_tokens`.

    Raises DataError when nothing of the reply is left within the limit.
    """
    whole = REPLY.make_example(Conversation((*prompt, Message("assistant", reply))), template, sys.maxsize)
    start = next(place for place, label in enumerate(whole.labels) if label != IGNORE_INDEX)
    over = max(0, start - prompt_tokens) if prompt_tokens else 0
    kept = cut(list(whole.input_ids[over:]), list(whole.labels[over:]), limit_tokens)
    return must_teach(replace(kept, cut_tokens=kept.cut_tokens + over), limit_tokens)


def _votes(example: Example) -> Iterator[Example]:
    """The replies of an example one by one, each with its verdict."""
    yield Example(example.input_ids, example.labels, example.cut_tokens, example.target)
    for rival in example.rivals:
        yield Example(rival.input_ids, rival.labels, rival.cut_tokens, (0.0,))


def _with_mismatch(example: Example, other: Example, limit_tokens: int) -> Example:
    start, other_start = (
        next(place for place, label in enumerate(each.labels) if label != IGNORE_INDEX) for each in (example, other)
    )
    reply = other.input_ids[other_start:][: max(1, limit_tokens - start)]
    ids = (*example.input_ids[:start], *reply)
    rival = Example(ids, (*(IGNORE_INDEX,) * start, *reply))
    return Example(example.input_ids, example.labels, example.cut_tokens, example.target, (rival,))
