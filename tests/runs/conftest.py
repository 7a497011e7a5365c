"""Runs small enough to train in a second."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chatgui.config import RunConfig
from chatgui.fields import build


@pytest.fixture
def make_config(tiny_model: Path, conversations: Path) -> Callable[..., RunConfig]:
    """A run over the 24 conversations with the tiny model; `training` as given."""

    def make(source: str | Path = conversations, **training: Any) -> RunConfig:
        values = {"batch_size": 4, "max_steps": 3, "checkpoint_steps": 1, **training}
        return build(
            RunConfig,
            {"model": {"name": str(tiny_model)}, "data": {"source": str(source)}, "training": values},
        )  # fmt: skip

    return make
