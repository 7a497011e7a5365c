"""Sequences laid end to end learn what they learn alone."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from chatgui.adapters.full import Full
from chatgui.adapters.lora import Lora
from chatgui.attention import can_pack, packed_attention
from chatgui.tasks.loss import token_loss
from chatgui.tokens.batches import collate
from chatgui.tokens.example import IGNORE_INDEX, Example

SIZES = {"vocab_size": 99, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}


def gpt2() -> Any:
    from transformers import GPT2Config, GPT2LMHeadModel

    shape = GPT2Config(
        vocab_size=99, n_embd=32, n_layer=2, n_head=4, n_positions=64, resid_pdrop=0, embd_pdrop=0, attn_pdrop=0
    )
    return GPT2LMHeadModel(shape)


def llama() -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    return LlamaForCausalLM(LlamaConfig(**SIZES, intermediate_size=64, tie_word_embeddings=True))


def qwen2() -> Any:
    from transformers import Qwen2Config, Qwen2ForCausalLM

    return Qwen2ForCausalLM(Qwen2Config(**SIZES, num_key_value_heads=2, intermediate_size=64))


def windowed() -> Any:
    from transformers import MistralConfig, MistralForCausalLM

    return MistralForCausalLM(
        MistralConfig(**SIZES, num_key_value_heads=2, intermediate_size=64, sliding_window=7, head_dim=8)
    )


def bloom() -> Any:
    from transformers import BloomConfig, BloomForCausalLM

    return BloomForCausalLM(BloomConfig(vocab_size=99, hidden_size=32, n_layer=2, n_head=4))


def mamba() -> Any:
    from transformers import MambaConfig, MambaForCausalLM

    return MambaForCausalLM(MambaConfig(vocab_size=99, hidden_size=32, num_hidden_layers=2, state_size=4))


def some_examples() -> list[Example]:
    generator = torch.Generator().manual_seed(3)
    made = []
    for length in (23, 11, 17, 2):
        ids = tuple(torch.randint(1, 99, (length,), generator=generator).tolist())
        made.append(Example(ids, (*(IGNORE_INDEX,) * (length // 3), *ids[length // 3 :])))
    return made


def gradients(model: Any, *, packed: bool) -> tuple[float, dict[str, torch.Tensor]]:
    model.zero_grad()
    batch = collate(some_examples(), packed=packed)
    if packed:
        with packed_attention(model):
            loss = token_loss(model, batch)
            loss.backward()
    else:
        loss = token_loss(model, batch)
        loss.backward()
    return loss.item(), {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.requires_grad}


@pytest.mark.parametrize("adapter", [Full(), Lora(rank=4)], ids=["full", "lora"])
@pytest.mark.parametrize("make", [gpt2, llama, qwen2, windowed])
def test_packed_and_padded_gradients_agree(make: Callable[[], Any], adapter: Any) -> None:
    torch.manual_seed(0)
    model = adapter.attach(make(), 10).train()
    for name, weight in model.named_parameters():
        if "lora_B" in name:  # zero at first, which would hide what flows through it
            torch.nn.init.normal_(weight, std=0.1)
    assert can_pack(model)
    packed_loss, packed_gradients = gradients(model, packed=True)
    padded_loss, padded_gradients = gradients(model, packed=False)
    assert packed_loss == pytest.approx(padded_loss, rel=1e-6)
    for name, gradient in padded_gradients.items():
        assert (packed_gradients[name] - gradient).norm() <= 1e-5 * gradient.norm() + 1e-9, name


@pytest.mark.parametrize("make", [bloom, mamba])
@pytest.mark.filterwarnings("ignore")  # mamba tells of kernels it does without
def test_a_model_that_cannot_keep_sequences_apart_is_found_out(make: Callable[[], Any]) -> None:
    torch.manual_seed(0)
    assert not can_pack(make().eval())


def test_a_prompt_before_the_row_belongs_to_one_sequence_only() -> None:
    from peft import PromptTuningConfig, TaskType, get_peft_model

    torch.manual_seed(0)
    config = PromptTuningConfig(task_type=TaskType.CAUSAL_LM, num_virtual_tokens=3)
    assert not can_pack(get_peft_model(gpt2(), config))


def test_the_models_own_attention_is_back_afterwards() -> None:
    model = llama()
    before = model.config._attn_implementation
    with pytest.raises(ZeroDivisionError), packed_attention(model):
        assert model.config._attn_implementation != before
        raise ZeroDivisionError
    assert model.config._attn_implementation == before


def test_no_sequence_sees_another() -> None:
    torch.manual_seed(0)
    model = llama().eval()
    batch = collate(some_examples(), packed=True)
    with torch.no_grad(), packed_attention(model):
        before = model.get_decoder()(**batch.inputs()).last_hidden_state
        batch.input_ids[0, :23] = 5  # another first sequence
        after = model.get_decoder()(**batch.inputs()).last_hidden_state
    assert torch.equal(before[:, 23:], after[:, 23:])
    assert not torch.equal(before[:, :23], after[:, :23])
