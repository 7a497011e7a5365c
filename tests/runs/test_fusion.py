"""Adapters that become one, against peft's and our own readers."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from chatgui.cli import main
from chatgui.config import ModelConfig, RunConfig
from chatgui.errors import ChatGuiError, ModelError
from chatgui.export.options import FusionConfig
from chatgui.generation.pair import load_pair
from chatgui.runs.fusion import RECORD, Part, can_fuse, fuse
from chatgui.runs.notes import read_notes
from chatgui.runs.store import Run, create_run

IDS = torch.tensor([[5, 9, 13, 2, 40, 41]])


@pytest.fixture
def adapted(home: Path, tiny_model: Path) -> Callable[..., Run]:
    """A finished run whose adapter is drawn at random: no two are alike."""

    def make(seed: int = 1, rank: int = 4, base: Path = tiny_model, **more: Any) -> Run:
        from peft import LoraConfig, get_peft_model
        from transformers import AutoModelForCausalLM, AutoTokenizer

        values = {"model": {"name": str(base)}, "adapter": {"kind": "lora", "rank": rank}}
        run = create_run(home, RunConfig.model_validate(values), "finished")
        torch.manual_seed(seed)
        settings = {"task_type": "CAUSAL_LM", "target_modules": ["c_attn", "c_fc"], "fan_in_fan_out": True, **more}
        lora = LoraConfig(r=rank, lora_alpha=3 * rank, init_lora_weights=False, **settings)
        get_peft_model(AutoModelForCausalLM.from_pretrained(base), lora).save_pretrained(run.model_folder)
        AutoTokenizer.from_pretrained(base).save_pretrained(run.model_folder)
        return run

    return make


def logits(run: Run) -> tuple[torch.Tensor, torch.Tensor]:
    """Of the base and of the result, by plain peft."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(run.config.model.name).eval()
    with torch.inference_mode():
        before = base(IDS).logits
        return before, PeftModel.from_pretrained(base, run.model_folder).eval()(IDS).logits


def update(run: Run) -> dict[str, torch.Tensor]:
    """What the adapter adds to each weight, by layer."""
    pair = load_pair(run.config, run.model_folder)
    found = pair.tuned.loaded.updates(pair.tuned.name)
    return {layer: low.up @ low.down for layer, low in found.items()}


@pytest.mark.parametrize("stabilised", [False, True])
def test_one_adapter_with_weight_one_stays_what_it_is(
    stabilised: bool, home: Path, adapted: Callable[..., Run]
) -> None:
    run = adapted(use_rslora=stabilised)
    fused = fuse(home, [Part(run, 1.0)], FusionConfig())
    before, alone = logits(run)
    assert torch.allclose(logits(fused)[1], alone, atol=1e-4)
    assert not torch.allclose(before, alone, atol=1e-2)


def test_cat_adds_adapters_of_different_ranks_exactly(home: Path, adapted: Callable[..., Run]) -> None:
    one, two = adapted(1, rank=4, use_rslora=True), adapted(2, rank=6)
    fused = fuse(home, [Part(one, 0.75), Part(two, -0.5)], FusionConfig())
    first, second, both = update(one), update(two), update(fused)
    assert both.keys() == first.keys() == second.keys()
    for layer, delta in both.items():
        assert torch.allclose(delta, 0.75 * first[layer] - 0.5 * second[layer], atol=1e-5)
    assert fused.config.adapter.rank == 10  # type: ignore[union-attr]


def test_svd_of_full_rank_is_the_sum_and_of_a_low_rank_is_near_it(home: Path, adapted: Callable[..., Run]) -> None:
    one, two = adapted(1), adapted(2)
    parts = [Part(one, 0.5), Part(two, 0.5)]
    whole = update(fuse(home, parts, FusionConfig(combination="svd", rank=8)))
    low = update(fuse(home, parts, FusionConfig(combination="svd", rank=2)))
    first, second = update(one), update(two)
    for layer, delta in whole.items():
        expected = (first[layer] + second[layer]) / 2
        assert torch.allclose(delta, expected, atol=1e-4)
        _, sizes, _ = torch.linalg.svd(expected)
        missing = float((low[layer] - expected).norm())
        assert missing == pytest.approx(float(sizes[2:].norm()), rel=1e-3)  # Eckart and Young: no rank 2 is nearer


@pytest.mark.parametrize("combination", ["linear", "ties", "dare_linear", "dare_ties", "magnitude_prune"])
def test_the_other_ways_give_a_run_that_answers_and_repeats(
    combination: Any, home: Path, adapted: Callable[..., Run]
) -> None:
    parts = [Part(adapted(1), 0.5), Part(adapted(2), 0.5)]
    fused = [fuse(home, parts, FusionConfig(combination=combination)) for _ in range(2)]
    before, after = logits(fused[0])
    assert not torch.allclose(before, after, atol=1e-3)
    assert torch.equal(after, logits(fused[1])[1])


def test_a_fused_run_is_a_run_like_any_other(home: Path, adapted: Callable[..., Run]) -> None:
    one, two = adapted(1), adapted(2)
    fused = fuse(home, [Part(one, 0.25), Part(two, 0.75)], FusionConfig())
    assert (fused.state().state, fused.has_model, can_fuse(fused)) == ("finished", True, True)
    assert fused.config.model == one.config.model
    assert read_notes(fused).tags == ("fusion",)
    record = json.loads((fused.folder / "fusion.json").read_text(encoding="utf-8"))
    assert record["parts"] == [{"run": one.id, "weight": 0.25}, {"run": two.id, "weight": 0.75}]
    assert load_pair(fused.config, fused.model_folder).tuned.computed == "shared"


def test_what_cannot_be_combined_is_told_and_leaves_nothing(
    home: Path, tmp_path: Path, tiny_model: Path, adapted: Callable[..., Run]
) -> None:
    import shutil

    run, wide = adapted(1), adapted(2, rank=8)
    other = shutil.copytree(tiny_model, tmp_path / "other")
    cases: list[tuple[list[Run], dict[str, Any], str]] = [
        ([run, adapted(3, base=other)], {}, "one base only"),
        ([run, wide], {"combination": "ties"}, "these have 4, 8; choose cat or svd"),
        ([run, adapted(4, use_dora=True)], {}, "DoRA"),
        ([run, adapted(5, modules_to_save=["wte"])], {}, "head"),
        ([adapted(seed, rank=100) for seed in (6, 7, 8)], {}, "add up to 300, more than 256"),
        ([run, create_run(home, RunConfig(model=ModelConfig(name=str(tiny_model))))], {}, "has kept no result"),
        ([], {}, "Choose the runs"),
    ]  # fmt: skip
    before = sorted((home / "runs").iterdir())
    for runs, options, sentence in cases:
        with pytest.raises(ChatGuiError, match=sentence):
            fuse(home, [Part(each, 1.0) for each in runs], FusionConfig(**options))
    assert sorted((home / "runs").iterdir()) == before


def test_a_run_of_all_weights_is_told(home: Path, tiny_model: Path) -> None:
    import shutil

    run = create_run(home, RunConfig(model=ModelConfig(name=str(tiny_model))), "finished")
    shutil.copytree(tiny_model, run.model_folder)
    assert not can_fuse(run)
    with pytest.raises(ModelError, match="only LoRA adapters"):
        fuse(home, [Part(run, 1.0)], FusionConfig())


def test_the_command_combines_with_weights(
    home: Path, adapted: Callable[..., Run], capsys: pytest.CaptureFixture[str]
) -> None:
    one, two = adapted(1), adapted(2)
    assert main(["fuse", f"{one.id}=0.3", f"{two.id}=0.7", "--combination", "svd", "--rank", "3", "--json"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert row["parts"] == {one.id: 0.3, two.id: 0.7}
    assert Run(home / "runs" / row["run"]).config.adapter.rank == 3  # type: ignore[union-attr]
    assert main(["fuse", f"{one.id}=much"]) == 2
    assert "no weight" in capsys.readouterr().err


def test_a_fusion_counts_the_test_rows_that_another_part_was_trained_on(
    home: Path, adapted: Callable[..., Run]
) -> None:
    first, second = adapted(1), adapted(2)
    (first.folder / "splits.json").write_text(json.dumps({"train": ["a", "b"], "test": ["c", "d", "e"]}))
    (second.folder / "splits.json").write_text(json.dumps({"train": ["b", "c", "e"], "test": ["a"]}))
    record = json.loads((fuse(home, [Part(first, 1), Part(second, 1)], FusionConfig()).folder / RECORD).read_text())
    assert (record["test_rows"], record["test_rows_seen"]) == (3, 2)
    (second.folder / "splits.json").unlink()
    record = json.loads((fuse(home, [Part(first, 1), Part(second, 1)], FusionConfig()).folder / RECORD).read_text())
    assert "test_rows" not in record
