"""Watches what a classifier says of a stream: shares by topic and day, and an alert when the negative share leaves its
usual band. Knows neither model nor page; the webhook is called only when it is named.
"""

import json
import math
import urllib.request
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from pydantic import Field

from chatgui.errors import DataError
from chatgui.fields import Config

TIMES = ("time", "date", "datetime", "timestamp", "created", "时间", "日期")
TOPICS = ("topic", "category", "product", "主题", "类别")
NEGATIVE_NAMES = ("negative", "neg", "bad", "负面", "消极", "差评")
"""Labels that are watched without being asked."""
WEBHOOK_SECONDS = 5.0


class Rule(Config):
    """When a share is unusual: above the pooled share of the days before by so many standard errors."""

    negative: str = ""
    """Label whose share is watched."""
    standard_errors: float = Field(3.0, gt=0, le=10)
    """Distance from the usual share that raises an alert; lower warns sooner and more often in vain."""
    usual_days: int = Field(14, ge=2, le=365)
    """Days before that say what is usual."""
    least_texts: int = Field(5, ge=1)
    """A day with fewer texts raises no alert."""
    webhook: str = ""
    """Address that each alert is sent to as JSON; empty sends nothing."""


@dataclass(frozen=True)
class Seen:
    """One text of the stream: its day, topic and predicted label."""

    day: date
    topic: str
    label: str


@dataclass(frozen=True)
class Alert:
    """A day on which a topic's share left its band."""

    day: str
    topic: str
    share: float
    usual: float
    limit: float
    texts: int


def stamp(row: Mapping[str, Any]) -> tuple[date, str]:
    """Day (UTC) and topic of a table's row. Raises DataError when there is no time, or none that can be read."""
    names = {str(name).casefold(): name for name in row}
    found = next((row[names[name]] for name in TIMES if name in names), None)
    topic = next((str(row[names[name]]) for name in TOPICS if name in names and row[names[name]]), "-")
    try:
        return _day(found), topic
    except (ValueError, TypeError, OverflowError) as error:
        raise DataError("monitor.no_time", found=str(found)[:40], columns=", ".join(map(str, row))) from error


def _day(value: Any) -> date:
    try:
        moment = datetime.fromtimestamp(float(value), UTC)
    except (TypeError, ValueError):
        moment = datetime.fromisoformat(str(value))
    return moment.date()


def likely_negative(labels: Sequence[str]) -> str:
    """The label that by its name stands for a bad mood, else the first; empty when there is none."""
    return next((name for name in labels if name.casefold() in NEGATIVE_NAMES), next(iter(labels), ""))


def daily(seen: Sequence[Seen]) -> dict[str, dict[date, Counter[str]]]:
    """How often each label was given, by topic and day."""
    table: dict[str, dict[date, Counter[str]]] = {}
    for each in seen:
        table.setdefault(each.topic, {}).setdefault(each.day, Counter())[each.label] += 1
    return table


def alerts(seen: Sequence[Seen], rule: Rule) -> list[Alert]:
    """Days on which the share of `rule.negative` is more than `standard_errors` above the usual one, in order of time.

    Usual is the pooled share of the `usual_days` before, days of alerts left out: a surge must not become normal.
    The standard error is that of a difference of two shares, sqrt(p (1 - p) (1 / n + 1 / m)) for n texts of the day
    and m of the days before; p is kept off 0 and 1 by one made-up text on either side (Laplace).
    """
    found = []
    for topic, days in daily(seen).items():
        unusual: set[date] = set()
        for day in sorted(days):
            first = day - timedelta(days=rule.usual_days)
            before = [days[other] for other in days if first <= other < day and other not in unusual]
            texts, known = days[day].total(), sum(counts.total() for counts in before)
            if texts < rule.least_texts or known < rule.least_texts:
                continue
            usual = (sum(counts[rule.negative] for counts in before) + 1) / (known + 2)
            limit = usual + rule.standard_errors * math.sqrt(usual * (1 - usual) * (1 / texts + 1 / known))
            share = days[day][rule.negative] / texts
            if share > limit:
                unusual.add(day)
                found.append(Alert(day.isoformat(), topic, share, usual, limit, texts))
    return sorted(found, key=lambda alert: (alert.day, alert.topic))


def send(alert: Alert, webhook: str) -> None:
    """POST an alert as JSON. Raises DataError when the address refuses it or is no web address."""
    if not webhook.startswith(("http://", "https://")):
        raise DataError("monitor.bad_webhook", url=webhook)
    body = json.dumps(asdict(alert), ensure_ascii=False).encode()
    request = urllib.request.Request(webhook, body, {"Content-Type": "application/json"})
    try:
        urllib.request.urlopen(request, timeout=WEBHOOK_SECONDS).close()
    except (OSError, ValueError) as error:
        raise DataError("monitor.webhook_failed", url=webhook, reason=str(error)) from error
