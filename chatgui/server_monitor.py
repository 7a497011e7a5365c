"""`/v1/monitor`: other programs send texts, a classifier's run labels them, and its stream grows and raises alerts.

The page shows the same stream, and sets its rule: who may only send texts cannot name a webhook.
"""

import time
from collections import Counter
from dataclasses import asdict
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from chatgui.errors import ChatGuiError
from chatgui.evaluation.monitor import daily
from chatgui.runs.stream import Stream, labelled
from chatgui.runs.workspace import Workspace


class Text(BaseModel):
    """One text of the stream."""

    model_config = ConfigDict(extra="allow")
    text: Annotated[str, Field(min_length=1)]
    time: str | float | None = None
    """ISO form or Unix seconds; now, if left out."""
    topic: str = ""

    def row(self) -> dict[str, Any]:
        """As a table would have it."""
        return {**self.model_dump(), "time": time.time() if self.time is None else self.time}


class StreamAsked(BaseModel):
    """`POST /v1/monitor`."""

    model: str
    rows: Annotated[list[Text], Field(min_length=1, max_length=1000)]


def grow(workspace: Workspace, asked: StreamAsked) -> dict[str, Any]:
    """The label of each row, and the alerts they raised; `webhook_error` where the webhook did not take them.

    Raises RunError for a run that does not classify, DataError for a row without a text.
    """
    workspace.must_be_whole()
    run = workspace.run(asked.model)
    found = labelled(workspace.predictor(run), [text.row() for text in asked.rows])
    stream = Stream(run)
    raised = stream.grow(found)
    answer = {
        "object": "monitor", "model": run.id, "labels": [each.label for each in found],
        "alerts": [asdict(alert) for alert in raised],
    }  # fmt: skip
    try:
        stream.send(raised)
    except ChatGuiError as error:  # the texts are kept: an error would make the sender send them again
        answer["webhook_error"] = error.text()
    return answer


def tell(workspace: Workspace, name: str) -> dict[str, Any]:
    """The whole stream: how often each label was given, by topic and day, the alerts raised, and the rule."""
    run = workspace.run(name)
    stream = Stream(run)
    days = {
        topic: {day.isoformat(): dict(Counter(counts)) for day, counts in sorted(table.items())}
        for topic, table in daily(stream.seen()).items()
    }
    rule = stream.rule.model_dump(exclude={"webhook"})
    return {
        "object": "monitor", "model": run.id, "days": days, "rule": rule,
        "alerts": [asdict(alert) for alert in stream.log()],
    }  # fmt: skip
