"""Adapters of our own where they meet the rest: batches, decoding, labels, peft's files."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from chatgui.adapters.bottleneck import Bottleneck
from chatgui.adapters.modules import Attached
from chatgui.adapters.prefix import Prefix
from chatgui.adapters.prompt import Prompt
from chatgui.attention import packs
from chatgui.config import GenerationConfig, ModelConfig, RunConfig
from chatgui.data.load import DataConfig
from chatgui.generation.engine import Engine, Request
from chatgui.generation.loaded import ADAPTER, Loaded
from chatgui.generation.pair import load_pair
from chatgui.models import attach_saved
from chatgui.prepare import length_limit
from chatgui.tasks.chat import Chat
from chatgui.tasks.loss import token_loss
from chatgui.tokens.batches import collate
from chatgui.tokens.example import IGNORE_INDEX, Example

Load = Callable[..., Any]
VIRTUAL = pytest.mark.parametrize("adapter", [Prompt(length=4), Prefix(length=4)], ids=["prompt", "prefix"])
OWN = pytest.mark.parametrize(
    "adapter", [Prompt(length=4), Prefix(length=4), Bottleneck(width=4)], ids=["prompt", "prefix", "bottleneck"]
)
every_shape = pytest.mark.parametrize("shape", ["gpt2", "llama", "qwen2"])
SHORT, LONG = [20, 30, 40], [21, 31, 41, 51, 61, 71, 81]


def moved(model: Attached) -> Attached:
    """Its trained weights elsewhere than at the start, so that every part speaks."""
    torch.manual_seed(1)
    with torch.no_grad():
        for weight in model.parts().values():
            weight.add_(torch.randn_like(weight) * 0.3)
    return model.eval()


def example(ids: list[int]) -> Example:
    return Example(tuple(ids), (IGNORE_INDEX, *ids[1:]))


@every_shape
@OWN
def test_a_padded_batch_has_the_loss_of_its_examples_alone(load: Load, shape: str, adapter: Any) -> None:
    model = moved(adapter.attach(load(shape), 1))
    with torch.no_grad():
        alone = sum(token_loss(model, collate([example(ids)])) for ids in (SHORT, LONG))
        together = token_loss(model, collate([example(SHORT), example(LONG)]))
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-4)


@every_shape
@OWN
def test_the_loss_is_that_of_the_whole_models_logits(load: Load, shape: str, adapter: Any) -> None:
    model = moved(adapter.attach(load(shape), 1))
    ids = torch.tensor([LONG])
    with torch.no_grad():
        logits = model(input_ids=ids).logits
        assert logits.shape == (1, len(LONG), 96)
        expected = torch.nn.functional.cross_entropy(logits[0, :-1], ids[0, 1:], reduction="sum")
        torch.testing.assert_close(token_loss(model, collate([example(LONG)])), expected, rtol=1e-5, atol=1e-4)


@every_shape
@OWN
def test_replies_made_together_with_a_cache_are_those_drawn_alone_without(load: Load, shape: str, adapter: Any) -> None:
    model = moved(adapter.attach(load(shape), 1))
    loaded = Loaded(model, "", switched=True)
    settings = GenerationConfig(temperature=0, max_new_tokens=5)

    def greedy(prompt: list[int]) -> list[int]:
        ids = list(prompt)
        for _ in range(5):
            with torch.no_grad():
                ids.append(int(model(input_ids=torch.tensor([ids])).logits[0, -1].argmax()))
        return ids[len(prompt) :]

    asked = [Request(loaded, ADAPTER, tuple(prompt), settings, frozenset(), 60) for prompt in (SHORT, LONG)]
    made = [[token.id for token in stream] for stream in Engine().ask(*asked)]
    assert made == [greedy(SHORT), greedy(LONG)]


@pytest.mark.parametrize("shape", ["gpt2", "llama", "qwen2"])
@VIRTUAL
def test_peft_reads_what_was_saved(load: Load, shape: str, adapter: Any, tmp_path: Path) -> None:
    from peft import PeftModel

    model = moved(adapter.attach(load(shape), 1))
    model.save_pretrained(tmp_path)
    theirs = PeftModel.from_pretrained(load(shape), str(tmp_path)).eval()
    ids = torch.tensor([LONG])
    with torch.no_grad():
        expected = theirs(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[:, -len(LONG) :]
        torch.testing.assert_close(model(input_ids=ids).logits, expected, rtol=1e-4, atol=1e-4)


@OWN
def test_weights_for_another_shape_are_refused_with_the_folder(load: Load, adapter: Any, tmp_path: Path) -> None:
    adapter.attach(load("llama"), 1).save_pretrained(tmp_path)
    other = Bottleneck(width=4) if adapter.kind != "bottleneck" else Prompt(length=4)
    other.attach(load("llama"), 1).save_pretrained(tmp_path / "other")
    (tmp_path / "other" / "adapter_model.safetensors").replace(tmp_path / "adapter_model.safetensors")
    with pytest.raises(OSError, match="another model"):
        attach_saved(load("llama"), tmp_path)


@OWN
def test_virtual_tokens_alone_forbid_packing(load: Load, adapter: Any) -> None:
    assert packs(adapter.attach(load("llama"), 1), Chat()) == (adapter.virtual_tokens == 0)


@VIRTUAL
def test_learnt_places_leave_room_for_themselves(tiny_model: Path, adapter: Any) -> None:
    config = RunConfig(model=ModelConfig(name=str(tiny_model)), adapter=adapter)
    assert length_limit(config) == 256 - 4


@OWN
def test_a_pair_switches_between_base_and_adapter(
    tiny_model: Path, conversations: Path, adapter: Any, tmp_path: Path
) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    base = AutoModelForCausalLM.from_pretrained(tiny_model).eval()
    tuned = moved(adapter.attach(AutoModelForCausalLM.from_pretrained(tiny_model), 1))
    tuned.save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(tiny_model).save_pretrained(tmp_path)
    config = RunConfig(
        model=ModelConfig(name=str(tiny_model)), data=DataConfig(source=str(conversations)), adapter=adapter
    )
    pair = load_pair(config, tmp_path)
    ids = torch.tensor([SHORT])
    with torch.no_grad():
        for voice, model in ((pair.base, base), (pair.tuned, tuned), (pair.base, base)):
            with voice.active():
                torch.testing.assert_close(voice.model(input_ids=ids).logits, model(input_ids=ids).logits)
    assert pair.context_tokens == 256 - adapter.virtual_tokens


@pytest.mark.parametrize("adapter", [Bottleneck(), Prefix(), Prompt()], ids=lambda adapter: adapter.kind)
def test_switched_off_within_being_switched_off_stays_off(load: Load, adapter: Any) -> None:
    model = adapter.attach(load("gpt2"), 10)
    with model.disable_adapter():
        with model.disable_adapter():
            assert not model.on
        assert not model.on
    assert model.on
