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
    assert loss.has_plain_output(gpt2)
    assert not gpt2.training


def test_a_model_that_scales_its_logits_is_asked_for_them_whole(batch: Batch) -> None:
    from transformers import GraniteConfig, GraniteForCausalLM

    torch.manual_seed(0)
    shape = GraniteConfig(
        vocab_size=262, hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=2, max_position_embeddings=64, logits_scaling=8.0, pad_token_id=0,
    )  # fmt: skip
    granite = GraniteForCausalLM(shape).eval()
    assert not loss.has_plain_output(granite)
    mean = granite(input_ids=batch.input_ids, labels=batch.labels).loss
    assert torch.allclose(loss.token_loss(granite, batch), mean * batch.supervised, rtol=1e-5)


def test_perplexity_is_the_exponential_of_the_loss_and_never_overflows() -> None:
    assert CausalTask().metrics(0.0) == {"perplexity": 1.0}
    assert CausalTask().metrics(1e6)["perplexity"] < float("inf")
