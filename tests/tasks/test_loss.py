from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from chatgui.tasks import loss
from chatgui.tasks.causal import CausalTask
from chatgui.tokens.batches import Batch, collate
from chatgui.tokens.example import IGNORE_INDEX, Example


@pytest.fixture
def gpt2(tiny_model: Path) -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(tiny_model, use_safetensors=True)


@pytest.fixture(scope="module")
def batch() -> Batch:
    generator = torch.Generator().manual_seed(5)
    examples = []
    for length in (30, 17, 9):
        ids = torch.randint(0, 200, (length,), generator=generator).tolist()
        labels = [token if place % 3 else IGNORE_INDEX for place, token in enumerate(ids)]
        examples.append(Example(tuple(ids), tuple(labels)))
    return collate(examples)


def test_the_loss_is_that_of_transformers_summed(gpt2: Any, batch: Batch) -> None:
    mask = torch.arange(30) < torch.tensor([[30], [17], [9]])
    mean = gpt2(input_ids=batch.input_ids, attention_mask=mask.long(), labels=batch.labels).loss
    assert torch.allclose(loss.token_loss(gpt2, batch), mean * batch.supervised, rtol=1e-5)


def test_the_loss_in_chunks_is_the_whole_loss_with_the_same_gradients(
    gpt2: Any, batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    def loss_and_gradients() -> tuple[float, dict[str, torch.Tensor]]:
        gpt2.zero_grad()
        total = loss.token_loss(gpt2, batch)
        total.backward()
        return total.item(), {name: weight.grad.clone() for name, weight in gpt2.named_parameters()}

    whole, whole_gradients = loss_and_gradients()
    monkeypatch.setattr(loss, "CHUNK_BYTES", 5 * 4 * 262)  # five rows of logits
    chunked, chunked_gradients = loss_and_gradients()
    assert chunked == pytest.approx(whole, rel=1e-6)
    for name, gradient in whole_gradients.items():
        assert torch.allclose(chunked_gradients[name], gradient, atol=1e-5), name


def test_the_output_layer_of_gpt2_is_plain(gpt2: Any) -> None:
    assert loss.head_of(gpt2) == loss.Head()
    assert not gpt2.training


def granite(scaling: float) -> Any:
    from transformers import GraniteConfig, GraniteForCausalLM

    shape = GraniteConfig(
        vocab_size=262, hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=2, max_position_embeddings=64, logits_scaling=scaling, pad_token_id=0,
        initializer_range=0.3,
    )  # fmt: skip
    return GraniteForCausalLM(shape)


def gemma2(cap: float) -> Any:
    from transformers import Gemma2Config, Gemma2ForCausalLM

    shape = Gemma2Config(
        vocab_size=262, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, head_dim=16, max_position_embeddings=64, final_logit_softcapping=cap, pad_token_id=0,
        initializer_range=0.3, attn_logit_softcapping=None,
    )  # fmt: skip
    return Gemma2ForCausalLM(shape)


def qwen2() -> Any:
    from transformers import Qwen2Config, Qwen2ForCausalLM

    shape = Qwen2Config(
        vocab_size=262, hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=1, max_position_embeddings=64, tie_word_embeddings=False,
    )  # fmt: skip
    return Qwen2ForCausalLM(shape)


def phi() -> Any:
    from transformers import PhiConfig, PhiForCausalLM

    shape = PhiConfig(
        vocab_size=262, hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2,
        max_position_embeddings=64, resid_pdrop=0.0, embd_pdrop=0.0,
    )  # fmt: skip
    return PhiForCausalLM(shape)


HEADS = [
    pytest.param(lambda: granite(8.0), loss.Head(scale=1 / 8), id="scaled"),
    pytest.param(lambda: gemma2(3.0), loss.Head(cap=3.0), id="capped"),
    pytest.param(qwen2, loss.Head(), id="untied"),
    pytest.param(phi, loss.Head(), id="with a bias"),
]


@pytest.mark.parametrize(("make", "head"), HEADS)
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_loss_and_gradients_are_those_of_whole_logits(
    make: Callable[[], Any], head: loss.Head, smoothing: float, batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    model = make().eval()
    found = loss.head_of(model)
    assert found is not None
    assert found.scale == pytest.approx(head.scale, rel=1e-3)
    assert found.cap == head.cap
    monkeypatch.setattr(loss, "CHUNK_BYTES", 7 * 4 * 262)  # seven rows of logits
    total = loss.token_loss(model, replace(batch, label_smoothing=smoothing))
    total.backward()
    gradients = {name: weight.grad.clone() for name, weight in model.named_parameters()}
    model.zero_grad()
    logits = model(input_ids=batch.input_ids).logits[:, :-1].flatten(0, 1)
    whole = torch.nn.functional.cross_entropy(
        logits, batch.labels[:, 1:].flatten(), reduction="sum", label_smoothing=smoothing
    )
    whole.backward()
    assert total.item() == pytest.approx(whole.item(), rel=1e-5)
    for name, weight in model.named_parameters():
        difference = (gradients[name] - weight.grad).norm() / weight.grad.norm().clamp_min(1e-6)
        assert difference < 1e-5, name


def test_a_frozen_output_layer_gets_no_gradient(batch: Batch) -> None:
    torch.manual_seed(0)
    model = qwen2()
    model.lm_head.requires_grad_(False)
    loss.token_loss(model, batch).backward()
    assert model.lm_head.weight.grad is None
    assert model.model.norm.weight.grad is not None


def test_a_label_the_model_holds_impossible_has_a_finite_loss(gpt2: Any, batch: Batch) -> None:
    with torch.no_grad():
        gpt2.transformer.ln_f.weight.mul_(1000)  # logits so far apart that most softmax values are zero
        logits = gpt2(input_ids=batch.input_ids).logits[:, :-1].flatten(0, 1)
        whole = torch.nn.functional.cross_entropy(logits, batch.labels[:, 1:].flatten(), reduction="sum")
        assert loss.token_loss(gpt2, batch).item() == pytest.approx(whole.item(), rel=1e-5)


def test_a_head_nobody_understands_is_asked_for_its_logits(gpt2: Any, batch: Batch) -> None:
    class Bent(torch.nn.Linear):
        def forward(self, hidden: torch.Tensor) -> torch.Tensor:
            return super().forward(hidden).square()

    bent = Bent(32, 262, bias=False)
    gpt2.lm_head.forward = bent.forward
    logits = gpt2(input_ids=batch.input_ids).logits[:, :-1].flatten(0, 1)
    whole = torch.nn.functional.cross_entropy(logits, batch.labels[:, 1:].flatten(), reduction="sum")
    assert loss.token_loss(gpt2, batch).item() == pytest.approx(whole.item(), rel=1e-5)


def test_perplexity_is_the_exponential_of_the_loss_and_never_overflows() -> None:
    assert CausalTask().metrics(0.0) == {"perplexity": 1.0}
    assert CausalTask().metrics(1e6)["perplexity"] < float("inf")
