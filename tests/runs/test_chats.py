import json
from pathlib import Path

import pytest

from chatgui.config import RunConfig
from chatgui.errors import RunError
from chatgui.generation.transcript import Answer, Question, Transcript
from chatgui.runs.chats import Chats, new_id
from chatgui.runs.store import Run, create_run


@pytest.fixture
def run(home: Path) -> Run:
    return create_run(home, RunConfig(), "finished")


@pytest.fixture
def talk(run: Run) -> Transcript:
    answers = [Answer(text, (1, 0), "own", {"seed": 0}) for text in ("left", "right")]
    return Transcript(run.id, asked=Question("Hello  there"), id=new_id()).answered(*answers)


def test_a_conversation_comes_back_as_it_was(run: Run, talk: Transcript) -> None:
    Chats(run).write(talk)
    again = Chats(run).read(talk.id)
    assert (again.exchanges, again.speakers, again.id) == (talk.exchanges, talk.speakers, talk.id)
    (kept,) = Chats(run).list()
    assert (kept.name, kept.turns) == ("Hello there", 1)


def test_with_a_login_each_reader_sees_their_own(run: Run, talk: Transcript) -> None:
    Chats(run, "ann").write(talk)
    assert [len(Chats(run, reader).list()) for reader in ("ann", "bob", "")] == [1, 0, 0]
    for attempt in (Chats(run, "bob").read, Chats(run, "bob").delete, Chats(run).read):
        with pytest.raises(RunError, match="no such conversation"):
            attempt(talk.id)
    with pytest.raises(RunError, match="no such conversation"):
        Chats(run, "bob").write(talk)


@pytest.mark.parametrize("id_", ["", "../config", "20260101-000000-ffffff", "*"])
def test_what_names_no_conversation_is_told(run: Run, id_: str) -> None:
    with pytest.raises(RunError, match="no such conversation"):
        Chats(run).read(id_)


def test_a_broken_file_hides_no_other(run: Run, talk: Transcript) -> None:
    Chats(run).write(talk)
    (run.folder / "chats" / f"{new_id()}.json").write_text("{", encoding="utf-8")
    (run.folder / "chats" / f"{new_id()}.json").write_text(json.dumps({"turns": 3}), encoding="utf-8")
    assert [kept.id for kept in Chats(run).list()] == [talk.id]


def test_a_new_name_outlives_the_next_turn(run: Run, talk: Transcript) -> None:
    Chats(run).write(talk)
    Chats(run).rename(talk.id, " Mine\n")
    Chats(run).write(talk)
    assert Chats(run).list()[0].name == "Mine"
