"""What a model can be taught to do. The union is the registry, and the order in which the form offers the kinds."""

from typing import Annotated, Any, get_args

from pydantic import Field

from chatgui.data.conversation import Item
from chatgui.errors import DataError
from chatgui.tasks.chat import Chat
from chatgui.tasks.classification import Classification
from chatgui.tasks.preference import Prefer
from chatgui.tasks.pretrain import Pretrain
from chatgui.tasks.ranking import Ranking
from chatgui.tasks.reward import Reward
from chatgui.tasks.tagging import Tagging

Task = Annotated[Chat | Prefer | Pretrain | Classification | Tagging | Ranking | Reward, Field(discriminator="kind")]
KINDS: tuple[type[Any], ...] = get_args(get_args(Task)[0])


def task_for(item: Item) -> Task:
    """The first task that can learn from such an item, with its default settings. Raises DataError when none can."""
    for kind in KINDS:
        if isinstance(item, kind.ACCEPTS):
            return kind()
    raise DataError("task.none_for", found=type(item).__name__)
