"""The stream of texts that a classifier's run watches, kept in the run's folder and grown by the page and the endpoint.

`stream.jsonl` has the day, topic and label of each text (the texts themselves are not kept), `alerts.jsonl` every alert
as it was raised, `watch.json` the rule. Knows no page.
"""

import errno
import json
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chatgui.errors import ChatGuiError, DataError, RunError
from chatgui.evaluation.monitor import Alert, Rule, Seen, alerts, likely_negative, send, stamp
from chatgui.fields import build
from chatgui.runs.files import told, write_atomically
from chatgui.runs.store import Run

if TYPE_CHECKING:
    from chatgui.predict import Predictor

_writing = threading.Lock()


class Stream:
    """What was seen so far, the rule, and the alerts. Safe to use from several threads."""

    def __init__(self, run: Run) -> None:
        """`run` is one that classifies."""
        names = ("stream.jsonl", "alerts.jsonl", "watch.json")
        self._seen, self._alerts, self._rule = (run.folder / name for name in names)
        self._run = run

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """All that its texts may be."""
        return tuple(getattr(self._run.config.task, "labels", ()))

    @property
    def size_bytes(self) -> int:
        """Grows with every text: who has seen this size has seen them all."""
        return self._seen.stat().st_size if self._seen.exists() else 0

    @property
    def rule(self) -> Rule:
        """As it was last set; at first it watches the label that sounds like a bad mood."""
        try:
            return build(Rule, json.loads(self._rule.read_text(encoding="utf-8")))
        except (FileNotFoundError, ValueError, ChatGuiError):  # none yet, or of another version
            return Rule(negative=likely_negative(self.labels))

    def set_rule(self, rule: Rule) -> None:
        """Raises DataError for a label that the run does not know, RunError when the rule cannot be written."""
        if rule.negative not in self.labels:
            raise DataError("apply.no_such_label", found=rule.negative, known=", ".join(self.labels))
        with told(self._rule):
            write_atomically(self._rule, rule.model_dump_json())

    def seen(self) -> list[Seen]:
        """Every text of the stream, in the order they came."""
        return [Seen(date.fromisoformat(row["day"]), row["topic"], row["label"]) for row in _lines(self._seen)]

    def log(self) -> list[Alert]:
        """Every alert as it was raised, oldest first."""
        return [Alert(**row) for row in _lines(self._alerts)]

    def alerts(self) -> list[Alert]:
        """Days that are unusual by the rule as it is now, in order of time."""
        return alerts(self.seen(), self.rule)

    def grow(self, found: Sequence[Seen]) -> list[Alert]:
        """Add texts, and give the alerts that they raise: of each topic and day the first one.

        Each is logged. Raises RunError when the disk does not take them.
        """
        with _writing:
            _append(self._seen, [{**asdict(each), "day": each.day.isoformat()} for each in found])
            known = {(alert.day, alert.topic) for alert in self.log()}
            raised = [alert for alert in self.alerts() if (alert.day, alert.topic) not in known]
            _append(self._alerts, [asdict(alert) for alert in raised])
        return raised

    def send(self, raised: Sequence[Alert]) -> None:
        """Send alerts to the rule's webhook, if it names one. Raises DataError when that does not take them."""
        if webhook := self.rule.webhook:
            for alert in raised:
                send(alert, webhook)

    def clear(self) -> None:
        """Begin anew; the rule stays. Raises RunError when the disk refuses."""
        with _writing, told(self._seen):
            self._seen.unlink(missing_ok=True)
            self._alerts.unlink(missing_ok=True)


def labelled(predictor: "Predictor", rows: Sequence[Mapping[str, Any]]) -> list[Seen]:
    """What the run says of the rows of a table.

    Raises DataError for a row without a text, or without a time; RunError when the run gives no labels to texts.
    """
    stamps = [stamp(row) for row in rows]
    found = predictor.predict([predictor.read(row) for row in rows])
    if any("label" not in row for row in found):
        raise RunError("monitor.no_labels", task=predictor.task.kind)
    return [Seen(day, topic, str(row["label"])) for (day, topic), row in zip(stamps, found, strict=True)]


def _append(file: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """All lines or none."""
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    with told(file), file.open("ab+", buffering=0) as stream:
        size = stream.tell()
        if size and stream.seek(-1, os.SEEK_END) and stream.read(1) != b"\n":  # a power cut tore the last line
            lines = b"\n" + lines
        if stream.write(lines) < len(lines):  # no exception: a full disk takes what still fits
            stream.truncate(size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _lines(file: Path) -> Iterator[dict[str, Any]]:
    """Every whole line; a power cut can tear one."""
    with suppress(FileNotFoundError), file.open(encoding="utf-8", errors="replace") as stream:
        for line in stream:
            with suppress(ValueError):
                yield json.loads(line)
