import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chatgui.adapters.full import Full
from chatgui.adapters.lora import Lora
from chatgui.config import RunConfig
from chatgui.evaluation.probes import ProbesConfig, read_answers
from chatgui.runs.execute import execute
from chatgui.runs.store import create_run


@pytest.mark.parametrize("adapter", [Lora(rank=4), Full()])
def test_a_run_answers_before_at_each_checkpoint_and_at_its_end(
    adapter: Any,
    make_config: Callable[..., RunConfig],
    home: Path,
) -> None:
    config = make_config(max_steps=5, checkpoint_steps=2)
    asked = ProbesConfig(prompts="Hi;你好", max_new_tokens=4)
    run = create_run(home, config.model_copy(update={"adapter": adapter, "probes": asked}), "starting")
    assert execute(run), run.state().message
    found = read_answers(run.samples)
    assert list(found) == [0, 2, 4, 5]
    assert all([each.prompt[0]["content"] for each in answers] == ["Hi", "你好"] for answers in found.values())
    lines = [json.loads(line) for line in (run.folder / "events.jsonl").read_text().splitlines()]
    kinds = [(line["type"], line.get("step")) for line in lines if line["type"] in ("step", "sample")]
    assert len([kind for kind in kinds if kind[0] == "sample"]) == 8
    first = ("step", 1) if adapter.kind == "lora" else ("sample", 0)
    assert kinds[0] == first, "an adapter can be switched off later: the first point does not wait"


def test_no_probes_leave_no_file(make_config: Callable[..., RunConfig], home: Path) -> None:
    config = make_config(max_steps=1).model_copy(update={"probes": ProbesConfig(count=0)})
    run = create_run(home, config, "starting")
    assert execute(run)
    assert read_answers(run.samples) == {}
