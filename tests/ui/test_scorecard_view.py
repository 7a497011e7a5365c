from chatgui.ui.scorecard_view import METRICS, card_row, metric_rows

CARD = {
    "split": "test", "rows": 9, "replies": 8,
    "base": {"new": 1, "loss": 3.0, "bleu": 5.0, "weights": "a", "intervals": {"loss": [2.5, 3.5]}},
    "tuned": {"new": 2, "loss": 2.0, "bleu": 4.0, "weights": "b", "intervals": {"loss": [1.5, 2.5]}},
    "change": {"loss": {"value": -1.0, "low": -1.2, "high": -0.8}, "bleu": {"value": -1.0, "low": -2.0, "high": 0.5}},
    "changes": [{"prompt": [], "reference": "", "base": "", "tuned": ""}] * 99,
}  # fmt: skip


def test_known_metrics_come_first_with_their_intervals() -> None:
    rows = metric_rows(CARD, "en")
    assert [row["metric"] for row in rows] == ["loss", "bleu", "new"]
    assert (rows[0]["base"], rows[0]["change"]) == ("3 [2.5, 3.5]", "-1 [-1.2, -0.8]")
    assert rows[2]["name"] == "new"


def test_a_change_is_called_better_or_worse_only_when_its_interval_excludes_zero() -> None:
    assert [row["good"] for row in metric_rows(CARD, "en")] == [True, None, None]


def test_every_known_metric_has_a_name_and_help_in_both_languages() -> None:
    full = {**CARD, **{side: dict.fromkeys(METRICS, 1.0) for side in ("base", "tuned")}, "change": {}}
    for language in ("en", "zh"):
        assert all(row["name"] != row["metric"] and row["help"] for row in metric_rows(full, language))


def test_the_page_gets_the_replies_that_changed_most_only() -> None:
    row = card_row(CARD, "en")
    assert len(row["changes"]) == 30
    assert "9 rows of the test split, 8 prompts" in row["title"]
