"""What a model can be taught to do. The union is the registry, and the order in which the form offers the kinds."""

from typing import Annotated

from pydantic import Field

from chatgui.data.conversation import Item
from chatgui.tasks.chat import Chat
from chatgui.tasks.pretrain import Pretrain

KINDS: tuple[type[Chat] | type[Pretrain], ...] = (Chat, Pretrain)
Task = Annotated[Chat | Pretrain, Field(discriminator="kind")]


def task_for(item: Item) -> Task:
    """The first task that can learn from such an item, with its default settings."""
    return next(kind for kind in KINDS if isinstance(item, kind.ACCEPTS))()
