"""How a model is changed. The union is the registry, and the order in which the form offers the kinds."""

from typing import Annotated

from pydantic import Field

from chatgui.adapters.adalora import AdaLora
from chatgui.adapters.bottleneck import Bottleneck
from chatgui.adapters.frozen import Frozen
from chatgui.adapters.full import Full
from chatgui.adapters.ia3 import Ia3
from chatgui.adapters.lora import Lora
from chatgui.adapters.prefix import Prefix
from chatgui.adapters.prompt import Prompt
from chatgui.adapters.qlora import QLora

Adapter = Annotated[
    Lora | QLora | AdaLora | Bottleneck | Prefix | Prompt | Ia3 | Frozen | Full, Field(discriminator="kind")
]
