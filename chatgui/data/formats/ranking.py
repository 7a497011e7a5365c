"""What a user took before, what was offered next, and whether it was taken: the rows of a recommender."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from chatgui.data.conversation import Choice
from chatgui.data.formats.columns import Field, Raw
from chatgui.data.formats.turns import content_text, listed
from chatgui.errors import DataError

NAME = "ranking"
EXAMPLE = {"history": ["The Coral Diaries", "Deep Blue"], "candidate": "Walking with Bears", "clicked": True}
FIELDS = (
    Field("history", ("click_history", "user_history", "clicked_items", "viewed", "历史"), required=True),
    Field("candidate", ("item", "candidate_item", "candidate_title", "offered", "news", "候选"), required=True),
    Field("clicked", ("click", "is_clicked", "is_click", "label", "taken", "点击"), required=True),
    Field("user", ("user_id", "userid", "uid", "用户")),
    Field("time", ("timestamp", "date", "datetime", "时间")),
)
ANSWERS = {"1": True, "0": False, "true": True, "false": False, "yes": True, "no": False, "1.0": True, "0.0": False}
BORDERS = re.compile(r"\s*[|\n\t;]\s*")


def matches(row: Raw) -> bool:
    """A history, one candidate in words, and yes or no."""
    history, candidate = listed(row.get("history")), row.get("candidate")
    return isinstance(history, (list, str)) and isinstance(candidate, str) and _answer(row.get("clicked")) is not None


def convert(row: Raw) -> Choice:
    """Raises DataError without a candidate or an answer, or for a time nobody can read."""
    candidate = content_text(row.get("candidate")).strip()
    if not candidate:
        raise DataError("data.empty_field", field="candidate")
    clicked = _answer(row.get("clicked"))
    if clicked is None:
        raise DataError("data.no_answer", found=str(row.get("clicked"))[:40])
    user = "" if row.get("user") is None else str(row["user"])
    return Choice(_history(row.get("history")), candidate, clicked, user, _seconds(row.get("time")))


def _history(value: Any) -> tuple[str, ...]:
    found = listed(value)
    if found is None:
        return ()
    items: Sequence[Any] = BORDERS.split(found) if isinstance(found, str) else found
    if not isinstance(items, (list, tuple)):
        raise DataError("data.no_words", field="history", found=type(found).__name__)
    return tuple(text for item in items if (text := content_text(item).strip()))


def _answer(value: Any) -> bool | None:
    return value if isinstance(value, bool) else ANSWERS.get(str(value).strip().casefold())


def _seconds(value: Any) -> float | None:
    """Unix time of a number (milliseconds too), of an ISO time or of MIND's ("11/15/2019 8:55:22 AM")."""
    if value is None or value == "":
        return None
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    try:
        seconds = float(value)
        return seconds / 1000 if seconds > 1e11 else seconds
    except (ValueError, TypeError, OverflowError):
        pass
    for read in (datetime.fromisoformat, lambda text: datetime.strptime(text, "%m/%d/%Y %I:%M:%S %p")):
        try:
            return _seconds(read(str(value)))
        except ValueError:
            continue
    raise DataError("data.bad_time", found=str(value)[:40])
