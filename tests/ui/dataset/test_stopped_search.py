"""A search in a browser that is stopped."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.ui.conftest import Server, wait_until
from tests.ui.dataset.test_walk import open_tab, upload, wait_for_summary

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]


def test_a_search_is_stopped_and_its_hits_stay(server: Server, open_page: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "long.jsonl"
    asked = ({"prompt": f"{'zeppelin' if n < 3 else 'tent'} {n}", "completion": "On its way."} for n in range(150_000))
    path.write_text("".join(json.dumps(row) + "\n" for row in asked), encoding="utf-8")
    page = open_page(server.url)
    open_tab(page, "Dataset")
    upload(page, path)
    wait_for_summary(page, "150,000")
    open_tab(page, "Find and edit")
    page.locator("#edit-search input, #edit-search textarea").fill("zeppelin")
    page.locator("#edit-search input, #edit-search textarea").press("Enter")
    page.locator("#edit-stop").click()
    page.locator("#edit-looked").get_by_text("Stopped: 1–3 of 3 so far").wait_for()
    assert page.locator("#edit-found article").count() == 3
    wait_until(lambda: page.locator("#edit-stop").count() == 0, 10)
