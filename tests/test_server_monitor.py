"""A stream grown through the endpoint, over HTTP."""

import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from chatgui.evaluation.monitor import Rule
from chatgui.runs.store import Run
from chatgui.runs.stream import Stream
from chatgui.runs.workspace import Workspace
from chatgui.server import router
from tests.hook import listening
from tests.test_predict import LABELS, TAGS, trained

KEY = {"Authorization": "Bearer sk-test"}
SURGES = {(9, "delivery"), (14, "product")}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("monitored") / "home"


@pytest.fixture(scope="module")
def run(home: Path, tiny_model: Path) -> Iterator[Run]:
    before = signal.getsignal(signal.SIGTERM)
    yield trained(home, tiny_model, LABELS, "classification")
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def client(run: Run, home: Path) -> TestClient:
    Stream(run).clear()
    Stream(run).set_rule(Rule(negative="bad"))
    app = FastAPI()
    app.include_router(router(Workspace(home), ["sk-test"]))
    return TestClient(app, headers=KEY)


def day(number: int) -> list[dict[str, str]]:
    """Ten texts on each of two topics, a tenth of them bad; nine of ten in a surge."""
    return [
        {"text": f"{'bad' if place < bad else 'good'} {place % 6}", "time": f"2026-01-{number:02d}", "topic": topic}
        for topic in ("delivery", "product")
        for bad in [9 if (number, topic) in SURGES else 1]
        for place in range(10)
    ]


def post(client: TestClient, run: Run, rows: list[Any]) -> dict[str, Any]:
    answer = client.post("/v1/monitor", json={"model": run.id, "rows": rows})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_planted_surges_posted_raise_exactly_their_alerts(client: TestClient, run: Run) -> None:
    with listening() as (address, got):
        Stream(run).set_rule(Rule(negative="bad", webhook=address))
        raised = [alert for number in range(1, 17) for alert in post(client, run, day(number))["alerts"]]
    assert [(alert["day"], alert["topic"]) for alert in raised] == [
        (f"2026-01-{number:02d}", topic) for number, topic in sorted(SURGES)
    ]
    assert got == raised
    whole = client.get("/v1/monitor", params={"model": run.id}).json()
    assert whole["alerts"] == raised
    assert whole["days"]["delivery"]["2026-01-09"] == {"bad": 9, "good": 1}
    assert "webhook" not in whole["rule"] and whole["rule"]["negative"] == "bad"


def test_each_text_gets_its_label_and_today_where_it_has_no_time(client: TestClient, run: Run) -> None:
    before = datetime.now(UTC).date()
    assert post(client, run, [{"text": "good 1"}, {"text": "bad 2"}])["labels"] == ["good", "bad"]
    assert {each.day for each in Stream(run).seen()} <= {before, datetime.now(UTC).date()}


def test_a_webhook_that_fails_does_not_lose_the_texts(client: TestClient, run: Run) -> None:
    Stream(run).set_rule(Rule(negative="bad", webhook="http://127.0.0.1:9/x"))
    answers = [post(client, run, day(number)) for number in range(1, 10)]
    assert "127.0.0.1:9" in answers[-1]["webhook_error"] and len(answers[-1]["alerts"]) == 1
    assert len(Stream(run).seen()) == 180


def test_a_sender_needs_the_key(client: TestClient, run: Run) -> None:
    for answer in (
        client.post("/v1/monitor", json={"model": run.id, "rows": [{"text": "bad"}]}, headers={"Authorization": "x"}),
        client.get("/v1/monitor", params={"model": run.id}, headers={"Authorization": "x"}),
    ):
        assert answer.status_code == 401
    assert Stream(run).seen() == []


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([], "rows"), ([{"text": "a", "time": "soon"}], "soon"), ([{"time": "2026-01-01"}], "text"), ([3], "rows"),
    ],
)  # fmt: skip
def test_rows_that_cannot_be_used_are_refused_whole(client: TestClient, run: Run, rows: list[Any], said: str) -> None:
    answer = client.post("/v1/monitor", json={"model": run.id, "rows": [*rows]})
    assert answer.status_code == 400 and said in answer.json()["error"]["message"]
    assert Stream(run).seen() == []


def test_a_run_that_does_not_classify_is_refused(client: TestClient, home: Path, tiny_model: Path) -> None:
    tags = trained(home, tiny_model, TAGS, "tagging")
    for model in (tags.id, "no-such-run"):
        answer = client.post("/v1/monitor", json={"model": model, "rows": [{"text": "a"}]})
        assert answer.status_code == 400 and answer.json()["error"]["message"]
