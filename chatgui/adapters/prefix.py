"""Prefix tuning: learnt keys and values before every input, in every layer (Li and Liang 2021, arXiv:2101.00190)."""

from typing import Any, Literal

from pydantic import Field

from chatgui.adapters.method import Method


class Prefix(Method):
    """Learnt keys and values in every layer, as if a text stood before the input: small, and the base stays intact."""

    kind: Literal["prefix"] = "prefix"
    length: int = Field(20, ge=1, le=512)
    """Learnt places before the input; more hold more, take room from the context and slow every step."""

    @property
    def virtual_tokens(self) -> int:
        """All of them."""
        return self.length

    def attach(self, model: Any, total_steps: int) -> Any:
        """A `PrefixTokens` around `model`, begun from what random words leave there: differs from its base at once."""
        from chatgui.adapters.modules import PrefixTokens

        return PrefixTokens(model, length=self.length)
