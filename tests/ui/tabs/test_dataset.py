"""The Dataset tab's handlers over plain values. No page, no browser."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from chatgui.config import ModelConfig, RunConfig
from chatgui.data.load import DataConfig
from chatgui.encode import make_example
from chatgui.errors import ChatGuiError, DataError
from chatgui.models import load_template
from chatgui.prepare import length_limit
from chatgui.runs.workspace import Workspace
from chatgui.tasks.chat import Chat
from chatgui.ui import conversation_view as view
from chatgui.ui.dataset.learnt import show_learnt
from chatgui.ui.dataset.pages import CONVERSATIONS_A_PAGE, _turn, show_conversations, show_dropped, show_raw
from chatgui.ui.dataset.rows import chosen
from chatgui.ui.dataset.source import READING, divide, load_dataset, load_sample, load_source, load_upload, settle
from chatgui.ui.dataset.summary import show_source, summary_html, usable_samples
from chatgui.ui.item_view import shown
from chatgui.ui.session import Selection, Teaching


@pytest.fixture
def workspace(home: Path) -> Workspace:
    return Workspace(home)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., str]:
    """A file of rows, one a line; a text stands as it is."""

    def rows(*lines: Any, name: str = "rows.jsonl") -> str:
        path = tmp_path / name
        path.write_text(
            "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines) + "\n", "utf-8"
        )
        return str(path)

    return rows


def talk(user: str, assistant: str | None = "Gladly.") -> dict[str, Any]:
    turns = [{"role": "user", "content": user}]
    return {"messages": turns if assistant is None else [*turns, {"role": "assistant", "content": assistant}]}


def text_of(html: str) -> str:
    return html.replace("&#95;", "_")


# Choosing


def test_a_source_that_reads_becomes_the_selection(workspace: Workspace, write: Callable[..., str]) -> None:
    source = write(*(talk(f"question {n}") for n in range(20)))
    *_, last = load_source(workspace, "en", Selection(run="kept"), source, "auto")
    assert last[0] == Selection(data=DataConfig(source=source), run="kept")
    assert "<b>20</b>" in last[2]


def test_a_source_that_cannot_be_read_is_told_and_the_old_one_stays(workspace: Workspace, tmp_path: Path) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.touch()
    told = []
    with pytest.raises(DataError, match=r"^empty\.jsonl: the file is empty"):
        for step in load_source(workspace, "en", Selection(), str(empty), "auto"):
            told.append(step)
    assert all(step[0] == gr.skip() for step in told)
    assert "the file is empty" in told[-1][2] and "support stays chosen" in told[-1][2] and "alert" in told[-1][2]


def test_an_error_names_the_file_and_not_the_folder_of_uploads(workspace: Workspace, write: Callable[..., str]) -> None:
    with pytest.raises(DataError, match=r"^rows\.jsonl: none of its 1 rows"):
        list(load_source(workspace, "en", Selection(), write(talk("a", None)), "auto"))


def test_an_empty_name_asks_for_one(workspace: Workspace) -> None:
    with pytest.raises(ChatGuiError, match="Type the name"):
        list(load_source(workspace, "en", Selection(), "  ", "auto"))


def test_reading_is_announced_before_it_begins(workspace: Workspace) -> None:
    first = next(load_source(workspace, "zh", Selection(), "support", "auto"))
    assert "正在读取 support" in first[2]


def test_a_sample_is_read_by_its_own_format(workspace: Workspace) -> None:
    *_, last = load_sample(workspace, "en", Selection(data=DataConfig(source="x", format="alpaca")), "support")
    assert last[3] == "auto"


def test_an_upload_is_kept_in_the_workspace(workspace: Workspace, write: Callable[..., str]) -> None:
    file = write(*(talk(f"q{n}") for n in range(3)), name="mine.jsonl")
    *_, last = load_upload(workspace, "en", Selection(), [file], "auto")
    Path(file).unlink()
    assert Path(last[0].data.source).is_relative_to(workspace.home / "uploads")
    assert Path(last[0].data.source).name == "mine.jsonl" and Path(last[0].data.source).exists()


def test_other_shares_change_the_selection_and_keep_its_source() -> None:
    before = Selection(data=DataConfig(source="clinic"))
    after = divide(None, "en", before, 0.2, 0.0, 7)  # type: ignore[arg-type]  # by ratio no workspace is asked
    assert after.data == DataConfig(source="clinic", validation_fraction=0.2, test_fraction=0.0, split_seed=7)


def test_a_share_above_a_half_is_refused_under_its_name() -> None:
    with pytest.raises(ChatGuiError, match=r"^data\.test_fraction"):
        divide(None, "en", Selection(), 0.1, 0.9, 0)  # type: ignore[arg-type]


def test_an_unexpected_failure_leaves_no_summary_that_still_reads(workspace: Workspace) -> None:
    assert "1,700" in settle(workspace, "en", DataConfig(), f"<p {READING}>Reading …</p>")
    assert settle(workspace, "en", DataConfig(), "<p>failed</p>") == gr.skip()


def test_every_sample_offered_has_a_task_that_learns_from_it() -> None:
    assert usable_samples()[0] == "support"
    assert {"clinic", "tutor", "writing"} < set(usable_samples())


# The endpoint


def test_the_endpoint_selects_and_tells_what_was_read(workspace: Workspace, write: Callable[..., str]) -> None:
    source = write(*(talk(f"q{n}") for n in range(19)), talk("a", None))
    selection, told = load_dataset(workspace, "en", Selection(), source, "auto")
    assert selection.data.source == source
    assert (told["format"], told["rows"], told["kept"]) == ("messages", 20, 19)
    assert told["dropped"][0]["line"] == 20 and "assistant" in told["dropped"][0]["reason"]
    assert sum(told["splits"].values()) == 19
    json.dumps(told)


# Showing


def test_the_summary_says_when_the_source_brings_its_own_test_split(workspace: Workspace) -> None:
    assert "its own test split" in summary_html(workspace, "en", DataConfig())


def test_the_summary_says_when_no_row_is_left_for_a_split(workspace: Workspace, write: Callable[..., str]) -> None:
    summary = summary_html(workspace, "en", DataConfig(source=write(talk("a"), talk("b"))))
    assert "Too few rows for a validation split" in summary


def test_data_that_vanished_is_told_and_leaves_the_lists_empty(workspace: Workspace, tmp_path: Path) -> None:
    gone = DataConfig(source=str(tmp_path / "gone.jsonl"))
    assert "there is no such file" in show_source(workspace, "en", gone)[0]
    assert "No rows here" in show_conversations(workspace, "en", gone, 1, "all")[0]


def test_rows_to_train_on_come_first(workspace: Workspace) -> None:
    cards, *_ = show_conversations(workspace, "en", DataConfig(), 1, "all")
    assert cards.count('class="split train"') == CONVERSATIONS_A_PAGE


def test_the_filter_shows_one_split_only(workspace: Workspace) -> None:
    cards, page, note = show_conversations(workspace, "en", DataConfig(), 99, "test")
    assert cards.count('class="split test"') == cards.count("<article") == CONVERSATIONS_A_PAGE
    assert (page.number, page.pages) == (10, 10) and "91–100 of 100" in note


def test_text_from_data_is_never_html(workspace: Workspace, write: Callable[..., str]) -> None:
    attack = '<img src=x onerror="alert(1)"> __i18n__{"key":"x"}'
    data = DataConfig(source=write(talk(attack, attack), name="<b>.jsonl"), validation_fraction=0, test_fraction=0)
    shown = show_conversations(workspace, "en", data, 1, "all")[0] + show_source(workspace, "en", data)[0]
    assert "<img" not in shown and "<b>.jsonl" not in shown
    assert "__i18n__" not in shown and "__i18n__" in text_of(shown)


def test_the_reason_of_a_left_out_row_is_never_html(workspace: Workspace, write: Callable[..., str]) -> None:
    bad = {"messages": [{"role": "<script>", "content": "x"}]}
    table, *_ = show_dropped(workspace, "en", DataConfig(source=write(talk("a"), bad)), 1)
    assert "<script>" not in table and "&lt;script&gt;" in table


def test_half_an_emoji_can_be_sent_to_a_browser() -> None:
    shown("\ud83d half").encode("utf-8")
    view.cell({"a": "\ud83d"}).encode("utf-8")


def test_left_out_rows_show_line_and_reason_in_the_readers_language(
    workspace: Workspace, write: Callable[..., str]
) -> None:
    data = DataConfig(source=write(talk("a"), talk("b", None), "{broken"))
    table, name, *_ = show_dropped(workspace, "zh", data, 1)
    assert "没有可供学习的助手回复" in table and "<td>2</td>" in table and "<td>3</td>" in table
    assert name["label"] == "未采用（2）"


def test_nothing_left_out_is_said_plainly(workspace: Workspace) -> None:
    assert "Nothing was left out" in show_dropped(workspace, "en", DataConfig(), 1)[0]


def test_raw_cells_are_cut(workspace: Workspace, write: Callable[..., str]) -> None:
    update, *_ = show_raw(workspace, "en", DataConfig(source=write(talk("long " * 500), talk("b"))), 1, "all")
    assert update["value"]["headers"] == ["file", "line", "messages"]
    assert max(len(cell) for row in update["value"]["data"] for cell in row) == view.CELL_CHARACTERS + 1


def test_turning_a_page_stops_at_the_ends(workspace: Workspace) -> None:
    *_, number, _, back, on = _turn(-1, show_conversations, workspace, "en", DataConfig(), 1, "test")
    assert number == 1 and not back["interactive"] and on["interactive"]


# What is learnt


def learn(workspace: Workspace, data: DataConfig, model: Path, number: int = 1) -> tuple[list[tuple[str, str]], str]:
    mask, facts, *_ = show_learnt(workspace, "en", data, number, str(model), True)
    return mask["value"], facts


def test_no_tokenizer_is_loaded_before_the_view_is_opened(workspace: Workspace) -> None:
    mask, facts, page, _ = show_learnt(workspace, "en", DataConfig(), 1, "/no/model", False)
    assert (mask, facts, page) == (gr.skip(), gr.skip(), None)


def test_the_view_is_the_label_mask_of_the_training(
    workspace: Workspace, conversations: Path, tiny_model: Path
) -> None:
    data = DataConfig(source=str(conversations))
    row = chosen(workspace, data)[0][1]
    config = RunConfig(data=data, model=ModelConfig(name=str(tiny_model)))
    example = make_example(config, row, load_template(config.model), length_limit(config))
    found, facts = learn(workspace, data, tiny_model)
    learnt = "".join(text for text, kind in found if "(learnt)" in kind).replace("↵", "")
    replies = [message.content for message in row.item.messages if message.role == "assistant"]  # type: ignore[union-attr]
    assert learnt == "".join(f"{reply}<|end|>" for reply in replies)
    assert f"<b>{len(example)}</b>" in facts and f"<b>{example.supervised}</b>" in facts


def test_a_chinese_character_of_three_tokens_is_one_piece(
    workspace: Workspace, write: Callable[..., str], tiny_model: Path
) -> None:
    data = DataConfig(source=write(talk("hi", "云 雀"), talk("b"), talk("c")), validation_fraction=0, test_fraction=0)
    found, facts = learn(workspace, data, tiny_model)
    assert [text for text, kind in found if kind == "reply (learnt)"] == ["云", " ", "雀"]
    assert "<bdi>云</bdi> (3)" in facts


def test_a_replacement_character_of_the_data_is_a_piece_of_its_own() -> None:
    ids = list("\ufffd end 🧑".encode())
    found = view.pieces(ids, ["reply"] * len(ids), lambda part: bytes(part).decode("utf-8", "replace"))
    assert [(piece.text, piece.tokens) for piece in found] == [
        ("\ufffd", 3), (" ", 1), ("e", 1), ("n", 1), ("d", 1), (" ", 1), ("🧑", 4),
    ]  # fmt: skip


def test_a_piece_never_crosses_the_border_of_what_is_learnt() -> None:
    found = view.pieces(
        [0xE4, 0xBA, 0x91], ["prompt", "reply", "reply"], lambda part: bytes(part).decode("utf-8", "replace")
    )
    assert [(piece.kind, piece.tokens) for piece in found] == [("prompt", 1), ("reply", 2)]


def test_what_lies_beyond_the_limit_is_shown_as_cut_away(
    workspace: Workspace, write: Callable[..., str], tiny_model: Path
) -> None:
    data = DataConfig(source=write(talk("hi", "x" * 400), talk("b"), talk("c")), validation_fraction=0, test_fraction=0)
    found, facts = learn(workspace, data, tiny_model)
    whole = len("<hi><x>") - 7 + 1 + 2 + 1 + 1 + 400 + 1  # five marks of one token each, and the bytes
    assert sum(kind == "cut away (beyond the limit)" for _, kind in found) == whole - 256
    assert f"<b>{whole - 256}</b>" in facts


def test_the_train_forms_limit_and_turns_decide_what_is_shown_as_learnt(
    workspace: Workspace, write: Callable[..., str], tiny_model: Path
) -> None:
    data = DataConfig(source=write(talk("hi", "y" * 40), talk("b"), talk("c")), validation_fraction=0, test_fraction=0)
    teaching = Teaching(ModelConfig(name=str(tiny_model)), Chat(teach="everything"), 20)
    mask, _, *_ = show_learnt(workspace, "en", data, 1, str(tiny_model), True, Selection(data, teaching=teaching))
    kinds = [kind for _, kind in mask["value"]]
    assert "prompt (ignored)" not in kinds and "cut away (beyond the limit)" in kinds


def test_a_row_whose_reply_is_cut_away_says_that_training_leaves_it_out(
    workspace: Workspace, write: Callable[..., str], tiny_model: Path
) -> None:
    data = DataConfig(source=write(talk("x" * 400), talk("b"), talk("c")), validation_fraction=0, test_fraction=0)
    found, facts = learn(workspace, data, tiny_model)
    assert "Training leaves this row out" in facts and found[-1][1] == "cut away (beyond the limit)"


def test_a_model_without_a_template_is_noted(workspace: Workspace, conversations: Path, plain_model: Path) -> None:
    assert "brings no chat template" in learn(workspace, DataConfig(source=str(conversations)), plain_model)[1]


def test_every_token_of_a_text_is_learnt(workspace: Workspace, write: Callable[..., str], tiny_model: Path) -> None:
    data = DataConfig(source=write("One day.", "", "Two days.", name="book.txt"))
    found, facts = learn(workspace, data, tiny_model)
    assert {kind for _, kind in found} <= {
        "reply (learnt)",
        "end of turn (learnt)",
    } and "every token is learnt" in facts


def test_a_model_that_is_not_there_is_told_in_the_view(workspace: Workspace, conversations: Path) -> None:
    found, facts = learn(workspace, DataConfig(source=str(conversations)), Path("/no/such/model"))
    assert found == [] and "/no/such/model" in facts and "alert" in facts


# Dividing


def test_a_column_that_divides_is_asked_for_and_then_checked(workspace: Workspace, write: Callable[..., str]) -> None:
    source = write(*({**talk(f"q{n}"), "customer": n % 5} for n in range(20)))
    before = Selection(data=DataConfig(source=source))
    assert divide(workspace, "en", before, 0.1, 0.2, 0, "group", "") == gr.skip()
    after = divide(workspace, "en", before, 0.1, 0.2, 0, "group", "customer").data
    owners = {row.raw["customer"] for row in workspace.splits(after).test}
    assert len(owners) == 1 and len(workspace.splits(after).test) == 4
    with pytest.raises(DataError, match="there is no column who"):
        divide(workspace, "en", before, 0.1, 0.2, 0, "group", "who")


def test_replies_with_a_weight_of_zero_are_noted(workspace: Workspace, write: Callable[..., str]) -> None:
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b", "weight": 0}]
    source = write(*({"messages": turns} for _ in range(9)))
    assert "they are read, but not learnt" in summary_html(workspace, "en", DataConfig(source=source))
    plain = write(*(talk(f"question {n}") for n in range(20)), name="plain.jsonl")
    assert "Weights" not in summary_html(workspace, "en", DataConfig(source=plain))


def test_a_long_file_shows_its_first_rows_while_it_is_read(
    workspace: Workspace, write: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatgui.ui.dataset.source.LARGE_BYTES", 10)
    source = write(talk("the very first"), *(talk(f"question {n}") for n in range(20)))
    steps = list(load_source(workspace, "en", Selection(), source, "auto"))
    assert steps[1][2].count("<article") == 3 and "the very first" in steps[1][2]
    assert steps[-1][0].data.source == source and "reading" not in steps[-1][2]
