"""Conversations whose turns are not what a chat is: empty, one-sided, out of order; and what can be mended."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

from chatgui.data.conversation import Conversation, Item, Message

FAULTS = ("empty_turns", "one_sided", "roles")


def faults(item: Item) -> Iterator[str]:
    """Names of FAULTS that a conversation has; other items have no turns."""
    if not isinstance(item, Conversation):
        return
    if any(not message.content.strip() for message in item.messages):
        yield "empty_turns"
    roles = [message.role for message in item.messages]
    if "user" not in roles:
        yield "one_sided"
    elif not in_order(roles):
        yield "roles"


def in_order(roles: list[str]) -> bool:
    """System first if at all, then the user; nobody speaks twice in a row (tools may); the assistant comes last."""
    turns = roles[1:] if roles[0] == "system" else roles
    if "system" in turns or turns[0] != "user" or turns[-1] != "assistant":
        return False
    return all(one != other or one == "tool" for one, other in pairwise(turns))


def merged(item: Item) -> Item:
    """The conversation with the system first, neighbours of one role joined by an empty line, and nothing after the
    last reply. What the user did not begin keeps its beginning: there is nothing to merge it with."""
    if not isinstance(item, Conversation):
        return item
    ordered = sorted(item.messages, key=lambda message: message.role != "system")  # stable: the others keep theirs
    joined: list[Message] = []
    for message in ordered:
        if joined and joined[-1].role == message.role != "tool":
            weight = min(joined[-1].weight, message.weight)  # what is not to be learnt must not be
            content = f"{joined[-1].content}\n\n{message.content}".strip()
            joined[-1] = replace(message, content=content, weight=weight)
        else:
            joined.append(message)
    last = max((at for at, message in enumerate(joined) if message.role == "assistant"), default=len(joined) - 1)
    return replace(item, messages=tuple(joined[: last + 1]))


def without_empty_turns(item: Item) -> Item:
    """The conversation without its empty turns."""
    if not isinstance(item, Conversation):
        return item
    return replace(item, messages=tuple(message for message in item.messages if message.content.strip()))
