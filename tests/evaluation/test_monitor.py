import random
from dataclasses import asdict
from datetime import date, timedelta
from typing import Any

import pytest

from chatgui.errors import DataError
from chatgui.evaluation.monitor import Alert, Rule, Seen, alerts, daily, send, stamp
from tests.hook import listening

START = date(2026, 1, 1)
SURGES = {(30, "delivery"), (31, "delivery"), (45, "product")}


def stream(surges: set[tuple[int, str]], seed: int = 0) -> list[Seen]:
    """60 days of two topics, 40 texts a day, a fifth of them negative; 70 % in a planted surge."""
    rng = random.Random(seed)
    return [
        Seen(START + timedelta(days=day), topic, "negative" if rng.random() < share else "positive")
        for day in range(60)
        for topic in ("delivery", "product")
        for share in [0.7 if (day, topic) in surges else 0.2]
        for _ in range(40)
    ]


@pytest.mark.parametrize("seed", range(6))
def test_planted_surges_raise_exactly_their_alerts(seed: int) -> None:
    raised = alerts(stream(SURGES, seed), Rule(negative="negative", standard_errors=4))
    assert {(alert.day, alert.topic) for alert in raised} == {
        ((START + timedelta(days=day)).isoformat(), topic) for day, topic in SURGES
    }


def test_a_surge_does_not_become_usual() -> None:
    long = {(day, "delivery") for day in range(30, 40)}
    raised = alerts(stream(long), Rule(negative="negative", standard_errors=4, usual_days=14))
    assert len([alert for alert in raised if alert.topic == "delivery"]) >= 9


def test_a_looser_rule_and_few_texts_raise_none() -> None:
    assert alerts(stream(SURGES), Rule(negative="negative", standard_errors=10)) == []
    assert alerts(stream(SURGES), Rule(negative="negative", least_texts=50)) == []


def test_shares_are_counted_by_topic_and_day() -> None:
    table = daily([Seen(START, "a", "x"), Seen(START, "a", "y"), Seen(START, "b", "x")])
    assert table["a"][START] == {"x": 1, "y": 1}


@pytest.mark.parametrize(
    ("row", "found"),
    [
        ({"time": "2026-01-05T12:04:00", "topic": "product"}, (date(2026, 1, 5), "product")),
        ({"Date": "2026-01-05"}, (date(2026, 1, 5), "-")), ({"timestamp": 0}, (date(1970, 1, 1), "-")),
    ],
)  # fmt: skip
def test_time_and_topic_are_found_in_a_row(row: dict[str, Any], found: Any) -> None:
    assert stamp(row) == found


def test_a_row_without_a_time_is_told_with_its_columns() -> None:
    with pytest.raises(DataError, match=r"Columns: text, when"):
        stamp({"text": "a", "when": "now"})


def test_an_alert_reaches_the_webhook_as_json() -> None:
    alert = Alert("2026-01-05", "product", 0.7, 0.2, 0.4, 40)
    with listening() as (address, got):
        send(alert, address)
    assert got == [asdict(alert)]


def test_no_webhook_is_named_by_default() -> None:
    assert Rule().webhook == ""


@pytest.mark.parametrize("url", ["file:///etc/passwd", "http://127.0.0.1:9/x"])
def test_a_webhook_that_cannot_be_reached_is_told(url: str) -> None:
    with pytest.raises(DataError, match=r"127\.0\.0\.1|file:"):
        send(Alert("2026-01-05", "product", 0.7, 0.2, 0.4, 40), url)
