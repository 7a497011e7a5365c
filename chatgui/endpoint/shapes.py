"""How the two kinds of completion write their answers, whole and in pieces."""

import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from chatgui.endpoint.reply import Reply

if TYPE_CHECKING:
    from chatgui.generation.sampling import Token


class Shape(ABC):
    """How one kind of completion writes its answers."""

    prefix: ClassVar[str]
    """Of the ids."""
    whole_object: ClassVar[str]
    chunk_object: ClassVar[str]

    def __init__(self, model: str) -> None:
        self.id = f"{self.prefix}-{secrets.token_hex(12)}"
        self.created = int(time.time())
        self.model = model

    def head(self, chunk: bool) -> dict[str, Any]:
        """What every answer begins with."""
        kind = self.chunk_object if chunk else self.whole_object
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model}

    def first(self, index: int) -> dict[str, Any] | None:
        """What comes before the first token of a stream."""
        return None

    @abstractmethod
    def whole(self, index: int, reply: Reply) -> dict[str, Any]:
        """A finished reply."""

    @abstractmethod
    def piece(self, index: int, reply: Reply, text: str, tokens: "Sequence[Token]") -> dict[str, Any]:
        """A piece of a stream."""

    @abstractmethod
    def last(self, index: int, reply: Reply) -> dict[str, Any]:
        """The end of a stream."""


class ChatShape(Shape):
    """Of `/v1/chat/completions`."""

    prefix, whole_object, chunk_object = "chatcmpl", "chat.completion", "chat.completion.chunk"

    def first(self, index: int) -> dict[str, Any]:
        return {"index": index, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}

    def whole(self, index: int, reply: Reply) -> dict[str, Any]:
        message = {"role": "assistant", "content": reply.text, "refusal": None}
        logprobs = self._logprobs(reply, reply.tokens)
        return {"index": index, "message": message, "logprobs": logprobs, "finish_reason": reply.finish}

    def piece(self, index: int, reply: Reply, text: str, tokens: "Sequence[Token]") -> dict[str, Any]:
        logprobs = self._logprobs(reply, tokens)
        return {"index": index, "delta": {"content": text}, "logprobs": logprobs, "finish_reason": None}

    def last(self, index: int, reply: Reply) -> dict[str, Any]:
        return {"index": index, "delta": {}, "finish_reason": reply.finish}

    def _logprobs(self, reply: Reply, tokens: "Sequence[Token]") -> dict[str, Any] | None:
        if not tokens or tokens[0].logprob is None:
            return None
        return {"content": [
            {**_scored(reply, token.id, token.logprob or 0.0),
             "top_logprobs": [_scored(reply, id_, logprob) for id_, logprob in token.likeliest]}
            for token in tokens
        ]}  # fmt: skip


class TextShape(Shape):
    """Of `/v1/completions`."""

    prefix, whole_object, chunk_object = "cmpl", "text_completion", "text_completion"

    def whole(self, index: int, reply: Reply) -> dict[str, Any]:
        logprobs = self._logprobs(reply, reply.tokens)
        return {"index": index, "text": reply.text, "logprobs": logprobs, "finish_reason": reply.finish}

    def piece(self, index: int, reply: Reply, text: str, tokens: "Sequence[Token]") -> dict[str, Any]:
        return {"index": index, "text": text, "logprobs": self._logprobs(reply, tokens), "finish_reason": None}

    def last(self, index: int, reply: Reply) -> dict[str, Any]:
        return {"index": index, "text": "", "logprobs": None, "finish_reason": reply.finish}

    def _logprobs(self, reply: Reply, tokens: "Sequence[Token]") -> dict[str, Any] | None:
        if not tokens or tokens[0].logprob is None:
            return None
        texts = list(_texts(reply, [token.id for token in tokens]))
        return {
            "tokens": texts, "token_logprobs": [token.logprob for token in tokens],
            "top_logprobs": [dict(zip(_texts(reply, [id_ for id_, _ in token.likeliest]),
                                      [logprob for _, logprob in token.likeliest], strict=True)) for token in tokens],
        }  # fmt: skip


def _scored(reply: Reply, id_: int, logprob: float) -> dict[str, Any]:
    (text,) = _texts(reply, [id_])
    return {"token": text, "logprob": logprob, "bytes": list(text.encode())}


def _texts(reply: Reply, ids: Sequence[int]) -> Iterator[str]:
    return (reply.voice.template.tokenizer.decode([id_]) for id_ in ids)


def usage(replies: Sequence[Reply], prompt_tokens: int) -> dict[str, int]:
    """Tokens, as OpenAI counts them."""
    made = sum(len(reply.tokens) for reply in replies)
    return {"prompt_tokens": prompt_tokens, "completion_tokens": made, "total_tokens": prompt_tokens + made}
