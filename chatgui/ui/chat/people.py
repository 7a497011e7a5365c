"""Who can be put into a pane, as choices: this run's base, result and checkpoints first, then those of other runs."""

from collections.abc import Iterator

from chatgui.errors import ChatGuiError
from chatgui.generation.speakers import Speaker
from chatgui.runs.store import Run, step_of
from chatgui.runs.workspace import Workspace
from chatgui.text import say
from chatgui.ui.run_names import answering_runs
from chatgui.ui.transcript_view import speaker_name


def speaker_choices(
    workspace: Workspace, language: str, run: str, present: tuple[Speaker, ...] = ()
) -> list[tuple[str, str]]:
    """Name and speaker of all who can answer. One that is `present` stays, even when it has gone meanwhile."""
    runs = answering_runs(workspace, language)
    order = [(name, id_) for name, id_ in runs if id_ == run] + [(name, id_) for name, id_ in runs if id_ != run]
    bases: set[str] = set()
    choices = [choice for name, id_ in order for choice in _of(workspace.run(id_), name, language, bases)]
    known = {value for _, value in choices}
    gone = [(speaker_name(language, each), str(each)) for each in present if str(each) not in known]
    return choices + gone


def _of(run: Run, name: str, language: str, bases: set[str]) -> Iterator[tuple[str, str]]:
    try:
        model = run.config.model
    except ChatGuiError:  # a folder somebody else left half
        return
    key = f"{model.model_dump_json()} {run.config.training.seed if model.random_weights else ''}"
    if key not in bases:  # runs of one base share it
        bases.add(key)
        yield say("chat.choice_base", language, model=model.name.rstrip("/").rpartition("/")[2]), f"{run.id}/base"
    yield say("chat.choice_result", language, run=name), f"{run.id}/result"
    for folder in reversed(run.checkpoints()):
        step = step_of(folder)
        yield say("chat.choice_step", language, run=name, step=step), f"{run.id}/{step}"
