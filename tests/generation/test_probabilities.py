import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from chatgui.config import GenerationConfig
from chatgui.generation.pair import Pair, load_pair
from chatgui.generation.probabilities import score_reply, speak_alike
from tests.generation.conftest import ask_all, config_of

PROMPT = [4, 70, 71, 72]


def test_scores_are_the_probabilities_the_engine_drew_from(pair: Pair) -> None:
    settings = GenerationConfig(temperature=0, max_new_tokens=12)
    for voice in (pair.base, pair.tuned):
        (stream,) = pair.engine.ask(voice.request(PROMPT, settings, top_logprobs=1))
        made = list(stream)
        scores = score_reply(voice, PROMPT, [token.id for token in made])
        assert [score.logprob for score in scores] == pytest.approx([token.logprob for token in made], abs=1e-4)
        assert {score.rank for score in scores} == {1}
        assert [score.likeliest for score in scores] == [token.id for token in made]


def test_one_sides_reply_is_less_likely_under_the_other(pair: Pair) -> None:
    reply = ask_all(pair.engine, [(pair.tuned, PROMPT, GenerationConfig(temperature=0, max_new_tokens=12))])[0]
    own, other = (score_reply(voice, PROMPT, reply) for voice in (pair.tuned, pair.base))
    assert sum(score.logprob for score in own) > sum(score.logprob for score in other)
    assert any(score.rank > 1 for score in other)


def test_tokens_that_an_adapter_puts_in_front_are_not_counted(family: Callable[[str], Path], tmp_path: Path) -> None:
    from peft import PromptTuningConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    base = family("llama")
    model = get_peft_model(
        AutoModelForCausalLM.from_pretrained(base), PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=4)
    )
    model.save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(base).save_pretrained(tmp_path)
    scores = score_reply(load_pair(config_of(base), tmp_path).tuned, PROMPT, [80, 81])
    with torch.no_grad():
        logits = model.eval()(input_ids=torch.tensor([[*PROMPT, 80]])).logits[0, -2:].log_softmax(-1)
    assert [score.logprob for score in scores] == pytest.approx([logits[0, 80].item(), logits[1, 81].item()], abs=1e-4)


def test_nothing_said_has_no_scores(pair: Pair) -> None:
    assert score_reply(pair.base, PROMPT, []) == []


def test_models_of_one_tokenizer_speak_alike(pair: Pair) -> None:
    assert speak_alike(pair.base, pair.tuned)
    assert math.isfinite(score_reply(pair.base, PROMPT, [80])[0].logprob)
