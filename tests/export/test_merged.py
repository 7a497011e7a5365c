"""Adapter and whole model, loaded by plain peft and plain transformers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from chatgui.errors import ModelError, RunError
from chatgui.export.options import ExportConfig
from chatgui.runs.export import export_run
from chatgui.runs.store import Run

IDS = torch.tensor([[3, 40, 50, 60, 1, 4]])
Finished = Callable[..., Run]


def logits(model: Any) -> torch.Tensor:
    with torch.inference_mode():
        found: torch.Tensor = model.eval()(input_ids=IDS).logits
        return found


def answers_of_the_run(run: Run) -> torch.Tensor:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(run.config.model.name)
    return logits(PeftModel.from_pretrained(base, run.model_folder))


@pytest.mark.parametrize("shape", ["gpt2", "llama", "qwen2"])
def test_the_merged_folder_answers_like_base_and_adapter_in_plain_transformers(
    finished: Finished, tmp_path: Path, shape: str
) -> None:
    from transformers import AutoModelForCausalLM

    run = finished(shape)
    told = export_run(run, ExportConfig(format="merged"), tmp_path / "out")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    expected = answers_of_the_run(run)
    assert torch.allclose(logits(model), expected, atol=1e-4)
    assert not torch.allclose(logits(AutoModelForCausalLM.from_pretrained(run.config.model.name)), expected, atol=1e-1)
    assert 0 < told["largest_logit_difference"] < 1e-3


def test_the_exported_adapter_answers_the_same_in_plain_peft(finished: Finished, tmp_path: Path) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    run = finished("llama")
    export_run(run, ExportConfig(format="adapter"), tmp_path / "out")
    base = AutoModelForCausalLM.from_pretrained(run.config.model.name)
    assert torch.equal(logits(PeftModel.from_pretrained(base, tmp_path / "out")), answers_of_the_run(run))
    assert "generation %}" not in AutoTokenizer.from_pretrained(tmp_path / "out").chat_template


def test_the_merged_model_ends_its_replies_at_the_end_of_turn(finished: Finished, tmp_path: Path) -> None:
    from transformers import GenerationConfig

    export_run(finished("gpt2"), ExportConfig(format="merged"), tmp_path / "out")
    assert GenerationConfig.from_pretrained(tmp_path / "out").eos_token_id == [0, 1]  # end of text, end of turn


def test_half_precision_halves_the_weights(finished: Finished, tmp_path: Path) -> None:
    run = finished("llama")
    sizes = []
    for precision in ("float32", "float16"):
        export_run(run, ExportConfig(format="merged", precision=precision), tmp_path / precision)
        sizes.append((tmp_path / precision / "model.safetensors").stat().st_size)
    assert sizes[1] < 0.52 * sizes[0]


def test_a_large_model_is_written_in_several_files(finished: Finished, tmp_path: Path) -> None:
    export_run(finished("llama"), ExportConfig(format="merged", shard_gigabytes=0.0002), tmp_path / "out")
    assert len(list((tmp_path / "out").glob("model-*.safetensors"))) > 1
    assert (tmp_path / "out" / "model.safetensors.index.json").is_file()


def test_a_full_run_has_no_adapter_to_export(finished: Finished, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="has no adapter"):
        export_run(finished("gpt2", "full"), ExportConfig(format="adapter"), tmp_path / "out")
    assert not any(tmp_path.glob("*out*"))


def test_a_folder_in_use_is_left_alone(finished: Finished, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(RunError, match="not an empty folder"):
        export_run(finished("gpt2"), ExportConfig(), tmp_path / "out")
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["mine.txt"]
