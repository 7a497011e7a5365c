import threading
from datetime import date, timedelta
from pathlib import Path

import pytest

from chatgui.config import RunConfig
from chatgui.errors import DataError
from chatgui.evaluation.monitor import Rule, Seen
from chatgui.fields import build
from chatgui.runs.store import Run, create_run
from chatgui.runs.stream import Stream

START = date(2026, 1, 1)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    task = {"kind": "classification", "labels": ["good", "bad"]}
    return create_run(tmp_path, build(RunConfig, {"task": task}), "finished")


@pytest.fixture
def stream(run: Run) -> Stream:
    return Stream(run)


def day(number: int, bad: int, texts: int = 10, topic: str = "x") -> list[Seen]:
    at = START + timedelta(days=number)
    return [Seen(at, topic, "bad" if place < bad else "good") for place in range(texts)]


def quiet(days: int) -> list[Seen]:
    return [each for number in range(days) for each in day(number, 1)]


def test_a_stream_is_read_again_as_it_was_written(stream: Stream, run: Run) -> None:
    found = [Seen(START, "配送", "bad"), Seen(START, "x", "good")]
    assert stream.grow(found) == []
    assert Stream(run).seen() == found


def test_a_surge_is_told_once_however_its_texts_come(stream: Stream) -> None:
    assert stream.grow(quiet(10)) == []
    raised = [alert for each in day(10, 9) for alert in stream.grow([each])]
    assert [(alert.day, alert.topic) for alert in raised] == [("2026-01-11", "x")]
    assert stream.log() == raised
    (now,) = stream.alerts()
    assert now.texts == 10


def test_texts_are_not_kept(stream: Stream, run: Run) -> None:
    stream.grow(day(0, 1))
    assert set((run.folder / "stream.jsonl").read_text().splitlines()[0].split('"')[1::2]) >= {"day", "topic", "label"}
    assert "text" not in (run.folder / "stream.jsonl").read_text()


def test_the_label_that_sounds_bad_is_watched_until_another_is_named(stream: Stream, run: Run) -> None:
    assert stream.rule.negative == "bad"
    stream.set_rule(Rule(negative="good", usual_days=3))
    assert Stream(run).rule == Rule(negative="good", usual_days=3)
    with pytest.raises(DataError, match="good, bad"):
        stream.set_rule(Rule(negative="angry"))


def test_a_line_torn_by_a_power_cut_is_left_out(stream: Stream, run: Run) -> None:
    stream.grow(day(0, 1))
    with (run.folder / "stream.jsonl").open("a") as file:
        file.write('{"day": "2026-0')
    stream.grow(day(1, 1))
    assert stream.seen() == day(0, 1) + day(1, 1)


def test_texts_of_several_senders_are_all_there(stream: Stream) -> None:
    senders = [threading.Thread(target=stream.grow, args=(day(number, 1),)) for number in range(8)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    assert sorted(stream.seen(), key=lambda each: each.day) == quiet(8)


def test_begun_anew_a_stream_is_empty_and_keeps_its_rule(stream: Stream) -> None:
    stream.set_rule(Rule(negative="good"))
    stream.grow(day(0, 1))
    assert stream.size_bytes > 0
    stream.clear()
    assert (stream.seen(), stream.log(), stream.size_bytes, stream.rule.negative) == ([], [], 0, "good")
