from pathlib import Path

from chatgui.config import RunConfig
from chatgui.generation.speakers import Speaker
from chatgui.runs.store import create_run
from chatgui.runs.workspace import Workspace
from chatgui.ui.chat.people import speaker_choices


def test_checkpoints_are_offered_newest_first_and_who_has_gone_stays_named(home: Path) -> None:
    run = create_run(home, RunConfig(), "finished")
    run.model_folder.mkdir()
    (run.model_folder / "tokenizer_config.json").write_text("{}")
    for step in (20, 40):
        (run.folder / "checkpoints" / f"step-{step:06d}").mkdir(parents=True)
    gone = Speaker("gone", 7)
    values = [value for _, value in speaker_choices(Workspace(home), "en", run.id, (gone,))]
    assert values == [f"{run.id}/{at}" for at in ("base", "result", 40, 20)] + ["gone/7"]
