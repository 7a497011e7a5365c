import json
from dataclasses import replace
from typing import Any

import pytest

from chatgui.config import GenerationConfig
from chatgui.errors import RunError
from chatgui.generation.compare import Reply
from chatgui.generation.speakers import Speaker
from chatgui.generation.transcript import (
    Answer,
    End,
    Exchange,
    Question,
    Transcript,
    differing_words,
    from_record,
    how_it_ended,
    to_json,
)


def answer(text: str, ids: tuple[int, ...] = (1, 0), end: End = "own") -> Answer:
    return Answer(text, ids, end, {"weights": "abc"})


def ask(talk: Transcript, message: str, **more: object) -> Transcript:
    return replace(talk, asked=Question(message, **more))  # type: ignore[arg-type]


@pytest.fixture
def after_one() -> Transcript:
    return ask(Transcript("run-1"), "Hi", system="Be brief.").answered(answer("left"), answer("right", (2, 0)))


def test_the_first_prompts_are_the_same_on_both_sides() -> None:
    base, tuned = ask(Transcript(), "Hi", system="Be brief.").prompts()
    assert base == tuned == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]


def test_each_side_goes_on_from_its_own_reply(after_one: Transcript) -> None:
    base, tuned = ask(after_one, "And?").prompts()
    assert [message["content"] for message in base] == ["Hi", "left", "And?"]
    assert [message["content"] for message in tuned] == ["Hi", "right", "And?"]


def test_a_shared_history_gives_both_sides_the_same_prompt(after_one: Transcript) -> None:
    base, tuned = ask(after_one, "And?", shared=True).prompts()
    assert base == tuned
    assert base[1]["content"] == "right"


def test_the_turn_from_which_prompts_part_is_known(after_one: Transcript) -> None:
    assert after_one.parting is None
    shared = ask(after_one, "And?", shared=True).answered(answer("a"), answer("b"))
    assert shared.parting is None
    assert ask(shared, "Then?").answered(answer("a"), answer("b")).parting == 3


def test_nothing_asked_has_no_prompt() -> None:
    with pytest.raises(ValueError, match="nothing is asked"):
        Transcript().prompts()


def test_a_reply_cut_earlier_is_no_different_so_far() -> None:
    def place(base: Answer, tuned: Answer) -> int | None:
        return Exchange(Question("q"), (base, tuned), same_prompt=True).first_difference

    assert place(answer("a", (1, 2), "stopped"), answer("ab", (1, 2, 3))) is None
    assert place(answer("a", (1, 0)), answer("ab", (1, 2, 3))) == 1
    assert place(answer("a", (1,)), answer("ab", (1, 2))) == 1


@pytest.mark.parametrize(
    ("reply", "end"),
    [
        (Reply(10, [1, 0], ended=True), "own"),
        (Reply(10, [1, 2, 3, 4]), "limit"),
        (Reply(18, [1, 2]), "context"),
        (Reply(10, [1, 2]), "stopped"),
    ],
)
def test_it_is_known_how_a_reply_ended(reply: Reply, end: str) -> None:
    assert how_it_ended(reply, GenerationConfig(max_new_tokens=4), context_tokens=20) == end


@pytest.mark.parametrize(
    ("base", "tuned", "places"),
    [
        ("You want it", "You can do it", ((4, 8), (4, 7))),
        ("What time?", "Well.", ((0, 4), (0, 4))),
        ("the same", "the same", (None, None)),
        ("the same", "the same and more", (None, (9, 12))),
        ("当然可以", "当天可以", ((1, 2), (1, 2))),
        ("", "text", (None, (0, 4))),
    ],
)
def test_the_first_words_that_differ_have_places(base: str, tuned: str, places: tuple[object, object]) -> None:
    assert differing_words(base, tuned) == places


def test_the_saved_file_holds_both_sides_with_settings_and_receipts(after_one: Transcript) -> None:
    saved = json.loads(to_json(after_one))
    assert saved["run"] == "run-1"
    assert [message["content"] for message in saved["sides"][0]["messages"]] == ["Be brief.", "Hi", "left"]
    assert [message["content"] for message in saved["sides"][1]["messages"]] == ["Be brief.", "Hi", "right"]
    (turn,) = saved["turns"]
    assert turn["settings"] == GenerationConfig().model_dump()
    assert turn["answers"][1] == {"text": "right", "ids": [2, 0], "end": "own", "receipt": {"weights": "abc"}}
    assert (turn["first_difference"], turn["same_prompt"]) == (0, True)


def test_one_side_is_asked_again_and_the_others_keep_their_reply(after_one: Transcript) -> None:
    question = after_one.exchanges[0].question
    again = replace(after_one, asked=question, again=1, exchanges=(), before=after_one.exchanges)
    assert again.asking == (1,)
    (exchange,) = again.answered(answer("other")).exchanges
    assert [each.text for each in exchange.answers] == ["left", "other"]
    assert again.withdrawn() == after_one


def test_a_side_that_came_later_has_no_earlier_turns(after_one: Transcript) -> None:
    three = replace(after_one, chosen=(*after_one.speakers, Speaker("run-1", 40)))
    prompts = ask(three, "And?").prompts()
    assert [len(prompt) for prompt in prompts] == [3, 3, 1]
    talk = ask(three, "And?").answered(answer("a"), answer("b"), answer("c"))
    assert (talk.turns_of(0), talk.turns_of(2)) == ([0, 1], [1])
    assert talk.parting == 2
    assert from_record(json.loads(to_json(talk))) == replace(talk, chosen=three.speakers)


def test_a_transcript_has_a_hash_that_a_page_can_watch(after_one: Transcript) -> None:
    assert hash(after_one) != hash(after_one.thumbed(0, 1, True))


def test_each_speaker_is_read_from_its_name() -> None:
    for speaker in (Speaker("r", "base"), Speaker("r", "result"), Speaker("r", 40)):
        assert Speaker.parse(str(speaker)) == speaker
    for text in ("r", "r/", "r/x", "a/b/base", "../r/base"):
        with pytest.raises(RunError, match="names no model"):
            Speaker.parse(text)


def test_a_saved_chat_can_be_read_again(after_one: Transcript) -> None:
    talk = ask(after_one, "And?", shared=True).answered(answer("当然", (3, 4), "limit"), answer("", (0,)))
    assert from_record(json.loads(to_json(talk))) == replace(talk, chosen=talk.speakers)


@pytest.mark.parametrize("record", [{}, None, {"version": 1, "run": "r", "turns": []}, {"version": 2, "turns": [1]}])
def test_something_else_is_not_read_as_a_chat(record: Any) -> None:
    with pytest.raises(ValueError, match=r"no record of a chat|is not 2"):
        from_record(record)
