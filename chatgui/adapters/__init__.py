"""How a model is changed. The union is the registry, and the order in which the form offers the kinds."""

from typing import Annotated

from pydantic import Field

from chatgui.adapters.full import Full
from chatgui.adapters.lora import Lora

Adapter = Annotated[Lora | Full, Field(discriminator="kind")]
