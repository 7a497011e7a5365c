"""The endpoint, through OpenAI's own client over a real server."""

import json
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import openai
import pytest
import uvicorn
from fastapi import FastAPI

from chatgui.config import ModelConfig
from chatgui.endpoint.reply import Reply
from chatgui.errors import ConfigError
from chatgui.models import STARTER
from chatgui.runs.workspace import Workspace
from chatgui.server import may_serve, router, serve
from tests.export.conftest import make_run

KEY = "sk-test"
Served = tuple[str, str, Workspace]
ASK = [{"role": "user", "content": "Where is my order?"}]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str, Workspace]]:
    """Address, run and workspace of a server over one run of the starter."""
    home = tmp_path_factory.mktemp("served") / "home"
    workspace = Workspace(home)
    run = make_run(home, STARTER)
    app = FastAPI()
    app.include_router(router(workspace, [KEY]))
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", ws="none"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}/v1", run.id, workspace
    server.should_exit = True
    thread.join(timeout=20)


@pytest.fixture(scope="module")
def client(served: Served) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=served[0], api_key=KEY, max_retries=0, timeout=120) as opened:
        yield opened


@pytest.fixture
def ask(client: openai.OpenAI, served: Served) -> Callable[..., Any]:
    def create(**changes: Any) -> Any:
        asked = {"model": served[1], "messages": ASK, "max_tokens": 12, "temperature": 0, **changes}
        return client.chat.completions.create(**asked)

    return create


def test_runs_and_their_bases_are_the_models(client: openai.OpenAI, served: Served) -> None:
    assert [model.id for model in client.models.list()] == [served[1], "base", f"base/{served[1]}"]


def test_a_reply_is_the_one_that_the_page_gives(ask: Callable[..., Any], served: Served) -> None:
    from chatgui.config import GenerationConfig

    pair = served[2].pair(served[2].run(served[1]))
    settings = GenerationConfig(temperature=0, max_new_tokens=12)
    for name, voice in ((served[1], pair.tuned), ("base", pair.base)):
        ids = voice.template.prompt_ids(ASK)
        (stream,) = pair.engine.ask(voice.request(ids, settings))
        made = [token.id for token in stream]
        reply = ask(model=name)
        kept = made[:-1] if made[-1] in voice.stop_ids else made
        assert reply.choices[0].message.content == voice.template.decode(kept)
        assert (reply.usage.prompt_tokens, reply.usage.completion_tokens) == (len(ids), len(made))
    assert ask().choices[0].message.content != ask(model="base").choices[0].message.content


def test_a_stream_holds_the_same_text_and_ends_with_its_usage(ask: Callable[..., Any]) -> None:
    whole = ask()
    chunks = list(ask(stream=True, stream_options={"include_usage": True}))
    texts = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert "".join(texts) == whole.choices[0].message.content
    assert len([text for text in texts if text]) > 1
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == whole.choices[0].finish_reason


def test_a_stop_word_ends_a_reply_and_is_not_in_it(ask: Callable[..., Any]) -> None:
    text = ask().choices[0].message.content
    word = text[len(text) // 2 : len(text) // 2 + 3]
    assert word
    reply = ask(stop=[word]).choices[0]
    assert (reply.message.content, reply.finish_reason) == (text[: text.index(word)], "stop")
    streamed = "".join(c.choices[0].delta.content or "" for c in ask(stop=word, stream=True))
    assert streamed == reply.message.content


def test_a_seed_repeats_a_drawn_reply(ask: Callable[..., Any]) -> None:
    drawn = [ask(temperature=1.5, seed=7, max_tokens=24).choices[0].message.content for _ in range(2)]
    assert drawn[0] == drawn[1]
    assert ask(temperature=1.5, seed=8, max_tokens=24).choices[0].message.content != drawn[0]


def test_n_gives_so_many_different_replies(ask: Callable[..., Any]) -> None:
    choices = ask(n=3, temperature=1.5, seed=1).choices
    assert [choice.index for choice in choices] == [0, 1, 2]
    assert len({choice.message.content for choice in choices}) > 1


def test_logprobs_are_told_for_every_token(ask: Callable[..., Any]) -> None:
    reply = ask(logprobs=True, top_logprobs=3)
    tokens = reply.choices[0].logprobs.content
    assert len(tokens) == reply.usage.completion_tokens
    assert all(token.logprob <= 0 and len(token.top_logprobs) == 3 for token in tokens)
    assert tokens[0].logprob == tokens[0].top_logprobs[0].logprob  # greedy: the likeliest


def test_plain_completions_go_on_from_a_text(client: openai.OpenAI, served: Served) -> None:
    made = client.completions.create(model=served[1], prompt=["Once upon", "The sea"], max_tokens=5, temperature=0)
    assert [choice.index for choice in made.choices] == [0, 1]
    assert made.usage is not None and made.usage.completion_tokens <= 10
    stream = client.completions.create(model=served[1], prompt="Once upon", max_tokens=5, temperature=0, stream=True)
    assert "".join(chunk.choices[0].text for chunk in stream) == made.choices[0].text


def test_an_unknown_model_and_a_wrong_key_are_refused(ask: Callable[..., Any], served: Served) -> None:
    with pytest.raises(openai.NotFoundError, match="There is no model gpt-9"):
        ask(model="gpt-9")
    with (
        openai.OpenAI(base_url=served[0], api_key="wrong", max_retries=0) as other,
        pytest.raises(openai.AuthenticationError, match="API key"),
    ):
        other.models.list()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"messages": [{"role": "user", "content": "word " * 600}]}, "takes less than 512"),
        ({"messages": []}, "messages"),
        ({"temperature": 9}, "temperature"),
        ({"messages": [{"role": "robot", "content": "hi"}]}, "role"),
    ],
)
def test_a_request_that_makes_no_sense_is_told(ask: Callable[..., Any], changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(openai.BadRequestError, match=sentence) as raised:
        ask(**changes)
    assert raised.value.body is not None and raised.value.type == "invalid_request_error"


def test_a_body_that_is_no_json_is_told(served: Served) -> None:
    request = urllib.request.Request(
        f"{served[0]}/chat/completions", b"{", {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    )
    with pytest.raises(urllib.error.HTTPError) as raised:
        urllib.request.urlopen(request)
    assert json.loads(raised.value.read())["error"]["code"] == "invalid_json"


def test_a_client_that_goes_away_ends_its_reply(ask: Callable[..., Any], served: Served) -> None:
    engine = served[2].pair(served[2].run(served[1])).engine
    stream = ask(stream=True, max_tokens=400, temperature=2, seed=3, logprobs=True)
    next(iter(stream))
    stream.close()
    end = time.monotonic() + 20
    while engine._rows:
        assert time.monotonic() < end, "the reply goes on for nobody"
        time.sleep(0.05)


def test_thirty_two_at_once_get_their_own_replies(ask: Callable[..., Any]) -> None:
    questions = [[{"role": "user", "content": f"Order {number}?"}] for number in range(32)]
    alone = [ask(messages=question, max_tokens=8).choices[0].message.content for question in questions[:4]]
    with ThreadPoolExecutor(32) as pool:
        together = list(pool.map(lambda q: ask(messages=q, max_tokens=8).choices[0].message.content, questions))
    assert together[:4] == alone
    assert len(together) == 32


def test_off_this_machine_a_key_is_needed(home: Path) -> None:
    assert may_serve("127.0.0.1", [])
    assert may_serve("0.0.0.0", [KEY])
    with pytest.raises(ConfigError, match="--api-key"):
        serve(Workspace(home), "run", "0.0.0.0", 8000, [])


class Whole:
    """A voice whose tokens are the characters of a text, and a stream that only hears of its end."""

    stop_ids = frozenset({-1})

    def __init__(self, text: str) -> None:
        self.text = text
        self.template = self
        self.end = "limit"
        self.cancelled = False

    def decode(self, ids: list[int]) -> str:
        return self.text.encode()[: len(ids)].decode("utf-8", "replace")

    def cancel(self) -> None:
        self.cancelled = True


def test_half_a_character_and_half_a_stop_word_are_held_back() -> None:
    from chatgui.generation.sampling import Token

    voice: Any = Whole("ab好STcSTOPd")
    reply = Reply(voice, voice, ("STOP",))
    pieces = []
    for number in range(len(voice.text.encode())):
        pieces.append(reply.add([Token(number)])[0])
        if reply.finish:
            break
    assert "".join(pieces) == reply.text == "ab好STc"
    assert pieces[2:5] == ["", "", "好"]
    assert (reply.finish, voice.cancelled) == ("stop", True)


LONG = "Grüße, 你好！ 🙂🙃 The order 4711 was sent;  two spaces,\n\na line, e\u0301 and 中文字符。 " * 6


@pytest.mark.parametrize("name", ["starter", "tinyllama"])
def test_text_that_is_decoded_in_pieces_is_the_whole_text(name: str, shared: Path) -> None:
    from chatgui.generation.sampling import Token
    from chatgui.models import load_template

    folder = STARTER if name == "starter" else shared / "models" / "tinyllama-stories-260k"
    template = load_template(ModelConfig(name=str(folder)))
    ids = template.tokenizer(LONG, add_special_tokens=False)["input_ids"]
    voice: Any = Whole("")
    voice.template = template
    for step in (1, 3):
        reply = Reply(voice, voice, ())
        for start in range(0, len(ids), step):
            reply.add([Token(id_) for id_ in ids[start : start + step]])
        reply.close()
        assert reply.text == template.decode(ids)
        assert len(reply.text) > 400


def test_tokens_that_come_together_end_at_a_stop_word_as_if_alone() -> None:
    from chatgui.generation.sampling import Token

    voice: Any = Whole("abSTOPcdef")
    reply = Reply(voice, voice, ("STOP",))
    text, tokens = reply.add([Token(number) for number in range(10)])
    assert (text, len(tokens), reply.finish) == ("ab", 6, "stop")


def test_a_measured_reply_goes_on_behind_its_end(ask: Callable[..., Any]) -> None:
    reply = ask(max_tokens=70, temperature=1, seed=5, extra_body={"ignore_eos": True})
    assert (reply.usage.completion_tokens, reply.choices[0].finish_reason) == (70, "length")
