"""Greedy replies are, token by token, what plain transformers and peft generate from the same ids in float32."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest
import torch

from chatgui import models
from chatgui.adapters import Adapter
from chatgui.config import GenerationConfig
from chatgui.generation.pair import Pair, checkpoint_result, load_pair
from tests.generation.conftest import FAMILIES, ask_all, config_of

GREEDY = GenerationConfig(temperature=0, max_new_tokens=24)
FIRST = [4, 70, 71, 72, 73, 2, 9]
SHARED = [4, *range(60, 90), 2, *range(100, 130), 3, 9]
"""A prompt as a second turn has it, longer than the window of the family that has one."""
CAUSAL = [kind for kind in get_args(get_args(Adapter)[0]) if not getattr(kind, "NEEDS_GPU", False)]
VARIANTS: dict[str, dict[str, Any]] = {
    "rank_stabilised": {"use_rslora": True},
    "attention_only": {"target_modules": ["c_attn", "q_proj", "v_proj"]},
    "ranks": {"rank_pattern": {r".*0\..*": 2}, "alpha_pattern": {r".*1\..*": 8}},
    "dora": {"use_dora": True},
    "pissa": {"init_lora_weights": "pissa"},
    "embeddings": {"modules_to_save": ["lm_head"]},
}


def plain_reply(model: Any, prompt: list[int]) -> list[int]:
    """What transformers' own `generate` gives."""
    ids = torch.tensor([prompt])
    out = model.generate(
        input_ids=ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=24, pad_token_id=0,
        eos_token_id=None,
    )  # fmt: skip
    return out[0, len(prompt) :].tolist()


def must_be_plain(pair: Pair, plain_base: Any, plain_tuned: Any) -> None:
    """Four replies at once, two prompts and two voices, against each alone in transformers."""
    asked = [(voice, prompt, GREEDY) for voice in (pair.base, pair.tuned) for prompt in (FIRST, SHARED)]
    made = ask_all(pair.engine, asked)
    expected = [plain_reply(model, prompt) for model in (plain_base, plain_tuned) for prompt in (FIRST, SHARED)]
    assert made == expected
    assert made[:2] != made[2:], "an adapter that changes nothing proves nothing"


def load_plain(folder: Path) -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder).eval()


@pytest.mark.parametrize("name", [*FAMILIES, "gptj", "mamba"])
def test_every_family_of_models(name: str, family: Callable[[str], Path], save_adapter: Callable[..., Path]) -> None:
    from peft import PeftModel

    base = family(name)
    targets = {"target_modules": ["in_proj", "x_proj"]} if name == "mamba" else {}
    folder = save_adapter(base, zero=False, **targets)
    pair = load_pair(config_of(base), folder)
    must_be_plain(pair, load_plain(base), PeftModel.from_pretrained(load_plain(base), folder).eval())
    assert pair.base.loaded.way.name == ("together" if name in FAMILIES else "one by one")


@pytest.mark.filterwarnings("ignore:Model has `tie_word_embeddings=True`")  # peft, of the variant that it is about
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("name", ["gpt2", "qwen2"])
def test_every_form_of_lora(
    variant: str, name: str, family: Callable[[str], Path], save_adapter: Callable[..., Path]
) -> None:
    from peft import PeftModel

    base = family(name)
    folder = save_adapter(base, **{"zero": False, **VARIANTS[variant]})
    if variant in ("pissa", "embeddings"):  # these begin at the base; move them away from it
        shake(folder / "adapter_model.safetensors")
    pair = load_pair(config_of(base), folder)
    must_be_plain(pair, load_plain(base), PeftModel.from_pretrained(load_plain(base), folder).eval())
    shared = variant in ("rank_stabilised", "attention_only", "ranks")
    assert pair.tuned.computed == ("shared" if shared else "switched")


def shake(file: Path) -> None:
    """Random numbers on top of saved weights."""
    from safetensors.torch import load_file, save_file

    torch.manual_seed(2)
    weights = load_file(file)
    save_file({key: value + 0.3 * torch.randn_like(value) for key, value in weights.items()}, file, {"format": "pt"})


@pytest.mark.parametrize("kind", CAUSAL, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("name", ["gpt2", "llama", "qwen2"])
def test_every_kind_of_adapter(kind: Any, name: str, family: Callable[[str], Path], tmp_path: Path) -> None:
    from safetensors.torch import save_file
    from transformers import AutoTokenizer

    base, folder = family(name), tmp_path / "result"
    torch.manual_seed(3)
    trained = kind().attach(load_plain(base), 10)
    with torch.no_grad():
        for weight in trained.parameters():
            if weight.requires_grad:
                weight += 0.5 * torch.randn_like(weight)
    trained.save_pretrained(folder)
    AutoTokenizer.from_pretrained(base).save_pretrained(folder)
    config = config_of(base).model_copy(update={"adapter": kind()})
    tuned = models.attach_saved(load_plain(base), folder) if models.is_adapter(folder) else load_plain(folder)
    pair = load_pair(config, folder)
    must_be_plain(pair, load_plain(base), tuned)
    checkpoint = tmp_path / "step-000010"
    checkpoint.mkdir()
    weights = {name: weight for name, weight in trained.named_parameters() if weight.requires_grad}
    plain = {name: weight.detach().contiguous() for name, weight in weights.items()}
    save_file(plain, checkpoint / "weights.safetensors")
    with checkpoint_result(config, checkpoint, pair.template, 10) as result:
        assert load_pair(config, result).tuned.weights == pair.tuned.weights
