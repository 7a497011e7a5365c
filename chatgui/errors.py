"""Everything a person can cause to go wrong, as one sentence in their language.

An error carries a key of `locales/*.json` and its values, so that the terminal and the page say the same thing in
different languages. Programming mistakes are not in here: they keep Python's own exceptions.
"""

from typing import Any

from chatgui.text import DEFAULT_LANGUAGE, say


class ChatGuiError(Exception):
    """An error with a sentence: which thing, what was found, what is allowed."""

    def __init__(self, key: str, /, **values: Any) -> None:
        super().__init__(key)
        self.key = key
        self.values = values

    def text(self, language: str = DEFAULT_LANGUAGE) -> str:
        """The sentence in `language`; an error among the values is put into the same language."""
        return say(self.key, language, **self.plain()["values"])

    def plain(self) -> dict[str, Any]:
        """`{"key": …, "values": {…}}` in plain values, for a file; `text.say` understands it within other values."""
        return {"key": self.key, "values": {name: _plain(value) for name, value in self.values.items()}}

    def __str__(self) -> str:
        return self.text()

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.key, self.values)


def _plain(value: Any) -> Any:
    if isinstance(value, ChatGuiError):
        return value.plain()
    return value if isinstance(value, (int, float, str)) else str(value)


def _rebuild(kind: type[ChatGuiError], key: str, values: dict[str, Any]) -> ChatGuiError:
    return kind(key, **values)


class ConfigError(ChatGuiError, ValueError):
    """A config, flag or form value that is not allowed; `field` is its dotted name when it belongs to one field."""

    def __init__(self, key: str, /, field: str | None = None, **values: Any) -> None:
        super().__init__(key, **({"field": field} if field else {}), **values)
        self.field = field


class DataError(ChatGuiError, ValueError):
    """A file or row that cannot be used."""


class ModelError(ChatGuiError, OSError):
    """A model that cannot be found, read or loaded."""


class RunError(ChatGuiError, RuntimeError):
    """A run that does not exist or is not in a state that allows the request."""
