"""Prompt tuning: learnt tokens before every input (Lester et al. 2021, arXiv:2104.08691)."""

from typing import Any, Literal

from pydantic import Field

from chatgui.adapters.method import Method


class Prompt(Method):
    """Learnt tokens before the input: a few kilobytes; weak on small models; wants a high rate (0.05 and more)."""

    kind: Literal["prompt"] = "prompt"
    length: int = Field(20, ge=1, le=512)
    """Learnt places before the input; more hold more, take room from the context and slow every step."""

    @property
    def virtual_tokens(self) -> int:
        """All of them."""
        return self.length

    def attach(self, model: Any, total_steps: int) -> Any:
        """A `VirtualTokens` around `model`, begun from embeddings of random words: it differs from its base at once."""
        from chatgui.adapters.modules import PromptTokens

        return PromptTokens(model, length=self.length)
