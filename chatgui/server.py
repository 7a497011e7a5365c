"""The endpoint that other programs know: OpenAI's chat completions, completions and models, over the runs of a home.

All replies go through the engine that the page uses, so requests that come together are computed together. Field names
and shapes: OpenAI's API reference (platform.openai.com/docs/api-reference).
"""

import asyncio
import hmac
import json
import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

import anyio.to_thread
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from chatgui import server_monitor
from chatgui.config import GenerationConfig
from chatgui.errors import ChatGuiError, ConfigError, RunError
from chatgui.runs.store import Run
from chatgui.runs.workspace import Workspace
from chatgui.text import DEFAULT_LANGUAGE, say

if TYPE_CHECKING:
    from chatgui.generation.engine import Stream
    from chatgui.generation.pair import Pair, Voice
    from chatgui.generation.sampling import Token

BASE = "base"
"""`base` is the base of the newest run, `base/RUN` that of another one."""
DEFAULT_TOKENS = 256
WINDOW_TOKENS = 16
HALF_A_CHARACTER = "\ufffd"
LOOPBACK = ("127.0.0.1", "localhost", "::1")
Positive = Annotated[int, Field(ge=1, le=32768)]


class Asked(BaseModel):
    """What both kinds of completion may say. Fields of OpenAI's that are not here are ignored."""

    model_config = ConfigDict(extra="ignore")
    model: str
    stream: bool = False
    stream_options: dict[str, Any] | None = None
    stop: str | Annotated[list[str], Field(max_length=4)] | None = None
    seed: int | None = None
    temperature: float = Field(1.0, ge=0, le=2)
    top_p: float = Field(1.0, gt=0, le=1)
    max_tokens: Positive | None = None
    n: int = Field(1, ge=1, le=16)
    ignore_eos: bool = False
    """Go on behind the end of the reply, up to `max_tokens`: for measuring. Not OpenAI's; vLLM has it by this name."""

    @property
    def words(self) -> tuple[str, ...]:
        """Texts that end a reply and are not part of it."""
        return tuple(word for word in ([self.stop] if isinstance(self.stop, str) else self.stop or []) if word)

    @property
    def wants_usage(self) -> bool:
        """Whether a stream ends with the number of tokens."""
        return bool((self.stream_options or {}).get("include_usage"))


class Part(BaseModel):
    """A piece of a message; only text is understood."""

    type: Literal["text"]
    text: str


class Said(BaseModel):
    """One message."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[Part] | None = None

    def plain(self) -> dict[str, str]:
        """As chat templates take it."""
        role = "system" if self.role == "developer" else self.role
        parts = [self.content] if isinstance(self.content, str) else [part.text for part in self.content or []]
        return {"role": role, "content": "".join(parts)}


class ChatAsked(Asked):
    """`POST /v1/chat/completions`."""

    messages: Annotated[list[Said], Field(min_length=1)]
    max_completion_tokens: Positive | None = None
    logprobs: bool = False
    top_logprobs: int | None = Field(None, ge=0, le=20)


class TextAsked(Asked):
    """`POST /v1/completions`."""

    prompt: str | list[str] = ""
    logprobs: int | None = Field(None, ge=0, le=5)
    echo: Literal[False] = False


class Refusal(Exception):
    """An answer in the shape of OpenAI's errors."""

    def __init__(self, status: int, message: str, code: str, param: str | None = None) -> None:
        super().__init__(message)
        kind = "authentication_error" if status == 401 else "invalid_request_error" if status < 500 else "server_error"
        self.response = JSONResponse(
            {"error": {"message": message, "type": kind, "param": param, "code": code}}, status_code=status
        )


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


def router(workspace: Workspace, keys: Sequence[str] = (), default_run: str | None = None) -> APIRouter:
    """The endpoint's routes. With `keys` every request must bring one; `default_run` is the one listed first."""
    routes = APIRouter(prefix="/v1")

    def guarded(answer: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        async def guard(request: Request) -> Response:
            try:
                _check_key(request, keys)
                return await answer(request)
            except Refusal as refusal:
                return refusal.response
            except ChatGuiError as error:
                return Refusal(400, error.text(DEFAULT_LANGUAGE), error.key).response

        return guard

    async def list_models(request: Request) -> Response:
        rows = [{"id": name, "object": "model", "created": created, "owned_by": "chatgui"}
                for name, created in _models(workspace, default_run)]  # fmt: skip
        return JSONResponse({"object": "list", "data": rows})

    async def chat(request: Request) -> Response:
        asked = await _read(request, ChatAsked)
        voice, pair = await _voice(workspace, asked.model, default_run)
        prompt = voice.template.prompt_ids([said.plain() for said in asked.messages])
        settings = _settings(asked, asked.max_completion_tokens or asked.max_tokens)
        logprobs = (asked.top_logprobs or 0) if asked.logprobs else None
        replies = _begin(pair, voice, [prompt], asked, settings, logprobs)
        return await _answered(request, asked, replies, _Chat(asked.model), len(prompt))

    async def complete(request: Request) -> Response:
        asked = await _read(request, TextAsked)
        voice, pair = await _voice(workspace, asked.model, default_run)
        texts = [asked.prompt] if isinstance(asked.prompt, str) else asked.prompt
        prompts = [
            list(voice.template.tokenizer(text)["input_ids"]) or [voice.template.end_of_turn_id] for text in texts
        ]
        replies = _begin(pair, voice, prompts, asked, _settings(asked, asked.max_tokens or 16), asked.logprobs)
        return await _answered(request, asked, replies, _Text(asked.model), sum(map(len, prompts)))

    async def grow_stream(request: Request) -> Response:
        asked = await _read(request, server_monitor.StreamAsked)
        return JSONResponse(await anyio.to_thread.run_sync(server_monitor.grow, workspace, asked))

    async def tell_stream(request: Request) -> Response:
        name = request.query_params.get("model", "")
        return JSONResponse(await anyio.to_thread.run_sync(server_monitor.tell, workspace, name))

    routes.add_api_route("/monitor", guarded(grow_stream), methods=["POST"])
    routes.add_api_route("/monitor", guarded(tell_stream), methods=["GET"])
    routes.add_api_route("/models", guarded(list_models), methods=["GET"])
    routes.add_api_route("/chat/completions", guarded(chat), methods=["POST"])
    routes.add_api_route("/completions", guarded(complete), methods=["POST"])
    return routes


def _check_key(request: Request, keys: Sequence[str]) -> None:
    brought = request.headers.get("authorization", "").removeprefix("Bearer ").strip()
    if keys and not any(hmac.compare_digest(brought.encode(), key.encode()) for key in keys):
        raise Refusal(401, say("serve.bad_key", DEFAULT_LANGUAGE), "invalid_api_key")


async def _read(request: Request, kind: type[Any]) -> Any:
    try:
        return kind.model_validate(await request.json())
    except ValidationError as error:
        fault = error.errors()[0]
        param = ".".join(str(part) for part in fault["loc"])
        raise Refusal(400, f"{param}: {fault['msg']}", "invalid_value", param) from error
    except (ValueError, UnicodeDecodeError) as error:
        raise Refusal(400, say("serve.no_json", DEFAULT_LANGUAGE), "invalid_json") from error


def _models(workspace: Workspace, default_run: str | None) -> list[tuple[str, int]]:
    """Names with their time of creation: runs that reply, and their bases."""
    rows = []
    for run in workspace.runs():
        with suppress(ChatGuiError):
            if run.has_model and run.config.task.HEAD == "AutoModelForCausalLM":
                rows.append((run.id, int(run.state().created)))
    rows.sort(key=lambda row: row[0] != default_run)
    bases = [(BASE, rows[0][1])] if rows else []
    return [*rows[:1], *bases, *rows[1:], *((f"{BASE}/{name}", created) for name, created in rows)]


async def _voice(workspace: Workspace, name: str, default_run: str | None) -> "tuple[Voice, Pair]":
    is_base = name == BASE or name.startswith(f"{BASE}/")
    run = _loaded(workspace, name.removeprefix(f"{BASE}/"))
    if run is None:
        run = await anyio.to_thread.run_sync(_named, workspace, name, default_run)
    pair = workspace.pair(run) if workspace.has_pair(run) else await anyio.to_thread.run_sync(workspace.pair, run)
    return (pair.base if is_base else pair.tuned), pair


def _loaded(workspace: Workspace, name: str) -> Run | None:
    """A run whose models are in memory: it was looked up before, and its files need not be read for each request."""
    with suppress(RunError):
        run = workspace.run(name)
        return run if run.id == name and workspace.has_pair(run) else None
    return None


def _named(workspace: Workspace, name: str, default_run: str | None) -> Run:
    """The run behind a model's name. Raises Refusal when there is none."""
    known = [known for known, _ in _models(workspace, default_run)]
    if name not in known:
        message = say("serve.no_model", DEFAULT_LANGUAGE, name=name, known=", ".join(known[:8]) or "-")
        raise Refusal(404, message, "model_not_found", "model")
    return workspace.run(known[0] if name == BASE else name.removeprefix(f"{BASE}/"))


def _settings(asked: Asked, max_tokens: int | None) -> GenerationConfig:
    seed = secrets.randbelow(2**31) if asked.seed is None else abs(asked.seed)
    return GenerationConfig(
        temperature=asked.temperature, top_p=asked.top_p, max_new_tokens=max_tokens or DEFAULT_TOKENS, seed=seed
    )


def _begin(
    pair: "Pair", voice: "Voice", prompts: Sequence[list[int]], asked: Asked, settings: GenerationConfig,
    logprobs: int | None,
) -> list[Reply]:  # fmt: skip
    """`n` replies to each prompt, all in the same step. The second reply draws from the next seed."""
    for prompt in prompts:
        if len(prompt) >= voice.context_tokens:
            message = say("serve.too_long", DEFAULT_LANGUAGE, found=len(prompt), allowed=voice.context_tokens)
            raise Refusal(400, message, "context_length_exceeded", "messages")
    requests = [
        voice.request(prompt, settings.model_copy(update={"seed": settings.seed + number}), top_logprobs=logprobs)
        for prompt in prompts
        for number in range(asked.n)
    ]
    if asked.ignore_eos:
        requests = [replace(request, stop_ids=frozenset()) for request in requests]
    return [Reply(stream, voice, asked.words) for stream in pair.engine.ask(*requests)]


async def _answered(
    request: Request, asked: Asked, replies: list[Reply], shape: "_Shape", prompt_tokens: int
) -> Response:
    if asked.stream:
        events = _events(replies, shape, prompt_tokens, asked.wants_usage)
        return StreamingResponse(events, media_type="text/event-stream")
    try:
        async for _ in _pieces(replies):
            if await request.is_disconnected():
                break
    finally:
        _cancel(replies)
    choices = [shape.whole(index, reply) for index, reply in enumerate(replies)]
    return JSONResponse({**shape.head(chunk=False), "choices": choices, "usage": _usage(replies, prompt_tokens)})


async def _events(replies: list[Reply], shape: "_Shape", prompt_tokens: int, wants_usage: bool) -> AsyncIterator[str]:
    """Server-sent events. A client that goes away ends the generator, and that ends the replies."""
    head = shape.head(chunk=True)
    try:
        for index in range(len(replies)):
            if (first := shape.first(index)) is not None:
                yield _event({**head, "choices": [first]})
        async for index, text, tokens in _pieces(replies):
            if text or tokens:
                yield _event({**head, "choices": [shape.piece(index, replies[index], text, tokens)]})
            if replies[index].finish:
                yield _event({**head, "choices": [shape.last(index, replies[index])]})
        if wants_usage:
            yield _event({**head, "choices": [], "usage": _usage(replies, prompt_tokens)})
    except ChatGuiError as error:
        yield _event({"error": {"message": error.text(DEFAULT_LANGUAGE), "type": "server_error", "code": error.key}})
    finally:
        _cancel(replies)
    yield "data: [DONE]\n\n"


def _event(row: dict[str, Any]) -> str:
    return f"data: {json.dumps(row, ensure_ascii=False)}\n\n"


async def _pieces(replies: list[Reply]) -> "AsyncIterator[tuple[int, str, Sequence[Token]]]":
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


def _cancel(replies: list[Reply]) -> None:
    for reply in replies:
        reply.stream.cancel()


def _usage(replies: list[Reply], prompt_tokens: int) -> dict[str, int]:
    made = sum(len(reply.tokens) for reply in replies)
    return {"prompt_tokens": prompt_tokens, "completion_tokens": made, "total_tokens": prompt_tokens + made}


class _Shape(ABC):
    """How one kind of completion writes its answers."""

    prefix, whole_object, chunk_object = "", "", ""

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


class _Chat(_Shape):
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


class _Text(_Shape):
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


def may_serve(host: str, keys: Sequence[str]) -> bool:
    """Whether the endpoint may be open on this address: others must bring a key."""
    return host in LOOPBACK or bool(keys)


def serve(workspace: Workspace, run: str, host: str, port: int, keys: Sequence[str]) -> None:
    """The endpoint alone, until interrupted. Raises ConfigError for an address that others reach without a key."""
    import uvicorn
    from fastapi import FastAPI

    if not may_serve(host, keys):
        raise ConfigError("serve.needs_key", host=host)
    app = FastAPI(title="ChatGUI", docs_url=None, redoc_url=None, openapi_url=None)
    app.include_router(router(workspace, keys, run))
    workspace.pair(workspace.run(run))
    print(f"http://{host}:{port}/v1   {run}", flush=True)
    uvicorn.run(app, host=host, port=port, log_level="warning")
