"""The endpoint beside the page."""

import json
import urllib.request
from pathlib import Path

import pytest

from chatgui.models import STARTER
from tests.export.conftest import make_run
from tests.ui.conftest import Server


@pytest.mark.slow
def test_the_page_answers_other_programs_as_well(tmp_path: Path) -> None:
    home = tmp_path / "home"
    run = make_run(home, STARTER)
    server = Server(home)
    try:
        with urllib.request.urlopen(f"{server.url}v1/models", timeout=60) as answer:
            assert [model["id"] for model in json.load(answer)["data"]] == [run.id, "base", f"base/{run.id}"]
        body = {"model": run.id, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 4}
        request = urllib.request.Request(
            f"{server.url}v1/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=120) as answer:
            assert json.load(answer)["usage"]["completion_tokens"] <= 4
    finally:
        server.close()
