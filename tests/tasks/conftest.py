"""The tiny model with the head of a task."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chatgui.config import ModelConfig
from chatgui.models import load_model
from chatgui.tokens.template import Template
from tests.conftest import TEMPLATE, make_tokenizer


@pytest.fixture(scope="session")
def template() -> Template:
    return Template(make_tokenizer(TEMPLATE))


@pytest.fixture
def headed(tiny_model: Path, template: Template) -> Callable[[Any], Any]:
    """The tiny model with a new head for a fitted task, in evaluation mode."""

    def load(task: Any) -> Any:
        import torch

        torch.manual_seed(0)
        config = ModelConfig(name=str(tiny_model))
        return load_model(config, task.HEAD, torch.device("cpu"), torch.float32, task.head_options(template))

    return load
