from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from chatgui.adapters.lora import Lora
from chatgui.data.load import DataConfig, load
from chatgui.evaluation.probes import (
    ProbeAnswer,
    Probes,
    ProbesConfig,
    append_answers,
    probe_prompts,
    read_answers,
)
from chatgui.tokens.template import Template
from tests.conftest import TEMPLATE, make_tokenizer

PROMPTS = [[{"role": "user", "content": text}] for text in ("Hello?", "退货要多久，可以告诉我吗？")]


def answer(step: int, index: int = 0, text: str = "a") -> ProbeAnswer:
    return ProbeAnswer(step, index, PROMPTS[0], text, 3, True)


@pytest.fixture
def probes() -> Probes:
    return Probes(PROMPTS, Template(make_tokenizer(TEMPLATE)), 256, 12)


def test_written_prompts_go_before_those_of_the_data(conversations: Path) -> None:
    rows = load(DataConfig(source=str(conversations))).rows
    written = probe_prompts(ProbesConfig(prompts="one; two；三；"), rows)
    assert [prompt[-1]["content"] for prompt in written] == ["one", "two", "三"]
    found = probe_prompts(ProbesConfig(count=2), rows)
    assert len(found) == 2
    assert {prompt[-1]["role"] for prompt in found} == {"user"}
    assert probe_prompts(ProbesConfig(count=0), rows) == []


def test_answers_are_those_of_one_prompt_alone(probes: Probes, fresh_model: Callable[..., Any]) -> None:
    model = fresh_model(Lora())
    together = [each.text for each in probes.answer(model, 5)]
    alone = [Probes([prompt], probes.template, 256, 12).answer(model, 5)[0].text for prompt in PROMPTS]
    assert together == alone


def test_the_base_answers_with_the_adapter_switched_off(probes: Probes, fresh_model: Callable[..., Any]) -> None:
    model = fresh_model(Lora())
    before = [each.text for each in probes.answer(model, 0)]
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora" in name:
                weight.add_(torch.randn_like(weight))
    model.train()
    assert [each.text for each in probes.answer(model, 0, base=True)] == before
    assert [each.text for each in probes.answer(model, 1)] != before
    assert model.training


def test_asking_leaves_the_random_state_of_the_training_alone(probes: Probes, fresh_model: Callable[..., Any]) -> None:
    model = fresh_model(Lora())
    state = torch.get_rng_state()
    probes.answer(model, 1)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_prompt_without_room_for_an_answer_is_left_out() -> None:
    long = [{"role": "user", "content": "x" * 300}]
    assert len(Probes([*PROMPTS, long], Template(make_tokenizer(TEMPLATE)), 256, 12).prompts) == 2


def test_a_resumed_run_takes_back_its_later_answers(tmp_path: Path) -> None:
    path = tmp_path / "samples.jsonl"
    append_answers(path, [answer(20), answer(0), answer(40, text="old"), answer(60)])
    assert list(read_answers(path)) == [0, 20, 40, 60]
    append_answers(path, [answer(40, text="new")])
    with path.open("a") as stream:
        stream.write('{"step": 80, "ind')
    found = read_answers(path)
    assert list(found) == [0, 20, 40]
    assert found[40][0].text == "new"
