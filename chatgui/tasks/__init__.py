"""What a model can be taught to do. The union is the registry, and the order in which the form offers the kinds."""

from typing import Annotated

from pydantic import Field

from chatgui.tasks.chat import Chat
from chatgui.tasks.pretrain import Pretrain

Task = Annotated[Chat | Pretrain, Field(discriminator="kind")]
