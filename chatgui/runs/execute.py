"""One run from its folder to its result, in this process: what `chatgui train RUN` does.

Everything that can go wrong ends in a truthful state and a sentence; this is one of the two places that catch all.
"""

import errno
import json
import math
import os
import resource
import shutil
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chatgui.config import RunConfig
from chatgui.errors import ChatGuiError, RunError
from chatgui.events import Checkpoint, Event, Finished, Notice, Resumed, Sample, Stage, Step
from chatgui.ranks import ALONE, Ranks, is_lost_rank
from chatgui.runs.files import is_full, move_into_place, write_atomically
from chatgui.runs.journal import Journal
from chatgui.runs.store import Run, step_of
from chatgui.runs.trackers import Trackers

if TYPE_CHECKING:
    import torch

    from chatgui.evaluation.probes import Probes
    from chatgui.prepare import Prepared, Tell
    from chatgui.tokens.template import Template
    from chatgui.training.loop import Outcome, Snapshot

LEFT = {
    "pause": ("paused", "run.paused"),
    "terminate": ("interrupted", "run.terminated"),
}
"""State and sentence of a run that left before its end, by the wish it followed; else it was stopped."""
AT_ONCE = (*LEFT, "discard")
"""Wishes that do not wait for the end of a look at the validation split: whoever stops and keeps wants its loss."""


TOLD_SECONDS = 2.0
"""Between two events that say how many rows are read or encoded."""


class _Leave(Exception):
    """The run is paused or this process was told to end: the checkpoint is written, the loop need not end well."""


def execute(run: Run, on_event: Callable[[Event], None] = lambda event: None) -> bool:
    """Train the run, from its last checkpoint if it has one. True when it finished, or stopped or paused as asked.

    The reason of a failure is in its state and events.

    `on_event` sees every event as well (the terminal prints them). A config that asks for several processes is trained
    by as many, and this one looks after them.
    """
    with suppress(ChatGuiError):  # a config that cannot be read is told below
        if (config := run.config.launch).total > 1:
            from chatgui.runs.launch import launch

            return launch(run, config, on_event)
    return execute_as(run, ALONE, on_event)


def execute_as(run: Run, ranks: Ranks, on_event: Callable[[Event], None] = lambda event: None) -> bool:
    """Train the run in this process, the first of `ranks`."""
    with Journal(run, on_event) as journal:
        try:
            return _train(run, journal, ranks)
        except _Leave:  # asked to while the data was still being read or encoded
            return _leave(journal, journal.wish or "keep", run.state().step, 0.0)
        except ChatGuiError as error:
            journal.fail(**error.plain())
        except MemoryError:
            journal.fail("run.out_of_memory", {})
        except Exception as error:  # the worker's boundary: whatever it was, the run must say so
            lost = ranks.count > 1 and is_lost_rank(error)
            journal.fail(*(("run.rank_lost", {"log": str(run.log)}) if lost else _reason(run, error)))
            _log_traceback(run)
        return False


def _reason(run: Run, error: Exception) -> tuple[str, dict[str, Any]]:
    """Key and values of an error nobody foresaw."""
    number = getattr(error, "errno", None)
    log = str(run.log)
    if "out of memory" in str(error).lower():
        return "run.out_of_memory", {}
    if not run.folder.is_dir():
        return "run.folder_gone", {"path": str(run.folder)}
    if number in (errno.ENOSPC, errno.EDQUOT) or is_full(run.folder):  # torch and safetensors do not tell it by number
        return "run.disk_full", {"reason": os.strerror(errno.ENOSPC), "log": log}
    if number == errno.EROFS or not os.access(run.folder, os.W_OK):
        return "run.cannot_write", {"path": str(run.folder), "reason": os.strerror(errno.EROFS)}
    return "run.crashed", {"reason": _first_line(error), "log": log}


def _log_traceback(run: Run) -> None:
    """Into the run's log, wherever the run was started. A full disk goes without: its sentence says enough."""
    with suppress(OSError), run.log.open("a", encoding="utf-8") as stream:
        traceback.print_exc(file=stream)


def _train(run: Run, journal: Journal, ranks: Ranks) -> bool:
    config = run.config
    ranks = replace(ranks, sharded=config.launch.shards)
    journal.begin()
    journal.emit(Stage("imports"))
    from chatgui.attention import can_pack
    from chatgui.prepare import prepare
    from chatgui.runs.checkpoints import changes_since, circumstances_of
    from chatgui.runs.launch import Wishes
    from chatgui.training.loop import total_steps, train

    journal.track(Trackers(run, config))
    journal.emit(Stage("data"))
    prepared = prepare(config, _counting(journal))
    if prepared.config != config:  # what the task learnt of the data belongs to the run: a resumed one must not differ
        config = prepared.config
        run.rewrite_config(config)
    _tell_ranks(ranks, prepared)
    for notice in _notices(prepared):
        journal.emit(notice)
    write_atomically(run.folder / "splits.json", json.dumps(prepared.splits.fingerprints()))
    total = total_steps(len(prepared.train), config.training)
    journal.set_state(total_steps=total)
    journal.emit(Stage("model"))
    model = make_model(config, prepared.template, total, ranks, journal.emit)
    circumstances = {**circumstances_of(config, model.device, prepared.train), "processes": ranks.count}
    if not config.task.PADDED and not can_pack(model):
        journal.emit(Notice("training.padded", {}))
    start, before = _last_snapshot(run, journal, model.device)
    if not start and ranks.count == 1 and (message := _too_large(run, journal, model, prepared)):
        journal.emit(Finished(0, 0.0, reason="paused"))
        journal.set_state(state="paused", stage="", message=message)
        return False
    if start:
        journal.emit(Resumed(start.step))
        for notice in changes_since(before, circumstances):
            journal.emit(notice)
    if journal.should_stop():
        return _leave(journal, journal.wish or "keep", start.step if start else 0, 0.0)
    ranks.from_main(start)
    journal.emit(Stage("training"))
    journal.set_state(state="running")
    asking = _Asking(run, journal, prepared, model, start.step if start else -1)
    if not start:
        asking.before_training()
    wishes = Wishes(ranks, lambda: (journal.should_stop(), journal.wish))
    alone = ranks.count == 1
    keep = _keeper(run, journal, circumstances, (lambda: journal.wish) if alone else (lambda: wishes.told))

    def keep_and_ask(snapshot: "Snapshot") -> None:
        keep(snapshot)
        asking.ask(snapshot.step)

    try:
        outcome = train(
            model, config.task, prepared.train, prepared.validation, config.training,
            emit=asking.emit, should_stop=wishes.should_stop, keep=keep_and_ask, resume=start, ranks=ranks,
            must_leave=lambda: alone and journal.wish in AT_ONCE,
        )  # fmt: skip
        asking.ask(outcome.steps)
    except _Leave:
        last = journal.last_step
        return _leave(journal, journal.wish or "keep", last.step if last else 0, last.seconds if last else 0.0)
    return _end(run, journal, outcome, model, prepared)


def _too_large(run: Run, journal: Journal, model: Any, prepared: "Prepared") -> dict[str, Any]:
    """A forecast where the start of the run wants one: into its folder and its events; the reason when it does not fit.

    Going on with the run afterwards tries it all the same.
    """
    from chatgui.runs.foresee import foresee_in_place, is_wanted
    from chatgui.training.forecast import held, notice

    if not is_wanted(run.folder):
        return {}
    journal.emit(Stage("forecast"))
    made = foresee_in_place(model, prepared, run.folder)
    line = notice(made)
    journal.emit(Notice(line["key"], line["values"]))
    return {} if made.fits else held(made)


def _counting(journal: Journal) -> "Tell":
    """Says of long data how far it is, now and then; leaves when the run shall stop."""
    said = time.monotonic()

    def tell(stage: str, done: int, total: int) -> None:
        nonlocal said
        if journal.should_stop():
            raise _Leave
        if done < total and time.monotonic() - said > TOLD_SECONDS:
            said = time.monotonic()
            journal.emit(Stage(stage, done, total))

    return tell


def _tell_ranks(ranks: Ranks, prepared: "Prepared") -> None:
    """The config as it is now, to all ranks. Raises RunError when one of them has other examples."""
    from chatgui.runs.checkpoints import fingerprint

    ranks.from_main(prepared.config)
    if ranks.count > 1 and (others := ranks.same(fingerprint(prepared.train))):
        raise RunError("run.ranks_differ", rank=others[0], source=prepared.config.data.source)


def make_probes(prepared: "Prepared") -> "Probes":
    """The questions of a run, which may be none."""
    from chatgui.evaluation.probes import Probes, probe_prompts
    from chatgui.models import context_tokens

    config = prepared.config
    rows = (*prepared.splits.validation, *prepared.splits.test, *prepared.splits.train[:50])
    # a reply is one rank's work, and of sharded weights it holds but a part
    replies = config.task.HEAD == "AutoModelForCausalLM" and not config.launch.shards
    prompts = probe_prompts(config.probes, rows) if replies else []
    room = context_tokens(config.model) - config.adapter.virtual_tokens
    return Probes(prompts, prepared.template, room, config.probes.max_new_tokens)


class _Asking:
    """Has the probe prompts answered along the run. The first point of the chart does not wait for it."""

    def __init__(self, run: Run, journal: Journal, prepared: "Prepared", model: Any, done: int) -> None:
        """`done` is the step the run goes on from; what was answered later than that is asked again."""
        from chatgui.evaluation.probes import read_answers

        self.run = run
        self.journal = journal
        self.model = model
        self.probes = make_probes(prepared)
        self.asked = {step for step in read_answers(run.samples) if step <= done}

    def before_training(self) -> None:
        """Ask a model that cannot be asked later what it was before: one without an adapter to switch off."""
        if not hasattr(self.model, "disable_adapter"):
            self.ask(0)

    def emit(self, event: Event) -> None:
        """Pass an event on; after the first step the base answers, its adapter switched off."""
        self.journal.emit(event)
        if isinstance(event, Step) and 0 not in self.asked and hasattr(self.model, "disable_adapter"):
            self.ask(0, base=True)

    def ask(self, step: int, *, base: bool = False) -> None:
        """Once a step."""
        from chatgui.evaluation.probes import append_answers

        if step in self.asked:
            return
        self.asked.add(step)
        answers = self.probes.answer(self.model, step, base=base)
        append_answers(self.run.samples, answers)
        for answer in answers:
            self.journal.emit(Sample(step, answer.prompt[-1]["content"], answer.text))


def _end(run: Run, journal: Journal, outcome: "Outcome", model: Any, prepared: "Prepared") -> bool:
    """The state and the result of a run that came to its end or was stopped."""
    wish = run.stop_request()
    if wish not in ("discard", "epoch"):
        wish = "keep"
    if outcome.stopped and wish == "discard":
        run.forget_weights()
    else:
        journal.emit(Stage("saving"))
        _save(run, model, prepared.template.tokenizer, prepared.config)
    name, key = ("stopped", f"run.stopped_{wish}") if outcome.stopped else ("finished", "run.finished")
    journal.emit(Finished(outcome.steps, outcome.seconds, reason="stopped" if outcome.stopped else "done"))
    journal.set_state(
        state=name, step=outcome.steps, result=_result(outcome, model.device), stage="",
        message={"key": key, "values": {}},
    )  # fmt: skip
    return True


def _leave(journal: Journal, wish: str, step: int, seconds: float) -> bool:
    state, key = LEFT.get(wish, ("stopped", "run.stopped_early"))
    journal.emit(Finished(step, seconds, reason=state))
    journal.set_state(state=state, step=step, stage="", message={"key": key, "values": {"step": step}})
    return wish != "terminate"


def _notices(prepared: "Prepared") -> Iterator[Notice]:
    """What the person should know of the data before it is trained on."""
    for dropped, key in ((prepared.dataset.dropped, "run.rows_dropped"), (prepared.encoded.dropped, "run.rows_unfit")):
        if dropped:
            first = dropped[0]
            yield Notice(key, {"count": len(dropped), "line": first.line, "reason": first.reason.plain()})
    if prepared.encoded.cut:
        yield Notice("run.rows_cut", {"count": prepared.encoded.cut, "limit": prepared.max_length_tokens})


def make_model(
    config: RunConfig, template: "Template", total_steps: int, ranks: Ranks = ALONE,
    say: Callable[[Notice], None] = lambda notice: None,
) -> Any:  # fmt: skip
    """The model with its adapter, on the best device. The seed fixes the adapter's first weights.

    Where `ranks` share the frozen weights, one rank of a machine at a time holds all of them in the CPU's memory.
    """
    from chatgui import models
    from chatgui.attention import can_pack
    from chatgui.shards import mesh_of, shard_frozen

    device = models.best_device()
    if not ranks.sharded:
        return _whole_model(config, template, total_steps, device)
    import torch

    mesh = mesh_of(config.launch, device)
    with ranks.one_after_another(config.launch.processes):
        model = _whole_model(config, template, total_steps, torch.device("cpu"))
        can_pack(model)  # measured while it is whole
        held, total = shard_frozen(model, device, mesh)
    say(Notice("training.sharded", {"held": f"{held / 2**20:,.1f}", "total": f"{total / 2**20:,.1f}"}))
    return model


def _whole_model(config: RunConfig, template: "Template", total_steps: int, device: "torch.device") -> Any:
    import torch

    from chatgui import models

    torch.manual_seed(config.training.seed)
    half = config.adapter.FREEZES_BASE and config.training.precision != "float32"
    dtype = models.frozen_dtype(models.best_device()) if half else torch.float32
    options, bits = config.task.head_options(template), config.adapter.quantized_bits
    base = models.load_model(config.model, config.task.HEAD, device, dtype, options, bits)
    model = config.adapter.attach(base, total_steps)
    for weight in model.parameters():
        if weight.requires_grad:  # what learns is kept in full precision, whatever the frozen weights have
            weight.data = weight.data.float()
    return model


def _last_snapshot(run: Run, journal: Journal, device: Any) -> "tuple[Snapshot | None, Mapping[str, Any]]":
    """The newest checkpoint that can be read, with its circumstances; one that cannot is said and passed over."""
    from chatgui.runs.checkpoints import read_checkpoint, unreadable

    damaged = []
    found: tuple[Snapshot | None, Mapping[str, Any]] = (None, {})
    for folder in reversed(run.checkpoints()):
        try:
            found = read_checkpoint(folder, device)
            break
        except unreadable() as error:
            damaged.append(Notice("run.checkpoint_damaged", {"step": step_of(folder), "reason": _first_line(error)}))
            shutil.rmtree(folder, ignore_errors=True)
    if damaged and found[0] is None:
        run.forget_events()  # from the start: the old curve would only stand beside the new one
    for notice in damaged:
        journal.emit(notice)
    return found


def _result(outcome: "Outcome", device: Any) -> dict[str, Any]:
    return {
        "seconds": round(outcome.seconds, 2), "tokens": outcome.tokens, "train_loss": _finite(outcome.train_loss),
        "validation_loss": _finite(outcome.validation_loss),
        "tokens_per_second": round(outcome.tokens / max(outcome.seconds, 1e-9), 1),
        "peak_memory_bytes": peak_memory_bytes(device),
    }  # fmt: skip


def _finite(loss: float | None) -> float | None:
    """None for a loss that is no number, which JSON could not say."""
    return loss if loss is not None and math.isfinite(loss) else None


def _keeper(
    run: Run, journal: Journal, circumstances: Mapping[str, Any], told: Callable[[], str | None]
) -> "Callable[[Snapshot], None]":
    from chatgui.runs.checkpoints import write_checkpoint

    def keep(snapshot: "Snapshot") -> None:
        wish = told()
        if wish == "discard":
            return
        run.flush_events()
        folder = write_checkpoint(run.folder / "checkpoints", snapshot, circumstances)
        run.thin_checkpoints(journal.validation_losses)
        journal.emit(Checkpoint(snapshot.step, folder.name))
        if wish in LEFT:
            raise _Leave

    return keep


def _save(run: Run, model: Any, tokenizer: Any, config: RunConfig) -> None:
    """The result under a temporary name first: a model folder is whole or not there."""
    temporary = run.folder / ".model"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()  # without its parents: a run that was deleted meanwhile must not come back in pieces
    model.save_pretrained(temporary)
    tokenizer.save_pretrained(temporary)
    (temporary / "README.md").write_text(_card(run, config), encoding="utf-8")
    move_into_place(temporary, run.model_folder)


def _card(run: Run, config: RunConfig) -> str:
    return (
        f"# {run.id}\n\n"
        f"Fine-tuned with ChatGUI from `{config.model.name}` on `{config.data.source}` "
        f"(task {config.task.kind}, adapter {config.adapter.kind}).\n\n"
        "The config beside this folder (`config.yaml`) repeats the run; `splits.json` names the rows of each split.\n"
    )


def peak_memory_bytes(device: Any) -> int:
    """Of the GPU where there is one, else of this process (resident)."""
    import torch

    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # Linux counts kibibytes, macOS bytes


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]


def redirect_to_log(run: Run) -> None:
    """Send this process's output to the run's log file, for good."""
    path = Path(run.log)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
