from pathlib import Path

import orjson

from chatgui.config import RunConfig
from chatgui.evaluation.probes import ProbeAnswer, append_answers
from chatgui.runs.store import create_run
from chatgui.runs.workspace import Workspace
from chatgui.ui.probe_panel import answers_row, place


def test_answers_go_to_the_page_as_gradio_sends_them_and_only_when_new(home: Path) -> None:
    workspace = Workspace(home)
    run = create_run(home, RunConfig(), "finished")
    assert answers_row(workspace, "en", {"run": run.id}) == {"size": 0, "steps": []}
    prompt = [{"role": "user", "content": "Hi"}]
    append_answers(run.samples, [ProbeAnswer(step, 0, prompt, f"at {step}", 3, step > 0) for step in (0, 20)])
    row = orjson.loads(orjson.dumps(answers_row(workspace, "en", {"run": run.id})))
    assert [each["answers"] for each in row["steps"]] == [{"0": "at 0 …"}, {"0": "at 20"}]
    assert row["prompts"] == {"0": "Hi"}
    assert answers_row(workspace, "en", {"run": run.id, "size": row["size"]}) == {"size": row["size"]}


def test_no_run_has_no_answers(home: Path) -> None:
    assert answers_row(Workspace(home), "en", {"run": "../x"}) == {"size": 0, "steps": []}
    assert place("r", 3) == '{"run": "r", "step": 3}'
