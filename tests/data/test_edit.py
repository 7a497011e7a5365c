from pathlib import Path

import pytest

from chatgui.data.conversation import Conversation, Document, Item, Message, Row, Tagged, fingerprint
from chatgui.data.edit import Edit, EditedRows, item_from, item_values, read_journal, with_edits, write_journal
from chatgui.data.load import DataConfig
from chatgui.data.split import split
from chatgui.errors import DataError
from tests.ui.test_item_view import ITEMS


def rows(count: int = 5) -> list[Row]:
    return [Row(Document(f"text {number}"), "a.txt", number + 1) for number in range(count)]


def texts(found: object) -> list[str]:
    return [row.item.text for row in found if isinstance(row.item, Document)]  # type: ignore[attr-defined]


def print_of(text: str) -> str:
    return fingerprint(Document(text))


EDITS = [
    Edit("replace", 1, print_of("text 1"), Document("mended")), Edit("delete", 0, print_of("text 0")),
    Edit("add", 4, item=Document("new")), Edit("replace", 4, print_of("new"), Document("newer")),
]  # fmt: skip


def test_edits_are_laid_over_the_rows_one_after_another() -> None:
    source = rows()
    assert texts(EditedRows(source, EDITS)) == ["mended", "text 2", "text 3", "text 4", "newer"]
    assert texts(source) == [f"text {number}" for number in range(5)]


def test_a_journal_gives_its_edits_back_and_is_named_by_them(tmp_path: Path) -> None:
    path = write_journal(tmp_path / "edits", EDITS)
    assert path is not None and read_journal(Path(path)) == EDITS
    assert write_journal(tmp_path / "edits", EDITS) == path
    assert write_journal(tmp_path / "edits", EDITS[:1]) != path
    assert write_journal(tmp_path / "edits", []) is None


def test_a_journal_that_was_changed_is_refused(tmp_path: Path) -> None:
    path = Path(str(write_journal(tmp_path, EDITS)))
    path.write_text(path.read_text(encoding="utf-8").replace("mended", "other"), encoding="utf-8")
    with pytest.raises(DataError, match="its name no longer fits its content"):
        read_journal(path)


def test_a_journal_that_is_gone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        with_edits(rows(), str(tmp_path / "gone.jsonl"))


def test_an_edit_on_another_source_is_refused_with_its_row() -> None:
    with pytest.raises(DataError, match="row 2 is no longer what the edit was made on"):
        EditedRows([Row(Document("x"), "a", 1)] * 3, EDITS)


def test_the_run_divides_the_edited_rows(tmp_path: Path) -> None:
    config = DataConfig(edits=write_journal(tmp_path, EDITS), validation_fraction=0, test_fraction=0)
    assert texts(split(rows(), config).train) == ["mended", "text 2", "text 3", "text 4", "newer"]


@pytest.mark.parametrize("item", [item for item, _ in ITEMS], ids=lambda item: type(item).__name__)
def test_every_kind_of_item_is_the_same_when_it_is_read_again(item: Item) -> None:
    assert item_from(item_values(item)) == item


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"kind": "poem"}, "the kind poem is not known"), ([], "the kind list is not known"),
        ({"kind": "document"}, "text is not right"),
        ({"kind": "conversation", "messages": [{"role": "bot", "content": "x"}]}, 'role "bot" is not known'),
        ({"kind": "conversation", "messages": [{"role": "user", "content": "x"}]}, "no reply of the assistant"),
        ({"kind": "tagged", "words": ["a", "b"], "tags": ["O"]}, "2 words and 1 tags"),
    ],
)  # fmt: skip
def test_a_wrong_correction_says_what_is_wrong(values: object, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        item_from(values)


def test_items_of_the_journal_are_frozen_again() -> None:
    item = item_from({"kind": "conversation", "messages": [{"role": "assistant", "content": "x"}]})
    assert item == Conversation((Message("assistant", "x"),)) and hash(item)
    assert hash(item_from({"kind": "tagged", "words": ["a"], "tags": ["O"]})) == hash(Tagged(("a",), ("O",)))
