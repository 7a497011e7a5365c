"""The table of runs."""

from pathlib import Path

from chatgui.config import RunConfig
from chatgui.events import Evaluation, Step
from chatgui.runs.notes import Notes, read_notes, write_notes
from chatgui.runs.store import create_run
from chatgui.runs.table import SPARK_POINTS, differences, lines, thinned


def test_a_line_tells_state_loss_curve_tags_and_size(home: Path) -> None:
    run = create_run(home, RunConfig())
    for step in (1, 2):
        run.append(Step(step, 0.1, 10, 1.0, 4.0 - step, 1e-3, 1.0, 10.0))
    run.append(Evaluation(2, "validation", 1.75))
    write_notes(run, Notes(("good", " best ", "good"), "try again"))
    (found,) = lines(home)
    assert (found.state, found.losses, found.validation_loss) == ("queued", (3.0, 2.0), 1.75)
    assert (found.tags, found.note) == (("best", "good"), "try again")
    assert found.bytes > 0


def test_words_find_runs_by_everything_that_stands_in_their_line(home: Path) -> None:
    run = create_run(home, RunConfig())
    write_notes(run, Notes(("keeper",)))
    create_run(home, RunConfig.model_validate({"adapter": {"kind": "full"}}))
    assert [line.run for line in lines(home, "KEEPER lora")] == [run.id]
    assert len(lines(home, "support")) == 2
    assert lines(home, "keeper full") == []


def test_a_broken_folder_does_not_hide_the_others(home: Path) -> None:
    create_run(home, RunConfig())
    (create_run(home, RunConfig()).folder / "config.yaml").write_text("[", encoding="utf-8")
    assert len(lines(home)) == 1


def test_a_broken_notes_file_is_no_notes(home: Path) -> None:
    run = create_run(home, RunConfig())
    (run.folder / "notes.json").write_text("{", encoding="utf-8")
    assert read_notes(run) == Notes()


def test_a_long_curve_is_thinned_to_means() -> None:
    found = thinned([float(n) for n in range(1000)])
    assert len(found) == SPARK_POINTS
    assert found[0] == 12.0  # mean of 0 to 24
    assert thinned([1.0, 2.0]) == (1.0, 2.0)


def test_only_the_fields_that_differ_are_told() -> None:
    lora, full = RunConfig(), RunConfig.model_validate({"adapter": {"kind": "full"}, "training": {"seed": 3}})
    found = differences([lora, full])
    assert found["training.seed"] == (0, 3)
    assert found["adapter.rank"] == (16, None)
    assert "training.epochs" not in found
    assert differences([lora, lora]) == {}
