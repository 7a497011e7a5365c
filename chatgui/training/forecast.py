"""How long a run will take and how much memory: from a few real steps on short, median and the longest examples.

Measured through the loop itself, so that whatever the loop does is counted; or through its gradients alone, where the
model is to be trained afterwards. Knows neither process nor disk.
"""

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from typing import Any

from chatgui.attention import packs
from chatgui.config import TrainingConfig
from chatgui.evaluation.losses import measure
from chatgui.events import Event, Step
from chatgui.tasks import Task
from chatgui.text import duration, duration_sentence, say
from chatgui.tokens.batches import micro_batches, plan_epoch
from chatgui.tokens.example import Example
from chatgui.training.loop import LOOKS_PER_RUN, SHORTEST_PAUSE_STEPS, Snapshot, total_steps, train
from chatgui.training.optimizer import STATE_BYTES
from chatgui.training.step import Gradients, random_state, set_random_state

MEASURED_STEPS = 3
"""Of each length, behind one that warms up; the middle one counts."""
PATIENCE_SECONDS = 20
"""No more steps of a length once they took so long."""
TIMED_TOKENS = 1024
"""Of a micro-batch that is only timed; the longest one is as large as in the run, for its memory."""
FASTER, SLOWER = 1.15, 1.35
"""How far from the middle a run was found beside what a probe's own steps already spread (tests/bench/forecast.py)."""
SCATTER = 1.15
"""What moves in memory takes so much more in a run than in a few steps: the C library keeps its pieces apart. Without
it the forecasts of tests/bench/forecast.py were 0 to 15 % too low."""
WEIGHTS_IN_CHECKPOINT = 3
"""Times its weights: AdamW keeps two more numbers for each."""
HEADROOM = 0.95
"""Share of the free memory a run may fill: the system wants some too."""


@dataclass(frozen=True)
class Forecast:
    """What a run will need. `seconds` are those from the first step to the last, looks and checkpoints included."""

    steps: int
    seconds: float
    seconds_low: float
    seconds_high: float
    peak_memory_bytes: int
    available_memory_bytes: int
    standing_memory_bytes: int
    """Of the peak: what is there before the first example, whatever its length."""
    validation_seconds: float
    """Of `seconds`: all looks at the validation split along the run."""
    checkpoint_seconds: float
    """Of `seconds`: all checkpoints."""
    probe_seconds: float = 0.0
    """Of `seconds`: the answers to the probe prompts, before training and at each checkpoint."""
    advice: tuple[dict[str, Any], ...] = field(default=())
    """What to change when it does not fit: locale keys and values."""

    @property
    def fits(self) -> bool:
        """Whether the memory suffices."""
        return self.peak_memory_bytes <= HEADROOM * self.available_memory_bytes


@dataclass(frozen=True)
class Machine:
    """Where it is measured: bytes this process has used at most so far, bytes it may use, seconds of a checkpoint."""

    peak_memory_bytes: Callable[[], int]
    available_memory_bytes: int
    keep: Callable[[Any], float]
    """Writes a Snapshot as the run would, and tells the seconds."""
    ask: Callable[[], float]
    """Has the probe prompts answered once, and tells the seconds."""


def forecast(
    model: Any, task: Task, train_examples: Sequence[Example], validation_examples: Sequence[Example],
    config: TrainingConfig, machine: Machine, *, in_place: bool = False,
) -> Forecast:  # fmt: skip
    """Some real steps, then the sum over the run. The model is trained a little on the way: throw it away.

    `in_place` computes the steps' gradients only, reckons what the optimizer will hold, and leaves model and random
    numbers as they were, for the run that is to follow in this process.
    """
    state_bytes = _state_bytes(model, config) if in_place else 0
    clock = partial(_time_gradients if in_place else _time, model, task, config=config)
    ordered = sorted(train_examples, key=len)
    heaviest, tokens_at_once = _heaviest(train_examples, config, packed=packs(model, task))
    single, snapshot_seconds = (_overhead_in_place if in_place else _overhead)(clock, model, ordered[0], machine)
    standing = machine.peak_memory_bytes() + state_bytes
    groups = [_micro_batch(ordered[at:], config, TIMED_TOKENS) for at in (0, len(ordered) // 2)]
    measured = [clock(group) for group in groups]
    expected = 0
    if in_place:
        moving = machine.peak_memory_bytes() + state_bytes - standing
        expected = standing + moving * tokens_at_once // max(map(_tokens, groups))
    if expected <= machine.available_memory_bytes:  # else trying it would be the end of the run
        groups, measured = [*groups, *heaviest], [*measured, *map(clock, heaviest)]
        expected = machine.peak_memory_bytes() + state_bytes
    if next(model.parameters()).device.type == "cpu":
        expected = round(standing + SCATTER * (expected - standing))
    rates = sorted(
        (statistics.mean(map(len, group)), max(1e-9, _middle(times) - single) / _tokens(group))
        for group, times in zip(groups, measured, strict=True)
    )
    per_step = max(0.0, single - rates[0][1] * len(ordered[0]))
    steps = total_steps(len(train_examples), config)
    epochs = steps * config.batch_size / len(train_examples)
    training = steps * per_step + epochs * sum(len(e) * _between(rates, len(e)) for e in train_examples)
    looks, checkpoints = _pauses(steps, config)
    looking = looks * _look_seconds(model, task, validation_examples, config)
    keeping = checkpoints * snapshot_seconds
    asking = (checkpoints + 1) * machine.ask()
    spread = max(1.0, *(_spread(times) for times in measured))
    total = training + looking + keeping + asking
    made = Forecast(
        steps, total, total / (FASTER * spread), total * SLOWER * spread, expected,
        machine.available_memory_bytes, standing, looking, keeping,
        probe_seconds=asking,
    )  # fmt: skip
    return replace(made, advice=_advice(made, tokens_at_once, len(ordered[-1])))


Clock = Callable[..., list[float]]
"""Seconds of some steps on the examples it is given."""


def _overhead(clock: Clock, model: Any, shortest: Example, machine: Machine) -> tuple[float, float]:
    """Seconds of a step on the shortest example alone (what a step costs whatever is in it), and of a checkpoint."""
    kept: list[float] = []
    times = clock([shortest], keep=lambda snapshot: kept.append(machine.keep(snapshot)))
    return _middle(times), kept[0] if kept else 0.0


def _overhead_in_place(clock: Clock, model: Any, shortest: Example, machine: Machine) -> tuple[float, float]:
    """The same; there are no states of an optimizer yet, so the weights are written and those reckoned."""
    times = clock([shortest])
    weights = {name: weight.detach() for name, weight in model.named_parameters() if weight.requires_grad}
    device = next(iter(weights.values())).device
    seconds = machine.keep(Snapshot(0, 0, 0.0, weights, [], [], random_state(device)))
    return _middle(times), WEIGHTS_IN_CHECKPOINT * seconds


def _state_bytes(model: Any, config: TrainingConfig) -> int:
    trained = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    return trained * STATE_BYTES[config.optimizer]


def _time_gradients(model: Any, task: Task, examples: Sequence[Example], config: TrainingConfig) -> list[float]:
    """Seconds of steps on these examples up to their gradients, the first one left out; all is put back afterwards."""
    times: list[float] = []
    with Gradients(model, task, examples, config, say=lambda notice: None) as gradients:
        before = random_state(gradients.device)
        while len(times) <= MEASURED_STEPS and (len(times) < 2 or sum(times) < PATIENCE_SECONDS):
            began = time.monotonic()
            gradients.compute(range(len(examples)), 1)
            times.append(time.monotonic() - began)
            for weight in gradients.weights:
                weight.grad = None
        set_random_state(before, gradients.device)
    return times[1:]


def _time(model: Any, task: Task, examples: Sequence[Example], config: TrainingConfig, **more: Any) -> list[float]:
    """Seconds of steps on these examples, the first one left out where there are others."""
    steps: list[Step] = []

    def hear(event: Event) -> None:
        if isinstance(event, Step):
            steps.append(event)

    own = config.model_copy(
        update={"batch_size": len(examples), "max_steps": MEASURED_STEPS + 1, "checkpoint_steps": 2}
    )
    train(
        model, task, examples, [], own, emit=hear,
        should_stop=lambda: len(steps) > 1 and steps[-1].seconds > PATIENCE_SECONDS, **more,
    )  # fmt: skip
    tokens = [0, *(step.tokens for step in steps)]
    times = [(b - a) / step.tokens_per_second for (a, b), step in zip(pairwise(tokens), steps, strict=True)]
    return times[1:] or times


def _middle(times: Sequence[float]) -> float:
    return statistics.median(times)


def _spread(times: Sequence[float]) -> float:
    return math.sqrt(max(times) / max(min(times), 1e-9))


def _heaviest(
    examples: Sequence[Example], config: TrainingConfig, *, packed: bool
) -> tuple[list[list[Example]], int]:  # fmt: skip
    """The run's largest micro-batches, each with the one before it in its step, by when there are gradients beside it;
    and the most tokens, padding counted. Those of the first epoch: later ones differ little.

    Largest by tokens, and by the squares of the lengths: attention with dropout keeps a square of every sequence.
    """
    lengths = [len(example) for example in examples]
    most, found = [(0, False), (0, False)], [[0], [0]]
    for step in plan_epoch(lengths, config.batch_size, config.seed, 0):
        parts = list(micro_batches(step, lengths, config.micro_batch_tokens, packed=packed))
        for at, part in enumerate(parts):
            own = [lengths[index] for index in part]
            rows = own if packed else [max(own)] * len(own)
            for kind, size in enumerate((sum(rows), sum(row * row for row in rows))):
                if (size, at > 0) > most[kind]:
                    most[kind], found[kind] = (size, at > 0), [*(parts[at - 1] if at else ()), *part]
    different = found if found[0] != found[1] else found[:1]
    return [[examples[index] for index in indices] for indices in different], most[0][0]


def _micro_batch(ordered: Sequence[Example], config: TrainingConfig, budget_tokens: int) -> list[Example]:
    """The first examples that fit a micro-batch together; one at the least, a step's worth at the most."""
    group: list[Example] = []
    for example in ordered[: config.batch_size]:
        if group and (len(group) + 1) * max(len(example), len(group[0])) > budget_tokens:
            break
        group.append(example)
    return group


def _tokens(group: Sequence[Example]) -> int:
    return sum(map(len, group))


def _between(rates: Sequence[tuple[float, float]], length: int) -> float:
    """Seconds per token of an example of that length: straight lines between the measured ones."""
    if length <= rates[0][0]:
        return rates[0][1]
    for (short, first), (long, second) in pairwise(rates):
        if length <= long:
            return first + (second - first) * (length - short) / max(long - short, 1e-9)
    return rates[-1][1]


def _pauses(steps: int, config: TrainingConfig) -> tuple[int, int]:
    """Looks and checkpoints between the first step and the last."""
    pause = max(SHORTEST_PAUSE_STEPS, steps // LOOKS_PER_RUN)
    return (steps - 1) // (config.evaluation_steps or pause), (steps - 1) // (config.checkpoint_steps or pause)


def _look_seconds(model: Any, task: Task, examples: Sequence[Example], config: TrainingConfig) -> float:
    """One look at the validation split: some of it measured, the rest by its tokens."""
    if not examples:
        return 0.0
    part = sorted(examples, key=len)[:: max(1, len(examples) // 16)]
    began = time.monotonic()
    measure(model, task, part, config.micro_batch_tokens)
    return (time.monotonic() - began) * _tokens(examples) / _tokens(part)


def _advice(made: Forecast, tokens_at_once: int, longest_tokens: int) -> tuple[dict[str, Any], ...]:
    """What would make it fit, with the numbers: memory above the standing part grows with the tokens at once."""
    if made.fits:
        return ()
    room = HEADROOM * made.available_memory_bytes - made.standing_memory_bytes
    moving = made.peak_memory_bytes - made.standing_memory_bytes
    if room <= 0 or moving <= 0:
        return ({"key": "forecast.advice_smaller", "values": {"standing": gigabytes(made.standing_memory_bytes)}},)
    tokens = int(tokens_at_once * room / moving)
    if tokens >= longest_tokens:
        return ({"key": "forecast.advice_micro_batch", "values": {"tokens": max(64, tokens)}},)
    values = {"tokens": tokens, "longest": longest_tokens}
    return ({"key": "forecast.advice_length", "values": values}, {"key": "forecast.advice_method", "values": {}})


def gigabytes(size: int) -> str:
    """`1.24` for so many billion bytes."""
    return f"{size / 1e9:.2f}"


def remaining_seconds(steps: Sequence[Step], total: int) -> tuple[float, float]:
    """Seconds a live run still needs, as a range that narrows as it goes on.

    From the pace of the whole run so far and that of its latest steps; what both leave open shrinks with the root of
    the steps done.
    """
    last = steps[-1]
    left = max(0, total - last.step)
    first = steps[0]
    behind = steps[max(0, len(steps) - 1 - max(10, len(steps) // 5))]
    paces = [
        (last.seconds - start.seconds) / (last.step - start.step) for start in (first, behind) if last.step > start.step
    ] or [last.seconds / max(1, last.step)]
    doubt = 1 + 0.5 / math.sqrt(max(1, last.step - first.step))
    return left * min(paces) / doubt, left * max(paces) * doubt


def sentence(made: Forecast, language: str) -> str:
    """The forecast in one line."""
    line = notice(made)
    return say(line["key"], language, **line["values"])


def notice(made: Forecast) -> dict[str, Any]:
    """The same line as a key and its values, for a reader whose language is not known yet."""
    values = {
        "steps": made.steps, "low": duration_sentence(made.seconds_low), "high": duration_sentence(made.seconds_high),
        "memory": gigabytes(made.peak_memory_bytes), "available": gigabytes(made.available_memory_bytes),
    }  # fmt: skip
    return {"key": "forecast.line", "values": values}


def held(made: Forecast) -> dict[str, Any]:
    """Why a run that does not fit has not begun, and what to change: key and values."""
    line = notice(made)["values"]
    first, *more = made.advice
    advice = {"advice": first, "more": more[0] if more else ""}
    return {"key": "forecast.held", "values": {"memory": line["memory"], "available": line["available"], **advice}}


def beside_fact(made: Forecast, result: dict[str, Any], language: str) -> str:
    """Forecast and fact of an ended run in one line; `result` is that of its state."""
    return say(
        "forecast.fact", language, low=duration(made.seconds_low, language),
        high=duration(made.seconds_high, language), memory=gigabytes(made.peak_memory_bytes),
        took=duration(result["seconds"], language), used=gigabytes(result["peak_memory_bytes"]),
    )  # fmt: skip
