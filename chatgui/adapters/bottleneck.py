"""Bottleneck adapters: small networks in series with the frozen ones (Houlsby et al. 2019, arXiv:1902.00751)."""

from typing import Any, Literal

from pydantic import Field

from chatgui.adapters.method import Method


class Bottleneck(Method):
    """Small networks after each attention and feed-forward part: room to learn new ways; a bit slower."""

    kind: Literal["bottleneck"] = "bottleneck"
    width: int = Field(32, ge=1, le=1024)
    """Hidden units of each small network; the paper found 8 to 64 to do as well as all weights on most tasks."""

    def attach(self, model: Any, total_steps: int) -> Any:
        """A `Bottlenecks` around `model`. It starts as the identity: the model first answers exactly like its base."""
        from chatgui.adapters.modules import Bottlenecks

        return Bottlenecks(model, width=self.width)
