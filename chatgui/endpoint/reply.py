"""A reply as it grows: from the engine's tokens to text that can be told, with stop words watched."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chatgui.generation.engine import Stream
    from chatgui.generation.pair import Voice
    from chatgui.generation.sampling import Token

WINDOW_TOKENS = 16
HALF_A_CHARACTER = "\ufffd"


@dataclass
class Reply:
    """One reply as it grows: tokens in, text out, stop words watched."""

    stream: "Stream"
    voice: "Voice"
    words: tuple[str, ...]
    tokens: "list[Token]" = field(default_factory=list)
    text: str = ""
    """What can be told already: no half character, nothing that may become a stop word."""
    finish: str | None = None
    _start: int = 0
    """Where decoding begins: a few tokens before `_settled`, since a token's text may depend on the one before it."""
    _settled: int = 0
    _settled_text: str = ""

    def add(self, tokens: "Sequence[Token]") -> "tuple[str, Sequence[Token]]":
        """The text that came with some tokens, and those of them that stand before the end of a stop word."""
        before = len(self.tokens)
        self.tokens.extend(tokens)
        text = self._told(self._whole(), final=False)
        if self.finish:  # tokens that came together are counted as if they had come one by one
            while len(self.tokens) > before + 1 and self._holds_word(self.tokens[:-1]):
                self.tokens.pop()
        return text, self.tokens[before:]

    def close(self) -> str:
        """The rest of the text."""
        ended = self.stream.end
        rest = self._told(self._whole(), final=True) if self.finish is None else ""
        self.finish = self.finish or ("stop" if ended in ("own", "stopped") else "length")
        return rest

    def _whole(self) -> str:
        """All text so far. Only the last tokens are decoded: what stands before them does not change any more."""
        ids = self._ids(self.tokens)
        decode = self.voice.template.decode
        known = len(decode(ids[self._start : self._settled])) if self._settled else 0
        text = self._settled_text + decode(ids[self._start :])[known:]
        if len(ids) - self._settled >= WINDOW_TOKENS and not text.endswith(HALF_A_CHARACTER):
            self._start, self._settled, self._settled_text = self._settled, len(ids), text
        return text

    def _ids(self, tokens: "Sequence[Token]") -> list[int]:
        ids = [token.id for token in tokens]
        return ids[:-1] if ids and ids[-1] in self.voice.stop_ids else ids

    def _holds_word(self, tokens: "Sequence[Token]") -> bool:
        whole = self.voice.template.decode(self._ids(tokens))
        return any(word in whole for word in self.words)

    def _told(self, whole: str, final: bool) -> str:
        places = [place for word in self.words if (place := whole.find(word)) >= 0]
        if places:
            self.finish = "stop"
            self.stream.cancel()
            return self._tell(whole[: min(places)])
        if not final:
            whole = whole.rstrip(HALF_A_CHARACTER)  # the rest of a character is still to come
            held = max((_overlap(whole, word) for word in self.words), default=0)
            whole = whole[: len(whole) - held]
        return self._tell(whole)

    def _tell(self, whole: str) -> str:
        new = whole[len(self.text) :]
        self.text += new
        return new


def _overlap(text: str, word: str) -> int:
    """Characters at the end of `text` that a stop word begins with."""
    return next((size for size in range(min(len(word) - 1, len(text)), 0, -1) if text.endswith(word[:size])), 0)


async def pieces(replies: list[Reply]) -> "AsyncIterator[tuple[int, str, Sequence[Token]]]":
    """Index, new text and tokens of whichever reply has grown; the last piece of a reply has its `finish` set.

    Tokens that were made while the last ones were sent come in one piece.
    """
    loop, news = asyncio.get_running_loop(), asyncio.Event()

    def tell() -> None:
        with suppress(RuntimeError):  # the server has gone, and its loop with it
            loop.call_soon_threadsafe(news.set)

    for reply in replies:
        reply.stream.listen(tell)
    open_ = dict(enumerate(replies))
    while open_:
        news.clear()  # before looking: what comes while we look must wake us
        for index, reply in list(open_.items()):
            made, is_over = reply.stream.take()
            if not made and not is_over:
                continue
            text, tokens = reply.add(made)
            if is_over and not reply.finish:
                text += reply.close()
            if reply.finish:
                del open_[index]
            yield index, text, tokens
        if open_:
            await news.wait()


def cancel(replies: Sequence[Reply]) -> None:
    """End them all; the engine then has room for others."""
    for reply in replies:
        reply.stream.cancel()
