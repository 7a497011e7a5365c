"""What Try and Apply do, on real little runs."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chatgui.errors import DataError
from chatgui.runs.workspace import Workspace
from chatgui.text import say
from chatgui.ui.session import Selection
from chatgui.ui.tabs import apply, trial
from tests.hook import listening
from tests.test_predict import CHOICES, LABELS, TAGS, trained


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Iterator[dict[str, str]]:
    before = signal.getsignal(signal.SIGTERM)
    home = tmp_path_factory.mktemp("trial") / "home"
    tasks: dict[str, list[Any]] = {"classification": LABELS, "tagging": TAGS, "ranking": CHOICES}
    made = {task: trained(home, tiny_model, rows, task).id for task, rows in tasks.items()}
    yield {**made, "home": str(home)}
    signal.signal(signal.SIGTERM, before)


@pytest.fixture(scope="module")
def workspace(runs: dict[str, str]) -> Workspace:
    return Workspace(Path(runs["home"]))


def test_only_runs_that_predict_can_be_tried(workspace: Workspace, runs: dict[str, str]) -> None:
    chooser, empty, main = trial.runs_to_try(workspace, "en", Selection(run=runs["tagging"]), None)
    assert {run for _, run in chooser["choices"]} == {runs["classification"], runs["tagging"], runs["ranking"]}
    assert (chooser["value"], empty["visible"], main["visible"]) == (runs["tagging"], False, True)


def test_a_label_comes_with_its_probabilities_from_both_models(workspace: Workspace, runs: dict[str, str]) -> None:
    base, tuned = trial.try_text(workspace, "en", runs["classification"], "good 3", "")
    assert '<p class="predicted">good</p>' in tuned
    assert "bars" in base


def test_names_are_marked_in_their_text_and_markup_is_text(workspace: Workspace, runs: dict[str, str]) -> None:
    tuned = trial.try_text(workspace, "en", runs["tagging"], "Ann <b>w3", "")[1]
    assert "Ann<sub>PER</sub></mark>" in tuned
    assert "<b>" not in tuned


def test_candidates_are_listed_with_scores(workspace: Workspace, runs: dict[str, str]) -> None:
    tuned = trial.try_text(workspace, "en", runs["ranking"], "cat 1", "dog 1\ncat 1")[1]
    assert tuned.count("<li>") == 2


def test_a_table_is_predicted_and_can_be_taken_home(workspace: Workspace, runs: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "new.jsonl"
    file.write_text("\n".join(json.dumps(row) for row in [*LABELS[:2], {"text": ""}]), encoding="utf-8")
    table, download = trial.try_table(workspace, "en", runs["classification"], str(file))
    assert [row[1] for row in table["value"]["data"][:2]] == ["good", "bad"]
    lines = Path(download["value"]).read_text(encoding="utf-8-sig").splitlines()
    assert len(lines) == 4


def test_both_models_are_judged_with_table_and_confusion(workspace: Workspace, runs: dict[str, str]) -> None:
    base, tuned, _, tuned_figure = trial.judge_run(workspace, "en", runs["classification"])
    assert "Macro F1" in base and "1.0000" in tuned
    assert tuned_figure["value"].data[0].type == "heatmap"
    tables = trial.judge_run(workspace, "zh", runs["tagging"])
    assert "PER" in tables[1] and "micro avg" in tables[1] and tables[3]["visible"] is False
    assert "B-PER" in tables[1].partition("<details>")[2]


def test_the_fields_are_named_after_what_the_run_reads(workspace: Workspace, runs: dict[str, str]) -> None:
    first, second = trial.fields_of(workspace, "en", runs["ranking"])
    assert (first["label"], second["visible"]) == (say("try.input.history", "en"), True)
    assert trial.fields_of(workspace, "en", runs["tagging"])[1]["visible"] is False


def stream(file: Path, days: range, surge: int) -> str:
    """Ten texts a day on one topic, a tenth of them bad; eight on the day of the surge."""
    rows = [
        f"{'bad' if number < (8 if day == surge else 1) else 'good'} {number % 6},2026-01-{day:02d},x"
        for day in days for number in range(10)
    ]  # fmt: skip
    file.write_text("\n".join(["text,time,topic", *rows]), encoding="utf-8")
    return str(file)


def test_the_stream_grows_and_its_alert_is_in_the_log(
    workspace: Workspace, runs: dict[str, str], tmp_path: Path
) -> None:
    file = stream(tmp_path / "stream.csv", range(1, 11), 9)
    seen, figure, record = apply.watch(workspace, "en", runs["classification"], (), file, "bad", 3, 14, "")
    assert len(seen) == 100
    assert figure["visible"] is True
    assert record.count("<li>") == 1 and "2026-01-09" in record
    grown, _, _ = apply.watch(workspace, "en", runs["classification"], seen, file, "bad", 3, 14, "")
    assert len(grown) == 200
    with pytest.raises(DataError, match="good"):
        apply.watch(workspace, "en", runs["classification"], (), file, "negative", 3, 14, "")


def test_the_webhook_hears_of_each_alert_once(workspace: Workspace, runs: dict[str, str], tmp_path: Path) -> None:
    first, second = stream(tmp_path / "a.csv", range(1, 11), 9), stream(tmp_path / "b.csv", range(11, 21), 15)
    with listening() as (address, got):
        seen, _, _ = apply.watch(workspace, "en", runs["classification"], (), first, "bad", 3, 14, address)
        apply.watch(workspace, "en", runs["classification"], seen, second, "bad", 3, 14, address)
    assert [alert["day"] for alert in got] == ["2026-01-09", "2026-01-15"]


def test_the_assistant_shows_its_sources_or_hands_over(workspace: Workspace, tmp_path: Path) -> None:
    file = tmp_path / "faq.csv"
    file.write_text("question,answer\nReturns?,Within <30> days.\nOpening hours?,Until six.\n", encoding="utf-8")
    grounded, plain = apply.support(workspace, "en", None, [str(file)], "What about returns?", 2, 0.3)
    assert "Within &lt;30&gt; days." in grounded
    assert plain == f"<p>{say('apply.no_chat_run', 'en')}</p>"
    unknown, _ = apply.support(workspace, "en", None, [str(file)], "Quantum physics", 2, 0.3)
    assert say("apply.hand_over", "en") in unknown


def test_the_sample_documents_answer_in_both_languages(workspace: Workspace) -> None:
    files = apply.use_sample_documents("en")
    for question, answer in (("How long can I return shoes?", "within 30 days"), ("退款多久到账？", "5个工作日内")):
        grounded, _ = apply.support(workspace, "en", None, files, question, 2, 0.3)
        assert answer in grounded


def test_the_question_is_in_the_letter_to_a_person(workspace: Workspace) -> None:
    unknown, _ = apply.support(workspace, "en", None, apply.use_sample_documents("en"), "Zebra & <quantum>?", 2, 0.3)
    assert "mailto:?subject=" in unknown and "Zebra%20%26%20%3Cquantum%3E%3F" in unknown


def test_the_watched_label_is_the_one_that_sounds_bad(workspace: Workspace, runs: dict[str, str]) -> None:
    found = apply.labels_of(workspace, "en", runs["classification"], None)
    assert (found["choices"], found["value"]) == (["bad", "good"], "bad")
    assert apply.labels_of(workspace, "en", runs["classification"], "good")["value"] == "good"


def test_the_recommender_stands_beside_two_simple_rules(workspace: Workspace, runs: dict[str, str]) -> None:
    users = apply.users_of(workspace, "en", runs["ranking"])
    assert users["value"] in users["choices"]
    assert apply.history_of(workspace, "en", runs["ranking"], users["value"])
    views = apply.recommend(workspace, "en", runs["ranking"], None, "cat 1")
    assert len(views) == 3 and all("bars" in view for view in views)
    assert say("apply.because", "en") in views[0]


def test_what_is_missing_is_said(workspace: Workspace) -> None:
    calls: list[Any] = [
        lambda: apply.watch(workspace, "en", None, (), "x", "bad", 3, 14, ""),
        lambda: apply.support(workspace, "en", None, None, "q", 2, 1),
        lambda: apply.recommend(workspace, "en", None, None, ""),
    ]
    for call in calls:
        with pytest.raises(DataError):
            call()
