"""The Dataset tab in a browser: damaged files, the report, edits and the mapping form, on one server."""

import gzip
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chatgui.data.load import SAMPLES
from tests.ui.conftest import Server, wait_until

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]
TALK = {"messages": [{"role": "user", "content": "Where is my tent?"}, {"role": "assistant", "content": "On its way."}]}


def line(**changes: Any) -> bytes:
    return json.dumps({**TALK, **changes}).encode() + b"\n"


def packed(name: str, content: bytes) -> bytes:
    import io

    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(name, content)
    return stream.getvalue()


def damaged() -> dict[str, bytes]:
    """Files that cannot be read, by name."""
    parquet = b"PAR1" + b"\0" * 60 + b"PAR1"
    bot = [{"role": "user", "content": "a"}, {"role": "bot", "content": "b"}]
    return {
        "empty.jsonl": b"", "blank.jsonl": b"\n \n\n", "number.json": b"42", "word.json": b"hello there",
        "cut.json": b'[{"messages": [{"role": "user", "cont', "bracket.json": b"[", "lines.jsonl": b"{broken\n" * 9,
        "numbers.jsonl": b"1\n2\n3\n", "roles.jsonl": line(messages=bot) * 4,
        "silent.jsonl": line(messages=TALK["messages"][:1]) * 4, "noise.jsonl": bytes(range(256)) * 20,
        "zeros.txt": b"\0" * 500, "letter.docx": b"PK\x03\x04 not really", "locked.zip": b"PK\x03\x04" + b"\xff" * 90,
        "nothing.zip": packed("readme.md", b"hello"), "inner.zip": packed("a.jsonl", b"{broken\n"),
        "half.jsonl.gz": gzip.compress(line() * 400)[:-40], "torn.parquet": parquet, "torn.arrow": b"ARROW1\0\0" * 9,
        "quotes.csv": b'text,label\n"never closed,1\n' + b"x" * 200, "deep.json": b"[" * 20_000,
    }  # fmt: skip


def open_tab(page: Any, name: str) -> None:
    page.get_by_role("tab", name=name, exact=True).click()


def upload(page: Any, path: Path) -> None:
    page.locator("#dataset-upload input[type=file]").set_input_files(path)


def wait_for_summary(page: Any, text: str) -> str:
    page.locator("#dataset-summary").get_by_text(text).first.wait_for()
    return str(page.locator("#dataset-summary").inner_text())


def test_damaged_files_are_told_in_a_sentence_and_forgotten_with_the_next_good_one(
    server: Server, open_page: Callable[..., Any], tmp_path: Path
) -> None:
    page = open_page(server.url)
    open_tab(page, "Dataset")
    wait_for_summary(page, "support")
    for number, (name, content) in enumerate(damaged().items()):
        path = tmp_path / name
        path.write_bytes(content)
        upload(page, path)
        told = wait_for_summary(page, name)
        wait_until(lambda: page.locator("#dataset-summary .failed").count() == 1, 10)
        assert "Traceback" not in page.content() and "Something went wrong" not in told, name
        if number % 5 == 4:
            good = tmp_path / f"good{number}.jsonl"
            good.write_bytes(line() * 30)
            upload(page, good)
            wait_for_summary(page, "30")
            wait_until(lambda: page.locator("#dataset-summary .failed").count() == 0, 10)
            wait_until(lambda: page.locator(".toast-close").count() == 0, 8)  # by themselves they go after ten


def test_the_rows_before_a_break_are_used_and_the_break_is_named(
    server: Server, open_page: Callable[..., Any], tmp_path: Path
) -> None:
    page = open_page(server.url)
    open_tab(page, "Dataset")
    path = tmp_path / "middle.json"
    path.write_text("[" + ",\n".join([json.dumps(TALK)] * 20) + ',\n{"messages": oops}, ' + json.dumps(TALK) + "]")
    upload(page, path)
    assert "middle.json is broken at line 21: only the rows before it were read." in wait_for_summary(page, "broken")


def test_the_report_finds_shows_and_mends(server: Server, open_page: Callable[..., Any], tmp_path: Path) -> None:
    lines = (SAMPLES / "support" / "train.jsonl").read_text(encoding="utf-8").splitlines()[:60]
    path = tmp_path / "doubled.jsonl"
    path.write_text("\n".join([*lines, *lines[:5]]), encoding="utf-8")
    page = open_page(server.url)
    open_tab(page, "Dataset")
    upload(page, path)
    wait_for_summary(page, "doubled.jsonl")
    open_tab(page, "Report")
    finding = page.locator('.finding[data-kind="duplicates"]')
    finding.wait_for()
    chart = page.locator(".live-report .chart")
    chart.locator(".bars path").first.wait_for(state="attached")  # a bar of no rows has no height
    wait_until(
        lambda: chart.locator(".main-svg").first.bounding_box()["width"] > 0.97 * chart.bounding_box()["width"], 10
    )
    boxes = [bar.bounding_box() for bar in chart.locator(".bars path").all()]
    box = max((box for box in boxes if box), key=lambda box: box["height"])
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] - 2)
    page.locator(".live-report > .rows article").first.wait_for()
    finding.locator(".show").click()
    finding.locator(".rows article").first.wait_for()
    finding.get_by_role("button", name="Drop").click()
    page.locator('.finding[data-kind="duplicates"] [data-choice="drop"][aria-pressed="true"]').wait_for()
    wait_until(lambda: "51" in page.locator("#dataset-summary").inner_text(), 60)  # of 60 rows 85 % are to train on


def test_a_turn_is_corrected_and_taken_back(server: Server, open_page: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_bytes(b"".join(line(id=number) for number in range(20)))
    page = open_page(server.url)
    open_tab(page, "Dataset")
    upload(page, path)
    wait_for_summary(page, "mine.jsonl")
    open_tab(page, "Find and edit")
    row = page.locator(".live-turns")
    reply = row.locator(".said textarea").nth(1)
    wait_until(lambda: reply.input_value() == "On its way.", 20)
    reply.fill("It left the zeppelin yesterday.")
    row.locator(".save").click()
    page.locator("#edit-note").get_by_text("1 edits").wait_for()
    page.locator("#edit-search input, #edit-search textarea").fill("zeppelin")
    page.locator("#edit-search input, #edit-search textarea").press("Enter")
    wait_until(lambda: page.locator("#edit-found article").count() == 1, 20)
    row.locator(".as-json").click()
    assert "zeppelin" in row.locator("textarea.json").input_value()
    row.locator(".as-turns").click()
    row.locator(".more").click()
    assert row.locator(".said").count() == 3
    row.locator(".said textarea").nth(2).fill("And the zeppelin?")
    row.locator(".add").click()
    page.locator("#edit-note").get_by_text("2 edits").wait_for()
    wait_until(lambda: page.locator("#edit-found article").count() == 2, 20)
    for _ in range(2):
        page.locator("#edit-undo").click()
    page.locator("#edit-found").get_by_text("No rows here").wait_for()
    wait_until(lambda: reply.input_value() == "On its way." and row.locator(".said").count() == 2, 20)
    assert path.read_bytes() == b"".join(line(id=number) for number in range(20))


def test_a_file_that_no_format_fits_is_mapped(server: Server, open_page: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "odd.csv"
    rows = [
        f"Was it good? {number},A long remark about number {number} that somebody wrote down" for number in range(30)
    ]
    path.write_text("\n".join(["kolumna,zweite", *rows]), encoding="utf-8")
    page = open_page(server.url)
    open_tab(page, "Dataset")
    upload(page, path)
    page.locator("#dataset-mapping").wait_for()
    page.locator("#mapping-preview article, #mapping-preview .talk, #mapping-preview td").first.wait_for()
    page.locator("#mapping-use").click()
    wait_until(lambda: page.locator("#dataset-summary .failed").count() == 0, 20)
    wait_for_summary(page, "odd.csv")
