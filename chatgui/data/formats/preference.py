"""Two or more replies to one prompt, and which is better, for preference learning (DPO).

Forms: `prompt, chosen, rejected` as text or messages (TRL); whole dialogues in `chosen` and `rejected`, as messages or
in Anthropic's marks (HH-RLHF); LLaMA-Factory's `conversations, chosen, rejected`, `chosen_messages,
rejected_messages` and ranked `output`s, best first; answers with a `rank` or a score (Nectar, UltraFeedback).
"""

from collections.abc import Sequence
from typing import Any

from chatgui.data.conversation import Message, Preference
from chatgui.data.formats.alpaca import before
from chatgui.data.formats.columns import Field, Raw, by_name
from chatgui.data.formats.turns import content_text, is_marked, listed, turns
from chatgui.errors import DataError

NAME = "preference"
EXAMPLE = {"prompt": "Do you accept cards?", "chosen": "Yes, all of them.", "rejected": "Things sort themselves out."}
FIELDS = (
    Field("prompt", ("instruction", "question", "query", "input", "conversations", "messages", "提示")),
    Field("chosen", ("chosen_messages", "preferred", "chosen_response", "better", "preferred_output")),
    Field("rejected", ("rejected_messages", "dispreferred", "rejected_response", "worse", "non_preferred_output")),
    Field("ranked", ("output", "outputs", "completions", "answers", "responses", "candidates")),
    Field("input", ("context",)),
    Field("system", ("system_prompt",)),
    Field("history"),
)
TEXTS = ("response", "answer", "text", "content", "value", "completion", "output")
RANKS = ("rank", "ranking")
SCORES = ("overall_score", "score", "rating", "reward")


def bind(rows: Sequence[Raw]) -> dict[str, str]:
    """By name; ranked replies only where there is no pair."""
    found = by_name(rows, FIELDS)
    if "chosen" in found and "rejected" in found:
        found.pop("ranked", None)
    return found


def matches(row: Raw) -> bool:
    """A chosen and a rejected reply, or two ranked ones to a prompt."""
    if "ranked" not in row:
        return all(_is_said(listed(row.get(name))) for name in ("chosen", "rejected"))
    found = listed(row["ranked"])
    if not isinstance(found, list) or len(found) < 2 or not _is_said(listed(row.get("prompt"))):
        return False
    return all(isinstance(reply, str) for reply in found) or all(map(_is_ranked, found))


def convert(row: Raw) -> Preference:
    """Of ranked replies the best and the worst are a pair.

    Raises DataError for equal or empty replies, or when there is no prompt.
    """
    if "ranked" in row:
        row = {**row, **_best_and_worst(listed(row["ranked"]))}
    chosen, rejected = (_replies(row.get(name), name) for name in ("chosen", "rejected"))
    shared = _shared(chosen, rejected)
    prompt = (*before(row), *(_prompt(row) if _has_prompt(row) else ()))
    if shared and shared[0].role != "assistant":  # both sides hold the prompt, or all of the dialogue stands in them
        prompt = tuple(turn for turn in prompt if turn.role == "system" and turn not in shared)
    prompt = (*prompt, *shared)
    chosen, rejected = chosen[len(shared) :], rejected[len(shared) :]
    if not prompt:
        raise DataError("data.no_prompt")
    if prompt[-1].role == "assistant":
        raise DataError("data.prompt_ends_with_reply")
    texts = _reply(chosen, "chosen"), _reply(rejected, "rejected")
    if texts[0] == texts[1]:
        raise DataError("data.same_replies")
    return Preference(prompt, *texts)


def _is_said(value: Any) -> bool:
    if isinstance(value, dict):
        return "from" in value or "role" in value
    if isinstance(value, list):
        return bool(value) and all(isinstance(turn, dict) and ("role" in turn or "from" in turn) for turn in value)
    return isinstance(value, str)


def _has_prompt(row: Raw) -> bool:
    return any(row.get(name) for name in ("prompt", "input"))


def _prompt(row: Raw) -> tuple[Message, ...]:
    prompt, extra = listed(row.get("prompt")), content_text(row.get("input")).strip()
    if isinstance(prompt, str) and extra and not is_marked(prompt):
        return (Message("user", f"{prompt.strip()}\n{extra}".strip()),)
    found = turns(prompt if prompt else extra, "user", field="prompt")
    return found[:-1] if found[-1] == Message("assistant", "") else found  # a mark at the end where the reply begins


def _replies(value: Any, name: str) -> tuple[Message, ...]:
    return turns(value, "assistant", field=name)


def _shared(chosen: tuple[Message, ...], rejected: tuple[Message, ...]) -> tuple[Message, ...]:
    count = 0
    while count < min(len(chosen), len(rejected)) - 1 and chosen[count] == rejected[count]:
        count += 1
    return chosen[:count]


def _reply(said: tuple[Message, ...], name: str) -> str:
    """One reply; where the two sides go on differently, only the turn in which they part is a choice."""
    if not said or said[0].role != "assistant":
        raise DataError("data.not_a_reply", field=name, found=said[0].role if said else "-")
    if not said[0].content.strip():
        raise DataError("data.empty_field", field=name)
    return said[0].content


def _is_ranked(reply: Any) -> bool:
    return isinstance(reply, dict) and _text(reply) is not None and _rank(reply) is not None


def _text(reply: Raw) -> Any:
    return next((reply[name] for name in TEXTS if isinstance(reply.get(name), str)), None)


def _rank(reply: Raw) -> float | None:
    """The smaller the better."""
    for names, sign in ((RANKS, 1), (SCORES, -1)):
        for name in names:
            if isinstance(reply.get(name), (int, float)):
                return sign * reply[name]
    return None


def _best_and_worst(replies: Any) -> dict[str, Any]:
    if not isinstance(replies, list) or len(replies) < 2:
        raise DataError("data.one_reply", found=len(replies) if isinstance(replies, list) else 1)
    if all(isinstance(reply, dict) for reply in replies):
        ranked = sorted((rank, _text(reply)) for reply in replies if (rank := _rank(reply)) is not None)
        if len(ranked) < 2 or ranked[0][0] == ranked[-1][0]:
            raise DataError("data.same_rank")
        replies = [text for _, text in ranked]
    return {"chosen": replies[0], "rejected": replies[-1]}
