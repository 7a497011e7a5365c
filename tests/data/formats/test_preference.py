from typing import Any

import pytest

from chatgui.data.conversation import Message, Preference
from chatgui.data.formats import recognise
from chatgui.data.formats.preference import convert
from chatgui.data.mapping import Mapping, apply
from chatgui.errors import DataError

HI, HELLO, WHAT = Message("user", "Hi"), "Hello", "What?"
PAIR = Preference((HI,), HELLO, WHAT)


def said(*turns: tuple[str, str]) -> list[dict[str, str]]:
    return [{"role": role, "content": content} for role, content in turns]


FORMS: dict[str, dict[str, Any]] = {
    "texts": {"prompt": "Hi", "chosen": HELLO, "rejected": WHAT},
    "messages": {
        "prompt": said(("user", "Hi")), "chosen": said(("assistant", HELLO)), "rejected": said(("assistant", WHAT)),
    },
    "whole dialogues": {
        "chosen": said(("user", "Hi"), ("assistant", HELLO)), "rejected": said(("user", "Hi"), ("assistant", WHAT)),
    },
    "dialogues beside their prompt": {
        "prompt": "Hi", "chosen": said(("user", "Hi"), ("assistant", HELLO)),
        "rejected": said(("user", "Hi"), ("assistant", WHAT)),
    },
    "marks": {"chosen": "\n\nHuman: Hi\n\nAssistant: Hello", "rejected": "\n\nHuman: Hi\n\nAssistant: What?"},
    "sharegpt": {
        "conversations": [{"from": "human", "value": "Hi"}], "chosen": {"from": "gpt", "value": HELLO},
        "rejected": {"from": "gpt", "value": WHAT},
    },
    "version 1": {
        "chosen_messages": [
            {"role": "user", "content": [{"type": "text", "value": "Hi"}], "loss_weight": 0.0},
            {"role": "assistant", "content": [{"type": "text", "value": HELLO}], "loss_weight": 1.0},
        ],
        "rejected_messages": said(("user", "Hi"), ("assistant", WHAT)),
    },
    "ranked": {"instruction": "Hi", "input": "", "output": [HELLO, "Hm.", WHAT]},
    "scored": {"prompt": "Hi", "completions": [{"response": WHAT, "score": 1}, {"response": HELLO, "score": 9}]},
}  # fmt: skip


def read(row: dict[str, Any]) -> Any:
    found = recognise([row], "a.jsonl")
    assert found.format == "preference"
    return apply(Mapping(found.format, found.columns), row)


@pytest.mark.parametrize("row", FORMS.values(), ids=FORMS)
def test_every_form_becomes_the_same_pair(row: dict[str, Any]) -> None:
    assert read(row) == PAIR


def test_system_and_input_are_part_of_the_prompt() -> None:
    row = {"system": "Be kind.", "instruction": "Translate.", "input": "Hi", "chosen": "Salut", "rejected": "Ha"}
    assert read(row).prompt == (Message("system", "Be kind."), Message("user", "Translate.\nHi"))


def test_earlier_turns_that_both_sides_share_are_prompt() -> None:
    start = said(("user", "Hi"), ("assistant", "Yes?"), ("user", "Name?"))
    row = {"chosen": [*start, *said(("assistant", "Al"))], "rejected": [*start, *said(("assistant", "No"))]}
    assert [message.content for message in read(row).prompt] == ["Hi", "Yes?", "Name?"]
    assert (read(row).chosen, read(row).rejected) == ("Al", "No")


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ({"prompt": "Hi", "chosen": HELLO, "rejected": HELLO}, "are the same"),
        ({"prompt": "Hi", "chosen": HELLO, "rejected": " "}, "rejected is empty"),
        ({"prompt": "", "chosen": HELLO, "rejected": WHAT}, "no prompt that both replies answer"),
        ({"prompt": "Hi", "ranked": [HELLO]}, "1 ranked replies"),
        ({"prompt": "Hi", "ranked": [{"text": "a", "rank": 1}, {"text": "b", "rank": 1}]}, "the same rank"),
        ({"prompt": "Hi", "chosen": said(("user", "Hm")), "rejected": WHAT}, 'begins with the role "user"'),
        ({"prompt": said(("assistant", "Hm")), "chosen": HELLO, "rejected": WHAT}, "prompt ends with a reply"),
    ],
)
def test_a_row_that_is_no_choice_is_refused(row: dict[str, Any], sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        convert(row)
