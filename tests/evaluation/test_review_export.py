import csv
import io
import json
import re
from pathlib import Path

import pytest

from chatgui.config import GenerationConfig
from chatgui.evaluation.review_export import to_csv, to_html, to_jsonl, to_judgements, to_preferences
from chatgui.evaluation.reviews import (
    Pair,
    Review,
    add_thumb,
    append,
    cast_vote,
    left_side,
    new_review,
    read,
    typed_prompts,
)

VERDICTS = ["tuned", "base", "tie", "both_bad"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "reviews.jsonl"


@pytest.fixture
def review(path: Path) -> Review:
    """Four pairs with one vote of each verdict; prompts and replies that want escaping."""
    made = new_review(
        typed_prompts("Is <b>it</b> safe?\n=1+1\n退货要多久？\nwhy"), "typed", GenerationConfig(), pairs=4, seed=0
    )
    append(path, made)
    for index, verdict in enumerate(VERDICTS):
        append(path, Pair(made.id, index, f"<script>no</script> {index}", f'七天，"good", {index}'))
        choice = verdict
        if verdict in ("tuned", "base"):
            choice = "left" if left_side(made, index, "Ann") == verdict else "right"
        cast_vote(path, read(path), made, index, reviewer="Ann", choice=choice, tag="tone", comment="@ok\nzwei")
    return made


def load(text: str, tmp_path: Path) -> list[dict[str, object]]:
    """As `datasets` reads the exported file."""
    import datasets

    file = tmp_path / "votes.jsonl"
    file.write_text(text, encoding="utf-8")
    return list(datasets.load_dataset("json", data_files=str(file), split="train", cache_dir=str(tmp_path / "cache")))


def test_preferences_load_with_datasets(path: Path, review: Review, tmp_path: Path) -> None:
    rows = load(to_jsonl(to_preferences(read(path), review)), tmp_path)
    base, tuned = "<script>no</script> {}", '七天，"good", {}'
    assert [row["prompt"] for row in rows] == [review.prompts[0], review.prompts[1]]
    assert [row["chosen"] for row in rows] == [
        [{"role": "assistant", "content": tuned.format(0)}],
        [{"role": "assistant", "content": base.format(1)}],
    ]
    assert [row["rejected"] for row in rows] == [
        [{"role": "assistant", "content": base.format(0)}],
        [{"role": "assistant", "content": tuned.format(1)}],
    ]


def test_judgements_load_with_datasets_and_hold_the_thumbs(path: Path, review: Review, tmp_path: Path) -> None:
    add_thumb(path, [{"role": "user", "content": "hi"}], "hello", "tuned", True)
    rows = load(to_jsonl(to_judgements(read(path), review)), tmp_path)
    assert [row["label"] for row in rows] == [False, True, True, False, False, False, True]
    assert set(rows[0]) == {"prompt", "completion", "label"}
    assert rows[-1]["completion"] == [{"role": "assistant", "content": "hello"}]


def test_reviewers_who_disagree_give_no_preference(path: Path, review: Review) -> None:
    other = "left" if left_side(review, 0, "Ben") == "base" else "right"
    cast_vote(path, read(path), review, 0, reviewer="Ben", choice=other)
    assert [row["prompt"] for row in to_preferences(read(path), review)] == [review.prompts[1]]


def test_the_table_has_a_line_for_each_vote_and_no_formula(path: Path, review: Review) -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv(read(path), review, "run-7"))))
    assert [row["verdict"] for row in rows] == VERDICTS
    assert [row["prompt"] for row in rows][1] == "'=1+1"
    assert {row["comment"] for row in rows} == {"'@ok\nzwei"}
    assert rows[0]["tuned"] == '七天，"good", 0'
    assert rows[0]["run"] == "run-7"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_report_stands_alone_and_shows_texts_as_texts(path: Path, review: Review, language: str) -> None:
    page = to_html(read(path), review, "run-7", language)
    assert "<script>no</script>" not in page
    assert "&lt;script&gt;no&lt;/script&gt; 0" in page
    assert "Is &lt;b&gt;it&lt;/b&gt; safe?" in page
    assert not re.search(r"<script[^>]* src=|<link|@import", page)
    assert page.count('class="plotly-graph-div"') == 2
    assert "Plotly.newPlot" in page
    assert ("50.0 % (1 of 2; 95 % interval 9.5 % to 90.5 %)" in page) == (language == "en")


def test_one_row_a_line(path: Path, review: Review) -> None:
    text = to_jsonl(to_preferences(read(path), review))
    assert [json.loads(line)["prompt"] for line in text.splitlines()] == [review.prompts[0], review.prompts[1]]
