"""Tokens from logits, many rows at once and each as if it were alone."""

import math

import pytest
import torch

from chatgui.config import GenerationConfig
from chatgui.errors import ModelError
from chatgui.generation.sampling import Draw, Token, draw

WIDTH = 3000
SETTINGS = (
    GenerationConfig(temperature=0), GenerationConfig(temperature=1, top_p=1),
    GenerationConfig(temperature=0.7, top_p=0.9), GenerationConfig(temperature=2, top_p=0.95),
    GenerationConfig(temperature=1, top_p=1, top_k=5), GenerationConfig(temperature=1.3, top_p=0.5, top_k=800),
    GenerationConfig(temperature=0.1, top_p=0.01),
)  # fmt: skip


def seeded(settings: GenerationConfig, seed: int, top_logprobs: int | None = None) -> Draw:
    return Draw(settings, torch.Generator().manual_seed(seed), top_logprobs)


def test_a_row_is_drawn_among_others_as_it_is_alone() -> None:
    logits = torch.randn(len(SETTINGS) * 5, WIDTH, generator=torch.Generator().manual_seed(0)) * 3
    settings = [SETTINGS[row % len(SETTINGS)] for row in range(len(logits))]
    together = draw(logits, [seeded(each, row) for row, each in enumerate(settings)])
    alone = [draw(logits[row : row + 1], [seeded(each, row)])[0] for row, each in enumerate(settings)]
    assert together == alone
    assert len({token.id for token in together if isinstance(token, Token)}) > len(logits) / 2


@pytest.mark.parametrize("settings", SETTINGS[1:])
def test_only_tokens_of_the_nucleus_are_drawn_and_in_proportion(settings: GenerationConfig) -> None:
    logits = torch.randn(WIDTH, generator=torch.Generator().manual_seed(1)) * 4
    chances = torch.softmax(logits.double() / settings.temperature, dim=-1)
    values, order = chances.sort(descending=True)
    if settings.top_k:
        values = values[: settings.top_k] / values[: settings.top_k].sum()
    kept = max(1, int((values.cumsum(0) - values < settings.top_p).sum()))
    expected = values[:kept] / values[:kept].sum()
    count = 4000
    made = draw(logits.expand(count, -1), [seeded(settings, seed) for seed in range(count)])
    ids = torch.tensor([token.id for token in made if isinstance(token, Token)])
    assert set(ids.tolist()) <= set(order[:kept].tolist())
    share = float((ids == order[0]).double().mean())
    chance = float(expected[0])
    assert abs(share - chance) <= 4 * math.sqrt(chance * (1 - chance) / count) + 1e-9


def test_a_row_that_is_no_number_fails_and_its_neighbours_do_not() -> None:
    logits = torch.zeros(3, 8)
    logits[1, 3], logits[2, 5] = math.nan, 9.0
    made = draw(logits, [seeded(SETTINGS[0], row) for row in range(3)])
    assert isinstance(made[1], ModelError)
    assert made[2] == Token(5)
    assert isinstance(made[0], Token)


def test_logprobs_are_those_of_temperature_one() -> None:
    logits = torch.tensor([[0.0, 1.0, 3.0]])
    (token,) = draw(logits, [seeded(GenerationConfig(temperature=0), 0, 2)])
    expected = torch.log_softmax(logits[0], dim=-1)
    assert isinstance(token, Token)
    assert token.logprob == pytest.approx(float(expected[2]))
    assert [id_ for id_, _ in token.likeliest] == [2, 1]
