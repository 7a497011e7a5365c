"""One prompt, both models: same ids, same seed, same sampling. Streams to the page, prints for the terminal."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chatgui.config import GenerationConfig, RunConfig
from chatgui.data.conversation import Conversation
from chatgui.data.load import Dataset, load
from chatgui.data.split import split
from chatgui.errors import DataError
from chatgui.generation.engine import decode
from chatgui.generation.pair import Pair, Voice

Messages = list[dict[str, str]]
BATCH_ROWS = 16
BROKEN = "\ufffd"
"""What a tokenizer writes for bytes that are not yet a whole character."""


@dataclass
class Reply:
    """A reply as it grows. `ids` hold the end token; `text` leaves special tokens out."""

    prompt_tokens: int
    ids: list[int] = field(default_factory=list)
    text: str = ""
    ended: bool = False
    """Whether it ended by itself, and was not cut by a limit or a stop."""
    seconds: float = 0.0

    @property
    def tokens_per_second(self) -> float:
        """New tokens over the time since the prompt was given."""
        return len(self.ids) / self.seconds if self.seconds else 0.0


def stream_pair(
    pair: Pair,
    base_messages: Messages,
    tuned_messages: Messages,
    settings: GenerationConfig,
    should_stop: Callable[[], bool] = lambda: False,
) -> Iterator[tuple[Reply, Reply]]:
    """Both replies as they grow, token by token in turn.

    Raises DataError when a prompt leaves no room for a reply.
    """
    prompts = [pair.template.prompt_ids(messages) for messages in (base_messages, tuned_messages)]
    longest = max(map(len, prompts))
    if longest >= pair.context_tokens:
        raise _too_long(longest, pair)
    streams = [
        _stream(pair, voice, [prompt], settings) for voice, prompt in zip((pair.base, pair.tuned), prompts, strict=True)
    ]
    latest = [next(streams[0])[0], next(streams[1])[0]]
    running = [True, True]
    while any(running) and not should_stop():
        for side, stream in enumerate(streams):
            if running[side]:
                replies = next(stream, None)
                running[side] = replies is not None
                latest[side] = replies[0] if replies else latest[side]
        yield latest[0], latest[1]


def compare_prompts(pair: Pair, prompts: Sequence[Messages], settings: GenerationConfig) -> Iterator[dict[str, Any]]:
    """A row for each prompt with both replies, as `chatgui compare --json` prints it.

    A prompt that leaves no room for a reply has empty ones and an `error`; the others are answered all the same.
    """
    order = sorted(range(len(prompts)), key=lambda index: len(pair.template.prompt_ids(prompts[index])))
    done: dict[int, dict[str, Any]] = {}
    upcoming = 0
    for start in range(0, len(order), BATCH_ROWS):
        indices = order[start : start + BATCH_ROWS]
        ids = [pair.template.prompt_ids(prompts[index]) for index in indices]
        sides = [_last(_stream(pair, voice, ids, settings)) for voice in (pair.base, pair.tuned)]
        for index, base, tuned in zip(indices, *sides, strict=True):
            done[index] = {
                "prompt": prompts[index], "seed": settings.seed, "base": _as_row(base, pair.base),
                "tuned": _as_row(tuned, pair.tuned), "first_difference": first_difference(base.ids, tuned.ids),
            }  # fmt: skip
            if base.prompt_tokens >= pair.context_tokens:
                done[index]["error"] = str(_too_long(base.prompt_tokens, pair))
        while upcoming in done:  # rows come out in the order they were given
            yield done.pop(upcoming)
            upcoming += 1


def first_difference(base: Sequence[int], tuned: Sequence[int]) -> int | None:
    """Place of the first token that differs; None when the replies are equal."""
    for place, (left, right) in enumerate(zip(base, tuned, strict=False)):
        if left != right:
            return place
    return None if len(base) == len(tuned) else min(len(base), len(tuned))


def receipt(pair: Pair, voice: Voice, reply: Reply, settings: GenerationConfig) -> dict[str, Any]:
    """What made a reply, in plain values: the proof under each answer."""
    return {
        "weights": voice.weights, "adapter": voice.adapter, "template": pair.template.fingerprint,
        "seed": settings.seed, "temperature": settings.temperature, "top_p": settings.top_p,
        "prompt_tokens": reply.prompt_tokens, "new_tokens": len(reply.ids), "ended": reply.ended,
        "tokens_per_second": round(reply.tokens_per_second, 1), "device": pair.device,
    }  # fmt: skip


def test_prompts(config: RunConfig, dataset: Dataset | None = None) -> list[Messages]:
    """The first user turn of every test conversation, with the system message before it.

    `dataset` is the config's data where it is loaded already. Raises DataError when there is no such turn.
    """
    rows = split((dataset or load(config.data)).rows, config.data).test
    prompts = [_opening(row.item) for row in rows if isinstance(row.item, Conversation)]
    found = [prompt for prompt in prompts if prompt]
    if not found:
        raise DataError("compare.no_test", source=config.data.source)
    return found


def read_prompts(path: Path) -> list[Messages]:
    """Prompts of a JSONL file: a string, `{"prompt": …}` or `{"messages": […]}` a line.

    Raises DataError that names the line.
    """
    prompts: list[Messages] = []
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError("data.unreadable", source=str(path), reason=str(error)) from error
    for number, line in enumerate(lines, start=1):
        if line.strip():
            prompts.append(_prompt(line, path.name, number))
    if not prompts:
        raise DataError("data.empty_file", source=path.name)
    return prompts


def _prompt(line: str, name: str, number: int) -> Messages:
    try:
        value = json.loads(line)
    except json.JSONDecodeError:
        value = line.strip()
    if isinstance(value, dict):
        value = value.get("messages", value.get("prompt"))
    if isinstance(value, str) and value:
        return [{"role": "user", "content": value}]
    turns = value if isinstance(value, list) else []
    if turns and all(isinstance(turn, dict) and {"role", "content"} <= set(turn) for turn in turns):
        return [{"role": str(turn["role"]), "content": str(turn["content"])} for turn in turns]
    raise DataError("compare.bad_prompt", source=name, line=number)


def _opening(conversation: Conversation) -> Messages:
    opening: Messages = []
    for message in conversation.as_dicts():
        if message["role"] not in ("system", "user"):
            break
        opening.append(message)
        if message["role"] == "user":
            return opening
    return []


def _stream(pair: Pair, voice: Voice, prompts: list[list[int]], settings: GenerationConfig) -> Iterator[list[Reply]]:
    replies = [Reply(len(prompt)) for prompt in prompts]
    began = time.monotonic()
    yield replies
    tokens = decode(voice, prompts, settings, stop_ids=pair.stop_ids, context_tokens=pair.context_tokens)
    for drawn in tokens:
        for reply, token in zip(replies, drawn, strict=True):
            if token is not None:
                reply.ids.append(token)
                reply.ended = token in pair.stop_ids
                reply.seconds = time.monotonic() - began
                text = pair.template.decode(reply.ids)
                reply.text = text if reply.ended else text.rstrip(BROKEN)
        yield replies


def _too_long(length: int, pair: Pair) -> DataError:
    return DataError("chat.prompt_too_long", length=length, limit=pair.context_tokens)


def _last(stream: Iterator[list[Reply]]) -> list[Reply]:
    *_, last = stream
    return last


def _as_row(reply: Reply, voice: Voice) -> dict[str, Any]:
    return {
        "text": reply.text, "ids": reply.ids, "ended": reply.ended, "weights": voice.weights,
        "adapter": voice.adapter, "tokens_per_second": round(reply.tokens_per_second, 1),
    }  # fmt: skip
