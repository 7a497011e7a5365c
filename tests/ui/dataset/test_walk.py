"""The Dataset tab in a browser: a file that breaks off in its middle."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.ui.conftest import Server

pytestmark = pytest.mark.browser
TALK = {"messages": [{"role": "user", "content": "Where is my tent?"}, {"role": "assistant", "content": "On its way."}]}


def test_the_rows_before_a_break_are_used_and_the_break_is_named(
    server: Server, open_page: Callable[..., Any], tmp_path: Path
) -> None:
    path = tmp_path / "middle.json"
    path.write_text("[" + ",\n".join([json.dumps(TALK)] * 20) + ',\n{"messages": oops}, ' + json.dumps(TALK) + "]")
    page = open_page(server.url)
    page.get_by_role("tab", name="Dataset", exact=True).click()
    page.locator("#dataset-upload input[type=file]").set_input_files(path)
    summary = page.locator("#dataset-summary")
    summary.get_by_text("middle.json is broken at line 21: only the rows before it were read.").first.wait_for()
