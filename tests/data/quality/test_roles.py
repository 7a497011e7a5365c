import pytest

from chatgui.data.conversation import Conversation, Document, Message
from chatgui.data.quality.roles import faults, merged, without_empty_turns

ROLE = {"s": "system", "u": "user", "a": "assistant", "t": "tool"}


def talk(letters: str, content: str = "x") -> Conversation:
    return Conversation(tuple(Message(ROLE[letter], f"{content}{at}") for at, letter in enumerate(letters)))


def roles(conversation: object) -> str:
    assert isinstance(conversation, Conversation)
    return "".join(message.role[0] for message in conversation.messages)


@pytest.mark.parametrize("letters", ["ua", "sua", "uaua", "uata", "uatta", "suatauata"])
def test_turns_in_order_have_no_fault(letters: str) -> None:
    assert list(faults(talk(letters))) == []


@pytest.mark.parametrize("letters", ["uua", "uaa", "aua", "uau", "usa", "tua", "ssua"])
def test_turns_out_of_order_are_a_fault(letters: str) -> None:
    assert list(faults(talk(letters))) == ["roles"]


def test_a_conversation_without_a_user_is_one_sided() -> None:
    assert list(faults(talk("a"))) == list(faults(talk("sa"))) == ["one_sided"]


def test_an_empty_turn_is_told_beside_the_rest() -> None:
    empty = Conversation((Message("user", " \n"), Message("assistant", "x"), Message("assistant", "y")))
    assert list(faults(empty)) == ["empty_turns", "roles"]


def test_documents_have_no_turns() -> None:
    assert list(faults(Document(""))) == []


@pytest.mark.parametrize(
    ("before", "after"), [("uua", "ua"), ("uaa", "ua"), ("uau", "ua"), ("uasua", "suaua"), ("uatta", "uatta")]
)
def test_merging_puts_turns_in_order(before: str, after: str) -> None:
    whole = merged(talk(before))
    assert roles(whole) == after and list(faults(whole)) == []


def test_merged_neighbours_keep_all_their_words() -> None:
    whole = merged(talk("uua"))
    assert isinstance(whole, Conversation) and whole.messages[0].content == "x0\n\nx1"


def test_empty_turns_can_be_taken_out() -> None:
    mended = without_empty_turns(Conversation((Message("user", "a"), Message("user", ""), Message("assistant", "b"))))
    assert roles(mended) == "ua"
