"""The endpoint that other programs know: OpenAI's chat completions, completions and models, over the runs of a home.

All replies go through the engine that the page uses, so requests that come together are computed together. The protocol
itself is in `endpoint`.
"""

import hmac
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import anyio.to_thread
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from chatgui import server_monitor
from chatgui.config import GenerationConfig
from chatgui.endpoint.asked import Asked, ChatAsked, Refusal, TextAsked, read
from chatgui.endpoint.reply import Reply, cancel, pieces
from chatgui.endpoint.shapes import ChatShape, Shape, TextShape, usage
from chatgui.errors import ChatGuiError, ConfigError, RunError
from chatgui.runs.store import Run
from chatgui.runs.workspace import Workspace
from chatgui.text import DEFAULT_LANGUAGE, say

if TYPE_CHECKING:
    from chatgui.generation.pair import Pair, Voice

BASE = "base"
"""`base` is the base of the newest run, `base/RUN` that of another one."""
DEFAULT_TOKENS = 256
LOOPBACK = ("127.0.0.1", "localhost", "::1")


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
        asked = await read(request, ChatAsked)
        voice, pair = await _voice(workspace, asked.model, default_run)
        prompt = voice.template.prompt_ids([said.plain() for said in asked.messages])
        settings = _settings(asked, asked.max_completion_tokens or asked.max_tokens)
        logprobs = (asked.top_logprobs or 0) if asked.logprobs else None
        replies = _begin(pair, voice, [prompt], asked, settings, logprobs)
        return await _answered(request, asked, replies, ChatShape(asked.model), len(prompt))

    async def complete(request: Request) -> Response:
        asked = await read(request, TextAsked)
        voice, pair = await _voice(workspace, asked.model, default_run)
        texts = [asked.prompt] if isinstance(asked.prompt, str) else asked.prompt
        prompts = [
            list(voice.template.tokenizer(text)["input_ids"]) or [voice.template.end_of_turn_id] for text in texts
        ]
        replies = _begin(pair, voice, prompts, asked, _settings(asked, asked.max_tokens or 16), asked.logprobs)
        return await _answered(request, asked, replies, TextShape(asked.model), sum(map(len, prompts)))

    async def grow_stream(request: Request) -> Response:
        asked = await read(request, server_monitor.StreamAsked)
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


async def _answered(request: Request, asked: Asked, replies: list[Reply], shape: Shape, prompt_tokens: int) -> Response:
    if asked.stream:
        events = _events(replies, shape, prompt_tokens, asked.wants_usage)
        return StreamingResponse(events, media_type="text/event-stream")
    try:
        async for _ in pieces(replies):
            if await request.is_disconnected():
                break
    finally:
        cancel(replies)
    choices = [shape.whole(index, reply) for index, reply in enumerate(replies)]
    return JSONResponse({**shape.head(chunk=False), "choices": choices, "usage": usage(replies, prompt_tokens)})


async def _events(replies: list[Reply], shape: Shape, prompt_tokens: int, wants_usage: bool) -> AsyncIterator[str]:
    """Server-sent events. A client that goes away ends the generator, and that ends the replies."""
    head = shape.head(chunk=True)
    try:
        for index in range(len(replies)):
            if (first := shape.first(index)) is not None:
                yield _event({**head, "choices": [first]})
        async for index, text, tokens in pieces(replies):
            if text or tokens:
                yield _event({**head, "choices": [shape.piece(index, replies[index], text, tokens)]})
            if replies[index].finish:
                yield _event({**head, "choices": [shape.last(index, replies[index])]})
        if wants_usage:
            yield _event({**head, "choices": [], "usage": usage(replies, prompt_tokens)})
    except ChatGuiError as error:
        yield _event({"error": {"message": error.text(DEFAULT_LANGUAGE), "type": "server_error", "code": error.key}})
    finally:
        cancel(replies)
    yield "data: [DONE]\n\n"


def _event(row: dict[str, Any]) -> str:
    return f"data: {json.dumps(row, ensure_ascii=False)}\n\n"


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
