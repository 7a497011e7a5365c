import json
import shutil
from pathlib import Path

import pytest
import torch

from chatgui import models
from chatgui.adapters.lora import Lora
from chatgui.config import ModelConfig
from chatgui.errors import ModelError

CPU = torch.device("cpu")


def refusal(name: str | Path) -> str:
    with pytest.raises(ModelError) as caught:
        models.load_model(ModelConfig(name=str(name)), "AutoModelForCausalLM", CPU, torch.float32)
    return str(caught.value)


def test_a_model_is_loaded_ready_to_answer(tiny_model: Path) -> None:
    model = models.load_model(ModelConfig(name=str(tiny_model)), "AutoModelForCausalLM", CPU, torch.float32)
    assert (model.training, next(model.parameters()).dtype) == (False, torch.float32)


def test_random_weights_keep_the_shape_only(tiny_model: Path) -> None:
    config = ModelConfig(name=str(tiny_model))
    trained = models.load_model(config, "AutoModelForCausalLM", CPU, torch.float32)
    torch.manual_seed(1)
    random = models.load_model(
        config.model_copy(update={"random_weights": True}), "AutoModelForCausalLM", CPU, torch.float32
    )
    assert models.weights_fingerprint(trained) != models.weights_fingerprint(random)
    assert sum(weight.numel() for weight in trained.parameters()) == sum(w.numel() for w in random.parameters())


@pytest.mark.parametrize("name", ["./nowhere", "/nowhere/at/all", "a/b/c", " "])
def test_a_path_without_a_model_is_told_with_what_can_be_given(name: str) -> None:
    assert "was not found; use starter, a folder" in refusal(name)


def test_a_folder_without_a_model_is_told(tmp_path: Path) -> None:
    assert "there is no config.json in this folder" in refusal(tmp_path)


def test_a_model_of_the_hub_without_a_network_is_one_sentence() -> None:
    assert refusal("chatgui-tests/no-such-model").startswith("model chatgui-tests/no-such-model cannot be loaded:")


def test_weights_that_could_run_code_are_not_read(tiny_model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pickled"
    shutil.copytree(tiny_model, folder)
    (folder / "model.safetensors").unlink()
    torch.save({}, folder / "pytorch_model.bin")
    assert "cannot be loaded" in refusal(folder)


def test_the_length_limit_is_the_models_own(tiny_model: Path) -> None:
    assert models.context_tokens(ModelConfig(name=str(tiny_model))) == 256


def test_a_model_without_a_limit_gets_a_modest_one(tiny_model: Path, tmp_path: Path) -> None:
    values = json.loads((tiny_model / "config.json").read_text(encoding="utf-8"))
    (tmp_path / "config.json").write_text(json.dumps({**values, "n_positions": 1_000_000}), encoding="utf-8")
    assert models.default_length_tokens(ModelConfig(name=str(tmp_path))) == 2048


def test_weights_are_counted_without_loading_them(tiny_model: Path) -> None:
    model = models.load_model(ModelConfig(name=str(tiny_model)), "AutoModelForCausalLM", CPU, torch.float32)
    assert models.parameter_count(str(tiny_model)) == sum(weight.numel() for weight in model.parameters())


def test_a_reply_may_end_by_turn_or_by_text(tiny_model: Path) -> None:
    config = ModelConfig(name=str(tiny_model))
    template = models.load_template(config)
    ids = models.stop_ids(models.load_model(config, "AutoModelForCausalLM", CPU, torch.float32), template)
    assert {template.tokenizer.decode([id_]) for id_ in ids} == {"<|end|>", "<|endoftext|>"}


def test_a_real_model_loads_and_is_plain(shared: Path) -> None:
    name = str(shared / "models" / "tinyllama-stories-260k")
    assert models.load_template(ModelConfig(name=name)).is_plain
    model = models.load_model(ModelConfig(name=name), "AutoModelForCausalLM", CPU, torch.float32)
    assert models.parameter_count(name) == sum(weight.numel() for weight in model.parameters())


@pytest.fixture
def adapter_folder(tiny_model: Path, tmp_path: Path) -> Path:
    """The result of a run: an adapter that has learnt something, with its tokenizer."""
    model = Lora(rank=4).attach(
        models.load_model(ModelConfig(name=str(tiny_model)), "AutoModelForCausalLM", CPU, torch.float32), 10
    )
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.1)
    model.save_pretrained(tmp_path / "model")
    models.load_template(ModelConfig(name=str(tiny_model))).tokenizer.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def test_the_result_of_a_run_is_a_model_to_start_from(tiny_model: Path, adapter_folder: Path) -> None:
    base = models.load_model(ModelConfig(name=str(tiny_model)), "AutoModelForCausalLM", CPU, torch.float32)
    ids = torch.tensor([[5, 6, 7]])
    plain = base(input_ids=ids).logits
    config = ModelConfig(name=str(adapter_folder))
    merged = models.load_model(config, "AutoModelForCausalLM", CPU, torch.float32)
    adapted = models.attach_saved(base, adapter_folder)(input_ids=ids).logits
    assert torch.allclose(merged(input_ids=ids).logits, adapted, atol=1e-5)
    assert not torch.allclose(adapted, plain, atol=1e-3)
    assert models.context_tokens(config) == 256
    assert models.parameter_count(str(adapter_folder)) == models.parameter_count(str(tiny_model))


def test_an_adapter_that_does_not_name_its_base_is_refused(adapter_folder: Path) -> None:
    (adapter_folder / "adapter_config.json").write_text("{}")
    with pytest.raises(ModelError, match="which model"):
        models.context_tokens(ModelConfig(name=str(adapter_folder)))
