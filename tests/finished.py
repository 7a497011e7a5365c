"""A finished run without the training: an adapter of random numbers, large enough to change every answer."""

from pathlib import Path

from chatgui.adapters.lora import Lora
from chatgui.config import ModelConfig, RunConfig
from chatgui.data.load import DataConfig
from chatgui.runs.store import Run, create_run


def save_random_adapter(model: Path, folder: Path) -> Path:
    """For the tiny GPT-2 in `model`; tokenizer and template go with it."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.manual_seed(1)
    lora = LoraConfig(
        task_type="CAUSAL_LM", r=4, lora_alpha=32, target_modules="all-linear", init_lora_weights=False,
        fan_in_fan_out=True,
    )  # fmt: skip
    get_peft_model(AutoModelForCausalLM.from_pretrained(model), lora).save_pretrained(folder)
    AutoTokenizer.from_pretrained(model).save_pretrained(folder)
    return folder


def finished_run(home: Path, model: Path, data: Path) -> Run:
    """In a home, with 40 % of its data for the test split."""
    config = RunConfig(
        model=ModelConfig(name=str(model)), data=DataConfig(source=str(data), test_fraction=0.4), adapter=Lora(rank=4)
    )
    run = create_run(home, config, "finished")
    save_random_adapter(model, run.model_folder)
    return run
