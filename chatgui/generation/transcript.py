"""Conversations that began with the same words: what was asked, what each side answered, and how.

Values only, so that a page can keep them and a file can hold them. Knows no model and no screen.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from chatgui.config import GenerationConfig
from chatgui.errors import RunError
from chatgui.generation.compare import Messages, Reply, first_difference
from chatgui.generation.speakers import Speaker, default_speakers

End = Literal["own", "limit", "context", "stopped"]
VERSION = 2
WORD = re.compile(r"[\u3040-\u9fff]|[^\W\u3040-\u9fff]+|\S")
"""A word; where words are written without spaces (Japanese, Chinese), a letter."""


@dataclass(frozen=True)
class Question:
    """What is asked of all sides, and how the replies are drawn."""

    message: str
    system: str = ""
    shared: bool = False
    """Whether all sides go on from the second one's replies, so that they get the very same prompt."""
    settings: GenerationConfig = field(default_factory=GenerationConfig)


@dataclass(frozen=True)
class Answer:
    """A finished reply. `ids` hold the end token; `receipt` is that of `compare.receipt`."""

    text: str
    ids: tuple[int, ...]
    end: End
    receipt: Mapping[str, Any] = field(hash=False)
    good: bool | None = None
    """A thumb up or down."""


@dataclass(frozen=True)
class Exchange:
    """A question with the answer of each side, two or more; a side that came later has none."""

    question: Question
    answers: tuple[Answer, ...]
    same_prompt: bool

    @property
    def first_difference(self) -> int | None:
        """Of the second side from the first one."""
        return self.difference(1)

    def difference(self, side: int) -> int | None:
        """Place of the first token in which a side differs from the first one.

        A reply that was only cut earlier than the other is no different.
        """
        both = self.answers[0], self.answers[side]
        place = first_difference(both[0].ids, both[1].ids)
        shorter = min(both, key=lambda answer: len(answer.ids))
        return None if place == len(shorter.ids) and shorter.end != "own" else place

    @property
    def whole(self) -> bool:
        """Whether no reply was cut."""
        return all(answer.end == "own" for answer in self.answers)

    @property
    def same_seed(self) -> bool:
        """Whether all replies were drawn alike: a side that was asked again has another seed."""
        return len({answer.receipt.get("seed") for answer in self.answers}) == 1


@dataclass(frozen=True)
class Transcript:
    """All exchanges with the models side by side, and the question that is being answered."""

    run: str = ""
    exchanges: tuple[Exchange, ...] = ()
    asked: Question | None = None
    chosen: tuple[Speaker, ...] = ()
    """Who answers, a pane each; empty means what the run began with and what it made."""
    again: int | None = None
    """The only side that is asked, where it is not all."""
    before: tuple[Exchange, ...] | None = None
    """What stood here before the question replaced some of it, and stands again if it is withdrawn."""
    id: str = ""
    """Under which it is kept; empty until the first question."""

    @property
    def speakers(self) -> tuple[Speaker, ...]:
        """Who answers, a pane each."""
        return self.chosen or default_speakers(self.run)

    @property
    def asking(self) -> tuple[int, ...]:
        """The sides that the question is put to."""
        return tuple(range(len(self.speakers))) if self.again is None else (self.again,)

    def prompts(self) -> list[Messages]:
        """What each side is sent for the question asked. Raises ValueError without one."""
        if self.asked is None:
            raise ValueError("nothing is asked")
        return [self._prompt(self.asked, 1 if self.asked.shared else side) for side in range(len(self.speakers))]

    def prompt_of(self, turn: int, side: int) -> Messages:
        """What a side was sent in a turn, both counted from 0."""
        question = self.exchanges[turn].question
        return replace(self, exchanges=self.exchanges[:turn])._prompt(question, 1 if question.shared else side)

    def answered(self, *answers: Answer) -> "Transcript":
        """With the question turned into an exchange: an answer for each of `asking`. Raises ValueError without one."""
        if self.asked is None:
            raise ValueError("nothing is asked")
        if self.again is not None and self.before:
            last = self.before[-1]
            answers = (*last.answers[: self.again], *answers, *last.answers[self.again + 1 :])
            exchange = replace(last, answers=answers)
        else:
            prompts = self.prompts()
            exchange = Exchange(self.asked, answers, same_prompt=all(prompt == prompts[0] for prompt in prompts))
        return replace(self, exchanges=(*self.exchanges, exchange), asked=None, again=None, before=None)

    def withdrawn(self) -> "Transcript":
        """As it was before the question."""
        exchanges = self.exchanges if self.before is None else self.before
        return replace(self, exchanges=exchanges, asked=None, again=None, before=None)

    def turns_of(self, side: int) -> list[int]:
        """The turns that a side has answered, counted from 0."""
        return [turn for turn, exchange in enumerate(self.exchanges) if side < len(exchange.answers)]

    def thumbed(self, turn: int, side: int, good: bool | None) -> "Transcript":
        """With a thumb on a reply; None takes it away."""
        old = self.exchanges[turn]
        answers = tuple(replace(each, good=good) if at == side else each for at, each in enumerate(old.answers))
        changed = replace(old, answers=answers)
        return replace(self, exchanges=(*self.exchanges[:turn], changed, *self.exchanges[turn + 1 :]))

    @property
    def parting(self) -> int | None:
        """The turn, counted from 1, from which on the prompts are no longer the same."""
        return next((turn for turn, exchange in enumerate(self.exchanges, start=1) if not exchange.same_prompt), None)

    def _prompt(self, question: Question, side: int) -> Messages:
        system = [{"role": "system", "content": question.system}] if question.system else []
        return [*system, *history(self.exchanges, side), {"role": "user", "content": question.message}]


def history(exchanges: Sequence[Exchange], side: int) -> Messages:
    """One side's messages so far, without the turns that it was not there for."""
    messages: Messages = []
    for exchange in exchanges:
        if side < len(exchange.answers):
            messages.append({"role": "user", "content": exchange.question.message})
            messages.append({"role": "assistant", "content": exchange.answers[side].text})
    return messages


def how_it_ended(reply: Reply, settings: GenerationConfig, context_tokens: int) -> End:
    """By itself, at the limit of new tokens, at the end of the model's context, or by a wish to stop."""
    if reply.ended:
        return "own"
    if reply.prompt_tokens + len(reply.ids) >= context_tokens:
        return "context"
    return "limit" if len(reply.ids) >= settings.max_new_tokens else "stopped"


def differing_words(base: str, tuned: str) -> tuple[tuple[int, int] | None, tuple[int, int] | None]:
    """In each text the first word (start, stop) that the other has not; None where a text ends before it."""
    pairs = enumerate(zip(base, tuned, strict=False))
    place = next((index for index, (left, right) in pairs if left != right), min(len(base), len(tuned)))
    if place == len(base) == len(tuned):
        return None, None
    return _word(base, place), _word(tuned, place)


def _word(text: str, place: int) -> tuple[int, int] | None:
    return next((found.span() for found in WORD.finditer(text) if found.end() > place), None)


def to_json(transcript: Transcript) -> str:
    """All sides with settings and receipts, to keep or to send."""
    return json.dumps(to_record(transcript), ensure_ascii=False, indent=1)


def to_record(transcript: Transcript) -> dict[str, Any]:
    """A transcript in plain values. `turns` hold all there is; the messages of the sides are there to be read."""
    system = transcript.exchanges[-1].question.system if transcript.exchanges else ""
    opening = [{"role": "system", "content": system}] if system else []
    sides = [
        {"speaker": str(speaker), "messages": [*opening, *history(transcript.exchanges, side)]}
        for side, speaker in enumerate(transcript.speakers)
    ]
    return {
        "version": VERSION, "run": transcript.run, "id": transcript.id,
        "speakers": [str(speaker) for speaker in transcript.speakers], "sides": sides,
        "turns": [_turn(exchange) for exchange in transcript.exchanges],
        "asked": _question(transcript.asked) if transcript.asked else None,
    }  # fmt: skip


def from_record(record: Mapping[str, Any]) -> Transcript:
    """The transcript that `to_record` wrote. Raises ValueError for anything else."""
    try:
        if record["version"] != VERSION:
            raise ValueError(f"version {record['version']} is not {VERSION}")
        return Transcript(
            record["run"], tuple(_exchange(turn) for turn in record["turns"]),
            _asked(record["asked"]) if record["asked"] else None,
            tuple(Speaker.parse(text) for text in record["speakers"]), id=record["id"],
        )  # fmt: skip
    except (KeyError, TypeError, AttributeError, RunError) as error:
        raise ValueError(f"this is no record of a chat: {error!r}") from error


def _question(question: Question) -> dict[str, Any]:
    return {
        "message": question.message, "system": question.system, "same_history": question.shared,
        "settings": question.settings.model_dump(),
    }  # fmt: skip


def _asked(record: Mapping[str, Any]) -> Question:
    settings = GenerationConfig(**record["settings"])
    return Question(record["message"], record["system"], record["same_history"], settings)


def _turn(exchange: Exchange) -> dict[str, Any]:
    return {
        **_question(exchange.question), "same_prompt": exchange.same_prompt,
        "first_difference": exchange.first_difference, "answers": [_answer(answer) for answer in exchange.answers],
    }  # fmt: skip


def _answer(answer: Answer) -> dict[str, Any]:
    row = {"text": answer.text, "ids": list(answer.ids), "end": answer.end, "receipt": dict(answer.receipt)}
    return row if answer.good is None else {**row, "good": answer.good}


def _exchange(turn: Mapping[str, Any]) -> Exchange:
    answers = tuple(Answer(**{**answer, "ids": tuple(answer["ids"])}) for answer in turn["answers"])
    if len(answers) < 2:
        raise ValueError("a turn has two answers or more")
    return Exchange(_asked(turn), answers, turn["same_prompt"])
