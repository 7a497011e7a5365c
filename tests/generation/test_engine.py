import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chatgui.config import GenerationConfig
from chatgui.errors import ModelError
from chatgui.generation.engine import PIECE_TOKENS, Engine
from chatgui.generation.pair import Pair, Voices
from tests.generation.conftest import ask_all, config_of

GREEDY = GenerationConfig(temperature=0, max_new_tokens=24)
LIVELY = GenerationConfig(temperature=1.3, top_p=0.95, max_new_tokens=24, seed=7)
PROMPTS = [[4, 70, 71, 72], [4, 90], [4, 80, 81, 82, 83, 84, 85, 86, 87], [4, *range(10, 60)]]


def alone(pair: Pair, voice: Any, prompt: list[int], settings: GenerationConfig, **changes: Any) -> list[int]:
    return ask_all(pair.engine, [(voice, prompt, settings)], **changes)[0]


@pytest.mark.parametrize("settings", [GREEDY, LIVELY], ids=["greedy", "lively"])
def test_a_reply_does_not_depend_on_its_neighbours(pair: Pair, settings: GenerationConfig) -> None:
    asked = [(voice, prompt, settings) for prompt in PROMPTS for voice in (pair.base, pair.tuned)]
    expected = [alone(pair, *one) for one in asked]
    assert ask_all(pair.engine, asked) == expected
    assert ask_all(pair.engine, asked[::-1]) == expected[::-1]


def test_logits_are_the_same_to_the_last_bit_in_company(pair: Pair) -> None:
    loaded = pair.base.loaded
    if not loaded.packed:
        pytest.skip("this processor has no packed products")
    names = ["", pair.tuned.name, "", pair.tuned.name]

    def after(names: list[str], prompts: list[list[int]]) -> Any:
        states = [loaded.way.begin() for name in names]
        for state, name, prompt in zip(states, names, prompts, strict=True):
            loaded.logits([name], [state], [prompt])
        return loaded.logits(names, states, [[5]] * len(names))

    together = after(names, PROMPTS)
    for place, (name, prompt) in enumerate(zip(names, PROMPTS, strict=True)):
        assert (after([name], [prompt])[0] == together[place]).all()


def test_a_seed_repeats_alone_and_as_a_pair_and_another_seed_does_not(pair: Pair) -> None:
    prompt = PROMPTS[0]
    for seed in range(5):
        settings = LIVELY.model_copy(update={"seed": seed})
        both = ask_all(pair.engine, [(pair.base, prompt, settings), (pair.tuned, prompt, settings)])
        assert both == [alone(pair, pair.base, prompt, settings), alone(pair, pair.tuned, prompt, settings)]
        assert both[0] != alone(pair, pair.base, prompt, settings.model_copy(update={"seed": seed + 1}))


def test_replies_come_and_go_while_others_grow(pair: Pair) -> None:
    expected = [alone(pair, pair.tuned, prompt, LIVELY) for prompt in PROMPTS]
    made: dict[int, list[int]] = {}

    def ask(place: int) -> None:
        time.sleep(0.004 * place)
        made[place] = alone(pair, pair.tuned, PROMPTS[place], LIVELY)

    threads = [threading.Thread(target=ask, args=(place,)) for place in range(len(PROMPTS))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [made[place] for place in range(len(PROMPTS))] == expected


def test_a_long_reply_does_not_block_a_short_one(pair: Pair) -> None:
    (long,) = pair.engine.ask(pair.base.request(PROMPTS[0], GREEDY.model_copy(update={"max_new_tokens": 240})))
    next(long)
    assert len(alone(pair, pair.base, PROMPTS[1], GREEDY.model_copy(update={"max_new_tokens": 3}))) == 3
    assert long.end is None
    long.cancel()


def test_a_cancelled_reply_ends_within_a_step(pair: Pair) -> None:
    request = replace(pair.base.request(PROMPTS[0], GREEDY), stop_ids=frozenset())
    (stream,) = pair.engine.ask(replace(request, settings=GREEDY.model_copy(update={"max_new_tokens": 240})))
    next(stream)
    stream.cancel()
    rest = list(stream)
    assert stream.end == "stopped"
    assert len(rest) < 200


def test_background_replies_rest_while_somebody_waits(pair: Pair) -> None:
    order: list[str] = []
    settings = GREEDY.model_copy(update={"max_new_tokens": 60})
    request = replace(pair.base.request(PROMPTS[0], settings), stop_ids=frozenset())
    (behind,) = pair.engine.ask(replace(request, background=True))
    next(behind)
    (front,) = pair.engine.ask(request)

    def read_behind() -> None:
        list(behind)
        order.append("background")

    reader = threading.Thread(target=read_behind)
    reader.start()
    list(front)
    order.append("front")
    reader.join()
    assert order == ["front", "background"]


def test_a_reply_ends_with_an_end_token_and_the_others_go_on(pair: Pair) -> None:
    asked = [(pair.base, prompt, LIVELY) for prompt in PROMPTS[:3]]
    whole = ask_all(pair.engine, asked)
    end = whole[0][5]
    cut = ask_all(pair.engine, asked, stop_ids=frozenset({end}))
    assert cut[0] == whole[0][: whole[0].index(end) + 1]
    assert all(end not in reply[:-1] for reply in cut)
    assert max(map(len, cut)) > len(cut[0])


def test_every_end_is_named(pair: Pair) -> None:
    request = replace(pair.base.request(PROMPTS[0], GREEDY), stop_ids=frozenset())
    first = alone(pair, pair.base, PROMPTS[0], GREEDY)[0]
    for end, changed in (
        ("limit", request), ("context", replace(request, context_tokens=8)),
        ("own", replace(request, stop_ids=frozenset({first}))), ("context", replace(request, context_tokens=4)),
    ):  # fmt: skip
        (stream,) = pair.engine.ask(changed)
        made = list(stream)
        assert stream.end == end
        assert len(request.prompt) + len(made) <= changed.context_tokens


def test_the_whole_context_of_the_model_can_be_used(pair: Pair) -> None:
    long = GREEDY.model_copy(update={"max_new_tokens": 1000})
    assert len(alone(pair, pair.base, [4] * 250, long)) == 6


def test_a_long_prompt_is_fed_in_pieces_and_changes_nothing(pair: Pair, monkeypatch: Any) -> None:
    from chatgui.generation import engine

    prompt = [4, *range(20, 120)]
    assert len(prompt) < PIECE_TOKENS
    whole = alone(pair, pair.tuned, prompt, GREEDY)
    monkeypatch.setattr(engine, "PIECE_TOKENS", 16)
    assert alone(pair, pair.tuned, prompt, GREEDY) == whole


def test_probabilities_are_told_on_demand(pair: Pair) -> None:
    (stream,) = pair.engine.ask(pair.base.request(PROMPTS[0], GREEDY, top_logprobs=3))
    token = next(stream)
    stream.cancel()
    assert token.likeliest[0][0] == token.id
    assert token.logprob == token.likeliest[0][1] < 0
    assert [logprob for _, logprob in token.likeliest] == sorted((p for _, p in token.likeliest), reverse=True)


def test_a_model_that_computes_no_numbers_is_told_and_others_go_on(pair: Pair, tiny_llama: Path) -> None:
    import torch

    voices = Voices()
    healthy = voices.pair(config_of(tiny_llama), tiny_llama, pair.engine)
    pair.base.loaded.way  # noqa: B018 -- found out while the weights are whole
    with torch.no_grad():
        pair.base.model.get_input_embeddings().weight.fill_(float("nan"))
    (good,) = pair.engine.ask(healthy.base.request(PROMPTS[0], GREEDY))
    with pytest.raises(ModelError, match="no numbers"):
        list(*pair.engine.ask(pair.base.request(PROMPTS[0], GREEDY)))
    assert list(good)


def test_whatever_fails_reaches_the_one_who_asked(pair: Pair, monkeypatch: Any, caplog: Any) -> None:
    def fail(*values: Any) -> Any:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(pair.base.loaded, "logits", fail)
    with pytest.raises(RuntimeError, match="out of memory"):
        list(*pair.engine.ask(pair.base.request(PROMPTS[0], GREEDY)))
    monkeypatch.undo()
    assert alone(pair, pair.base, PROMPTS[0], GREEDY)


def test_an_idle_engine_ends_its_thread_and_starts_again(pair: Pair, monkeypatch: Any) -> None:
    from chatgui.generation import engine

    monkeypatch.setattr(engine, "IDLE_SECONDS", 0.05)
    assert alone(pair, pair.base, PROMPTS[0], GREEDY)
    end = time.monotonic() + 5
    while any(thread is pair.engine._thread for thread in threading.enumerate()) and time.monotonic() < end:
        time.sleep(0.02)
    assert pair.engine._thread is None
    assert alone(pair, pair.base, PROMPTS[0], GREEDY)


def test_two_adapters_and_their_base_answer_in_one_pass(
    family: Callable[[str], Path], save_adapter: Callable[..., Path], tmp_path: Path
) -> None:
    base = family("llama")
    first = save_adapter(base, zero=False)
    other = first.rename(tmp_path / "other")
    second = save_adapter(base, zero=False, r=2, lora_alpha=64)
    engine, voices = Engine(), Voices()
    one, two = (voices.pair(config_of(base), folder, engine) for folder in (other, second))
    assert one.base.loaded is two.base.loaded
    asked = [(voice, PROMPTS[0], GREEDY) for voice in (one.base, one.tuned, two.base, two.tuned)]
    made = ask_all(engine, asked)
    assert made == [alone(one, *each) for each in asked]
    assert made[0] == made[2]
    assert len({tuple(reply) for reply in made}) == 3
