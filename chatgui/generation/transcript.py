"""Two conversations that began with the same words: what was asked, what both sides answered, and how.

Values only, so that a page can keep them and a file can hold them. Knows no model and no screen.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from chatgui.config import GenerationConfig
from chatgui.generation.compare import Messages, Reply, first_difference

Side = Literal["base", "tuned"]
SIDES: tuple[Side, Side] = ("base", "tuned")
End = Literal["own", "limit", "context", "stopped"]
VERSION = 1
WORD = re.compile(r"[\u3040-\u9fff]|[^\W\u3040-\u9fff]+|\S")
"""A word; where words are written without spaces (Japanese, Chinese), a letter."""


@dataclass(frozen=True)
class Question:
    """What is asked of both sides, and how the replies are drawn."""

    message: str
    system: str = ""
    shared: bool = False
    """Whether both sides go on from the fine-tuned side's replies, so that they get the very same prompt."""
    settings: GenerationConfig = field(default_factory=GenerationConfig)


@dataclass(frozen=True)
class Answer:
    """A finished reply. `ids` hold the end token; `receipt` is that of `compare.receipt`."""

    text: str
    ids: tuple[int, ...]
    end: End
    receipt: Mapping[str, Any]


@dataclass(frozen=True)
class Exchange:
    """A question with both answers."""

    question: Question
    base: Answer
    tuned: Answer
    same_prompt: bool

    @property
    def first_difference(self) -> int | None:
        """Place of the first token that differs. A reply that was only cut earlier than the other is no different."""
        place = first_difference(self.base.ids, self.tuned.ids)
        shorter = min(self.base, self.tuned, key=lambda answer: len(answer.ids))
        return None if place == len(shorter.ids) and shorter.end != "own" else place

    @property
    def whole(self) -> bool:
        """Whether no reply was cut."""
        return self.base.end == self.tuned.end == "own"


@dataclass(frozen=True)
class Transcript:
    """All exchanges with the two models of a run, and the question that is being answered."""

    run: str = ""
    exchanges: tuple[Exchange, ...] = ()
    asked: Question | None = None

    def prompts(self) -> tuple[Messages, Messages]:
        """What the base and the fine-tuned model are sent for the question asked. Raises ValueError without one."""
        if self.asked is None:
            raise ValueError("nothing is asked")
        base, tuned = (self._prompt(self.asked, "tuned" if self.asked.shared else side) for side in SIDES)
        return base, tuned

    def answered(self, base: Answer, tuned: Answer) -> "Transcript":
        """With the question asked turned into an exchange. Raises ValueError without one."""
        if self.asked is None:
            raise ValueError("nothing is asked")
        ours, theirs = self.prompts()
        exchange = Exchange(self.asked, base, tuned, same_prompt=ours == theirs)
        return replace(self, exchanges=(*self.exchanges, exchange), asked=None)

    @property
    def parting(self) -> int | None:
        """The turn, counted from 1, from which on the two prompts are no longer the same."""
        return next((turn for turn, exchange in enumerate(self.exchanges, start=1) if not exchange.same_prompt), None)

    def _prompt(self, question: Question, side: Side) -> Messages:
        system = [{"role": "system", "content": question.system}] if question.system else []
        return [*system, *history(self.exchanges, side), {"role": "user", "content": question.message}]


def history(exchanges: Sequence[Exchange], side: Side) -> Messages:
    """One side's messages so far."""
    messages: Messages = []
    for exchange in exchanges:
        messages.append({"role": "user", "content": exchange.question.message})
        messages.append({"role": "assistant", "content": getattr(exchange, side).text})
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
    """Both conversations with settings and receipts, to keep or to send."""
    return json.dumps(to_record(transcript), ensure_ascii=False, indent=1)


def to_record(transcript: Transcript) -> dict[str, Any]:
    """A transcript in plain values. `turns` hold all there is; the messages of both sides are there to be read."""
    system = transcript.exchanges[-1].question.system if transcript.exchanges else ""
    opening = [{"role": "system", "content": system}] if system else []
    sides = {str(side): {"messages": [*opening, *history(transcript.exchanges, side)]} for side in SIDES}
    turns = [_turn(exchange) for exchange in transcript.exchanges]
    return {"version": VERSION, "run": transcript.run, **sides, "turns": turns}


def from_record(record: Mapping[str, Any]) -> Transcript:
    """The transcript that `to_record` wrote. Raises ValueError for anything else."""
    try:
        if record["version"] != VERSION:
            raise ValueError(f"version {record['version']} is not {VERSION}")
        return Transcript(record["run"], tuple(_exchange(turn) for turn in record["turns"]))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"this is no record of a chat: {error!r}") from error


def _turn(exchange: Exchange) -> dict[str, Any]:
    question = exchange.question
    return {
        "message": question.message, "system": question.system, "same_history": question.shared,
        "settings": question.settings.model_dump(), "same_prompt": exchange.same_prompt,
        "first_difference": exchange.first_difference,
        "base": _answer(exchange.base), "tuned": _answer(exchange.tuned),
    }  # fmt: skip


def _answer(answer: Answer) -> dict[str, Any]:
    return {"text": answer.text, "ids": list(answer.ids), "end": answer.end, "receipt": dict(answer.receipt)}


def _exchange(turn: Mapping[str, Any]) -> Exchange:
    settings = GenerationConfig(**turn["settings"])
    question = Question(turn["message"], turn["system"], turn["same_history"], settings)
    base, tuned = (Answer(**{**turn[side], "ids": tuple(turn[side]["ids"])}) for side in SIDES)
    return Exchange(question, base, tuned, turn["same_prompt"])
