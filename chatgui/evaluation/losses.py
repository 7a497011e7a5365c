"""Loss over a whole split, as training watches it and as the scorecard states it."""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

from chatgui.attention import packed_attention, packs
from chatgui.errors import ModelError
from chatgui.models import precision
from chatgui.ranks import ALONE, Ranks
from chatgui.tasks import Task
from chatgui.tokens.batches import collate, micro_batches
from chatgui.tokens.example import Example, lengths_of


class LeftOff(Exception):
    """The measuring was broken off, because whoever asked for it must leave at once."""


def mean_loss(model: Any, task: Task, examples: Sequence[Example], budget_tokens: int) -> float:
    """Mean loss in nats per labelled token (or per sequence with a target) over all examples together.

    Leaves the model in the mode it was in. Raises ModelError when the model's loss is no number any more.
    """
    return measure(model, task, examples, budget_tokens)[0]


def measure(
    model: Any, task: Task, examples: Sequence[Example], budget_tokens: int, wanted_precision: str = "auto",
    ranks: Ranks = ALONE, must_leave: Callable[[], bool] = lambda: False,
) -> tuple[float, dict[str, float]]:  # fmt: skip
    """`mean_loss` and the task's metrics beside it. Each of several ranks measures its share and gets the whole.

    Raises LeftOff as soon as `must_leave` says so.
    """
    import torch

    was_training = model.training
    model.eval()
    lengths = lengths_of(examples)
    device = next(model.parameters()).device
    packed = packs(model, task)
    loss, count = torch.zeros((), device=device), 0
    tally: Counter[str] = Counter()
    with (
        torch.no_grad() if ranks.sharded else torch.inference_mode(),  # lent weights outlive the pass
        precision(device, wanted_precision),
        packed_attention(model) if packed else nullcontext(),
    ):
        own = list(micro_batches(ranks.share_of_split(lengths), lengths, budget_tokens, packed=packed))
        for part, weight in ranks.in_step(own, [0]):
            if must_leave():
                model.train(was_training)
                raise LeftOff
            batch = collate([examples[index] for index in part], device, packed=packed)
            loss = loss + task.loss(model, batch) * weight
            count += batch.supervised * weight
            tally.update(batch.tally if weight else {})
    model.train(was_training)
    sums = ranks.added({"": loss.item(), " ": count, **tally})
    count = max(1, int(sums.pop(" ")))
    mean = sums.pop("") / count
    if not math.isfinite(mean):
        raise ModelError("model.not_finite")
    return mean, {**task.metrics(mean), **{name: total / count for name, total in sums.items()}}
