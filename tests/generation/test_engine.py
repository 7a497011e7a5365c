from pathlib import Path
from typing import Any

import pytest
import torch

from chatgui.config import GenerationConfig
from chatgui.generation.engine import Voice, decode
from chatgui.generation.pair import Pair

GREEDY = GenerationConfig(temperature=0, max_new_tokens=24)
LIVELY = GenerationConfig(temperature=1.3, top_p=0.95, max_new_tokens=24, seed=7)
PROMPTS = [[4, 70, 71, 72], [4, 90], [4, 80, 81, 82, 83, 84, 85, 86, 87]]


def replies(
    voice: Voice,
    prompts: list[list[int]],
    settings: GenerationConfig,
    stop: frozenset[int] = frozenset(),
    limit: int = 256,
) -> list[list[int]]:
    rows = list(decode(voice, prompts, settings, stop_ids=stop, context_tokens=limit))
    return [[row[index] for row in rows if row[index] is not None] for index in range(len(prompts))]  # type: ignore[misc]


def plain_reply(model: Any, prompt: list[int]) -> list[int]:
    """What transformers' own `generate` gives."""
    ids = torch.tensor([prompt])
    out = model.generate(
        input_ids=ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=24, pad_token_id=0,
        eos_token_id=None,
    )  # fmt: skip
    return out[0, len(prompt) :].tolist()


@pytest.mark.parametrize("prompt", PROMPTS)
def test_a_greedy_reply_of_the_base_is_what_transformers_gives(
    pair: Pair, base_folder: Path, prompt: list[int]
) -> None:
    from transformers import AutoModelForCausalLM

    plain = AutoModelForCausalLM.from_pretrained(base_folder).eval()
    assert replies(pair.base, [prompt], GREEDY) == [plain_reply(plain, prompt)]


@pytest.mark.parametrize("prompt", PROMPTS)
def test_a_greedy_reply_of_an_adapter_is_what_peft_gives(
    pair: Pair, base_folder: Path, tmp_path: Path, prompt: list[int]
) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    plain = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base_folder), tmp_path / "adapter").eval()
    expected = plain_reply(plain, prompt)
    assert replies(pair.tuned, [prompt], GREEDY) == [expected]
    assert replies(pair.base, [prompt], GREEDY) != [expected]


@pytest.mark.parametrize("settings", [GREEDY, LIVELY], ids=["greedy", "lively"])
def test_a_batch_gives_the_replies_that_each_prompt_gets_alone(pair: Pair, settings: GenerationConfig) -> None:
    together = replies(pair.tuned, PROMPTS, settings)
    assert together == [replies(pair.tuned, [prompt], settings)[0] for prompt in PROMPTS]


def test_the_same_seed_repeats_and_another_does_not(pair: Pair) -> None:
    first = replies(pair.base, PROMPTS, LIVELY)
    assert replies(pair.base, PROMPTS, LIVELY) == first
    assert replies(pair.base, PROMPTS, LIVELY.model_copy(update={"seed": 8})) != first


def test_a_tiny_nucleus_is_greedy(pair: Pair) -> None:
    narrow = LIVELY.model_copy(update={"top_p": 1e-6})
    assert replies(pair.base, PROMPTS, narrow) == replies(pair.base, PROMPTS, GREEDY)


def test_a_reply_ends_with_an_end_token_and_the_others_go_on(pair: Pair) -> None:
    whole = replies(pair.base, PROMPTS, LIVELY)
    end = whole[0][5]
    cut = replies(pair.base, PROMPTS, LIVELY, stop=frozenset({end}))
    assert cut[0] == whole[0][: whole[0].index(end) + 1]
    assert all(end not in reply[:-1] for reply in cut)
    assert max(map(len, cut)) > len(cut[0])


def test_prompt_and_reply_never_fill_more_than_the_context(pair: Pair) -> None:
    made = replies(pair.base, PROMPTS, GREEDY, limit=12)
    assert [len(prompt) + len(reply) for prompt, reply in zip(PROMPTS, made, strict=True)] == [12, 12, 12]


def test_the_whole_context_of_the_model_can_be_used(pair: Pair) -> None:
    long = GREEDY.model_copy(update={"max_new_tokens": 1000})
    assert len(replies(pair.base, [[4] * 250], long, limit=pair.context_tokens)[0]) == 6


def test_a_prompt_without_room_gets_no_reply(pair: Pair) -> None:
    assert replies(pair.base, [[4] * 12, [4, 5]], GREEDY, limit=12)[0] == []


def test_a_row_that_fills_the_context_waits_for_the_shorter_ones(pair: Pair) -> None:
    prompts = [[7] * 250, [8] * 20]
    settings = GenerationConfig(temperature=0, max_new_tokens=30)
    made = list(decode(pair.tuned, prompts, settings, stop_ids=frozenset(), context_tokens=256))
    assert [sum(token is not None for token in row) for row in zip(*made, strict=True)] == [6, 30]
