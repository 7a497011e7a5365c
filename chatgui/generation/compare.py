"""One prompt, both models: same ids, same seed, same sampling. Streams to the page, prints for the terminal."""

import json
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chatgui.config import GenerationConfig, RunConfig
from chatgui.data.conversation import Conversation
from chatgui.data.load import Dataset, load
from chatgui.data.split import split
from chatgui.errors import DataError
from chatgui.generation.engine import Engine, Stream
from chatgui.generation.pair import Pair, Voice

Messages = list[dict[str, str]]
BATCH_PROMPTS = 8
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
    first_seconds: float = 0.0
    """Until the first token."""

    @property
    def tokens_per_second(self) -> float:
        """New tokens over the time since the prompt was given."""
        return len(self.ids) / self.seconds if self.seconds else 0.0


def speak(
    engine: Engine,
    turns: Sequence[tuple[Voice, Messages]],
    settings: GenerationConfig,
    should_stop: Callable[[], bool] = lambda: False,
) -> Iterator[list[Reply]]:
    """One reply a voice, as they grow together, a token of each in turn.

    Leaving the iterator early ends the replies. Raises DataError when a prompt leaves no room for a reply.
    """
    prompts = [voice.template.prompt_ids(messages) for voice, messages in turns]
    for (voice, _), prompt in zip(turns, prompts, strict=True):
        if len(prompt) >= voice.context_tokens:
            raise _too_long(len(prompt), voice)
    voices = [voice for voice, _ in turns]
    requests = [voice.request(prompt, settings) for voice, prompt in zip(voices, prompts, strict=True)]
    speeches = [Speech(voice, stream) for voice, stream in zip(voices, engine.ask(*requests), strict=True)]
    try:
        growing = list(speeches)
        while growing and not should_stop():
            growing = [speech for speech in growing if speech.grow()]
            if growing:
                yield [speech.reply for speech in speeches]
    finally:
        for speech in speeches:
            speech.stream.cancel()


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
    turns = [(pair.base, base_messages), (pair.tuned, tuned_messages)]
    for replies in speak(pair.engine, turns, settings, should_stop):
        yield replies[0], replies[1]


class Speech:
    """A reply that is being made, as text."""

    def __init__(self, voice: Voice, stream: Stream) -> None:
        self.voice = voice
        self.stream = stream
        self.reply = Reply(len(stream.request.prompt))
        self._began = time.monotonic()

    def grow(self) -> bool:
        """Wait for the next token. False when there is none."""
        token = next(self.stream, None)
        if token is None:
            return False
        reply = self.reply
        reply.ids.append(token.id)
        reply.ended = token.id in self.stream.request.stop_ids
        reply.seconds = time.monotonic() - self._began
        if len(reply.ids) == 1:
            reply.first_seconds = reply.seconds
        text = self.voice.template.decode(reply.ids)
        reply.text = text if reply.ended else text.rstrip(BROKEN)
        return True


def compare_prompts(
    pair: Pair, prompts: Sequence[Messages], settings: GenerationConfig, *, background: bool = False
) -> Iterator[dict[str, Any]]:
    """A row for each prompt with both replies, as `chatgui compare --json` prints it.

    A prompt that leaves no room for a reply has empty ones and an `error`; the others are answered all the same.
    `background` replies rest while somebody waits for another reply of the same engine.
    """
    voices = (pair.base, pair.tuned)
    ahead: deque[list[Speech]] = deque()
    try:
        for place, messages in enumerate(prompts):
            while len(ahead) < BATCH_PROMPTS and place + len(ahead) < len(prompts):
                asked = prompts[place + len(ahead)]
                requests = [
                    voice.request(voice.template.prompt_ids(asked), settings, background=background)
                    for voice in voices
                ]  # fmt: skip
                streams = pair.engine.ask(*requests)
                ahead.append([Speech(voice, stream) for voice, stream in zip(voices, streams, strict=True)])
            yield _row(pair, messages, ahead[0], settings)
            ahead.popleft()
    finally:
        for speech in (speech for speeches in ahead for speech in speeches):
            speech.stream.cancel()


def _row(pair: Pair, messages: Messages, speeches: list[Speech], settings: GenerationConfig) -> dict[str, Any]:
    for speech in speeches:
        while speech.grow():
            pass
    base, tuned = (speech.reply for speech in speeches)
    row = {
        "prompt": messages, "seed": settings.seed, "base": _as_row(base, pair.base),
        "tuned": _as_row(tuned, pair.tuned), "first_difference": first_difference(base.ids, tuned.ids),
    }  # fmt: skip
    full = [speech for speech in speeches if speech.reply.prompt_tokens >= speech.voice.context_tokens]
    return {**row, "error": str(_too_long(full[0].reply.prompt_tokens, full[0].voice))} if full else row


def first_difference(base: Sequence[int], tuned: Sequence[int]) -> int | None:
    """Place of the first token that differs; None when the replies are equal."""
    for place, (left, right) in enumerate(zip(base, tuned, strict=False)):
        if left != right:
            return place
    return None if len(base) == len(tuned) else min(len(base), len(tuned))


def receipt(voice: Voice, reply: Reply, settings: GenerationConfig) -> dict[str, Any]:
    """What made a reply, in plain values: the proof under each answer."""
    return {
        "weights": voice.weights, "adapter": voice.adapter, "template": voice.template.fingerprint,
        "seed": settings.seed, "temperature": settings.temperature, "top_p": settings.top_p, "top_k": settings.top_k,
        "prompt_tokens": reply.prompt_tokens, "new_tokens": len(reply.ids), "ended": reply.ended,
        "tokens_per_second": round(reply.tokens_per_second, 1), "first_token_seconds": round(reply.first_seconds, 3),
        "device": voice.device, "computed": voice.computed, "cache": voice.loaded.way.name,
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


def _too_long(length: int, voice: Voice) -> DataError:
    return DataError("chat.prompt_too_long", length=length, limit=voice.context_tokens)


def _as_row(reply: Reply, voice: Voice) -> dict[str, Any]:
    return {
        "text": reply.text, "ids": reply.ids, "ended": reply.ended, "weights": voice.weights,
        "adapter": voice.adapter, "tokens_per_second": round(reply.tokens_per_second, 1),
    }  # fmt: skip
