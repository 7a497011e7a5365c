import json
from pathlib import Path

import pytest

from chatgui.data.conversation import Conversation, Labelled, Message
from chatgui.data.load import DataConfig, load, raw_rows
from chatgui.data.mapping import (
    Mapping,
    apply,
    check,
    fields,
    fitting,
    from_json,
    guess_mapping,
    read_columns,
    save,
    settings,
    write_columns,
)  # fmt: skip
from chatgui.errors import ChatGuiError, ConfigError, DataError

ROWS = [{"no": number, "ask": f"What is {number}?", "say": f"It is {number}, no more."} for number in range(9)]
STARS = Mapping("label", {"text": "review", "label": "star rating"}, ("bad", "good"))


def test_a_mapping_is_guessed_where_no_format_fits() -> None:
    guessed = guess_mapping([{"frage": "Wo?", "antwort": "Hier, in der Mühlenstraße 12."}], "question_answer")
    assert set(guessed.columns.values()) == {"frage", "antwort"}
    assert guessed.missing == ()


def test_the_guess_for_a_known_format_is_its_own() -> None:
    guessed = guess_mapping([{"review": "Nice", "label": "1"}])
    assert guessed == Mapping("label", {"label": "label", "text": "review"})


def test_a_mapping_makes_the_items_of_its_format() -> None:
    mapping = Mapping("prompt_completion", {"prompt": "ask", "completion": "say"})
    assert apply(mapping, ROWS[0]) == Conversation(
        (Message("user", "What is 0?"), Message("assistant", "It is 0, no more."))
    )
    assert fitting(mapping, ROWS) == 1.0


def test_numbered_labels_get_their_names() -> None:
    assert apply(STARS, {"review": "Nice", "star rating": "1"}) == Labelled("Nice", ("good",))
    with pytest.raises(DataError, match="there is no name for label 2; 2 names are given"):
        apply(STARS, {"review": "Nice", "star rating": 2})


def test_a_saved_mapping_is_the_same_again(tmp_path: Path) -> None:
    save(STARS, tmp_path / "stars.json")
    assert from_json((tmp_path / "stars.json").read_text(encoding="utf-8")) == STARS


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "label", "columns": ["text"]}', "[" * 100_000])
def test_a_broken_mapping_is_refused(text: str) -> None:
    with pytest.raises(DataError, match="no saved column mapping"):
        from_json(text)


@pytest.mark.parametrize(
    "columns", [{}, {"text": "review", "label": "star rating"}, {"text": 'a, "b"=c', "label": ""}, {"text": " \n标签"}]
)
def test_columns_are_written_and_read_again(columns: dict[str, str]) -> None:
    assert read_columns(write_columns(columns)) == columns


def test_columns_are_written_as_a_person_would() -> None:
    assert write_columns(STARS.columns) == "text=review, label=star rating"


@pytest.mark.parametrize("text", ["review", "text=", "text=a, ,", "=b", 'text="a'])
def test_columns_of_another_form_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="write pairs of field and column"):
        read_columns(text)


@pytest.mark.parametrize(
    ("mapping", "sentence"),
    [
        (Mapping("labels"), 'format "labels" is not known'),
        (Mapping("label", {"words": "say"}), 'no field "words"; use text, label'),
        (Mapping("label", {"text": "review"}), 'no column "review"; the columns are no, ask, say'),
        (Mapping("label", {"text": "say"}), "needs a column for label"),
    ],
)
def test_a_mapping_that_does_not_fit_the_file_says_why(mapping: Mapping, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        check(mapping, tuple(ROWS[0]), "a.csv")


def test_every_field_of_a_format_can_be_offered() -> None:
    assert [field.name for field in fields("question_answer")] == ["question", "answer", "context", "system"]


def test_a_run_repeats_its_mapping(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("note,stars\nNice place,1\nNever again,0\n", encoding="utf-8")
    config = DataConfig(source=str(path), format="label", columns="text=note, label=stars", label_names="bad, good")
    again = DataConfig.model_validate(config.model_dump())
    assert [row.item for row in load(again).rows] == [
        Labelled("Nice place", ("good",)), Labelled("Never again", ("bad",)),
    ]  # fmt: skip


def test_columns_alone_tell_the_format_they_fit(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("note,stars\nNice place,1\nNever again,0\n", encoding="utf-8")
    assert load(DataConfig(source=str(path), columns="text=note, label=stars")).format == "label"


def test_a_column_that_the_file_lacks_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("note,stars\nNice place,1\n", encoding="utf-8")
    with pytest.raises(ChatGuiError, match='there is no column "review"; the columns are note, stars'):
        load(DataConfig(source=str(path), format="label", columns="text=review, label=stars"))


def test_the_config_of_a_mapping_reads_its_rows_by_it(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    rows = [{"question": f"Q{n}", "the, answer": f"A{n}", "answer": "-", "context": "C"} for n in range(5)]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    mapping = Mapping("question_answer", {"question": "question", "answer": "the, answer"})
    config = DataConfig(source=str(file), **settings(mapping, rows))
    assert 'context=""' in config.columns and raw_rows(config) == rows
    assert [row.item for row in load(config).rows] == [apply(mapping, row) for row in rows]


def test_a_guess_puts_the_question_before_the_answer_and_takes_few_values_for_labels() -> None:
    rows = [
        {"nr": n, "frage": f"Wie war das {n}. Essen denn so?", "antwort": f"Sehr {n}.", "ort": "Ulm", "gut": n % 2}
        for n in range(20)
    ]
    assert guess_mapping(rows, "question_answer").columns == {"question": "frage", "answer": "antwort"}
    assert guess_mapping(rows, "label").columns == {"text": "frage", "label": "gut"}


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"nr": "{n}", "frage": "Wo ist {n}?", "antwort": "Die {n} ist hier.", "ort": "Ulm"}, "question_answer"),
        ({"nr": "{n}", "问": "请问第{n}家店的地址在哪里？", "答": "在磨坊路{n}号，很近。"}, "question_answer"),
        ({"nr": "{n}", "bewertung": "Das {n}. Essen war gut.", "sterne": "{two}"}, "label"),
        ({"nr": "{n}", "label": "{two}", "bewertung": "Das {n}. Essen war gut.", "von": "Gast {n}"}, "label"),
        ({"nr": "{n}", "absatz": "Im Jahr {n} geschah nichts."}, "text"),
    ],
)
def test_columns_of_unknown_names_are_told_by_their_looks(row: dict[str, str], expected: str) -> None:
    rows = [{name: value.format(n=n, two=n % 2) for name, value in row.items()} for n in range(30)]
    guessed = guess_mapping(rows)
    assert guessed.format == expected and fitting(guessed, rows) == 1.0
    assert "nr" not in guessed.columns.values()
