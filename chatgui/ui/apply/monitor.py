"""The sentiment monitor: shares of a stream's labels over time by topic, and a log of the days that were unusual.

The stream is the run's own (`runs/stream.py`): an upload adds to it, and so does the endpoint while one looks on.
"""

import html
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import gradio as gr

from chatgui import task_charts
from chatgui.data.load import SAMPLES
from chatgui.errors import ChatGuiError, DataError
from chatgui.evaluation.monitor import Alert, Rule, daily
from chatgui.fields import build as build_config
from chatgui.predict import stream_rows
from chatgui.runs.stream import Stream, labelled
from chatgui.runs.workspace import Workspace
from chatgui.text import say
from chatgui.ui.apply.choosing import MODEL, run_chooser
from chatgui.ui.session import QUIET, Session, bind, label

SAMPLE = SAMPLES / "sentiment" / "train.csv"
"""A stream to begin with: texts with time and topic."""
LOOK_SECONDS = 3.0
"""Time between two looks at a stream that the endpoint may have grown."""
NOTHING: tuple[Any, ...] = (0, gr.update(visible=False), "")


def draw(session: Session) -> None:
    """The rule beside the stream, the chart and the log under them."""
    gr.Markdown(label("apply.monitor.help"))
    chooser = run_chooser(session, "classification", "monitor-run")
    shown = gr.State(0)  # size of the stream that the chart was drawn from
    with gr.Row(equal_height=False):
        file = gr.File(label=label("apply.stream"), type="filepath", elem_id="monitor-file", scale=2, min_width=300)
        with gr.Column(scale=1, min_width=240):
            negative = gr.Dropdown(
                [], label=label("apply.negative"), allow_custom_value=True, elem_id="monitor-negative"
            )
            errors = gr.Number(3, label=label("apply.errors"), minimum=0.5, maximum=10, step=0.5)
            usual = gr.Number(14, label=label("apply.usual_days"), precision=0, minimum=2, maximum=365)
            webhook = gr.Textbox(label=label("apply.webhook"), placeholder="https://", elem_id="monitor-webhook")
    with gr.Row():
        sample = gr.Button(label("apply.sample_stream"), elem_id="monitor-sample")
        clear = gr.Button(label("apply.clear"), elem_id="monitor-clear")
    figure = gr.Plot(visible=False, show_label=False, elem_id="monitor-figure")
    record = gr.HTML(elem_id="monitor-log")
    workspace, rule, views = session.workspace, [negative, errors, usual, webhook], [shown, figure, record]
    chooser.change(bind(rule_of, workspace), chooser, rule, **QUIET).then(
        bind(look, workspace), [chooser, gr.State(-1)], views, **QUIET
    )
    for knob in (errors, usual, webhook):
        knob.blur(bind(change_rule, workspace), [chooser, *rule], views, **QUIET)
    negative.input(bind(change_rule, workspace), [chooser, *rule], views, **QUIET)
    file.upload(bind(grow, workspace), [chooser, file, *rule], views, **MODEL)
    sample.click(bind(grow_by_sample, workspace), [chooser, *rule], views, **MODEL)
    clear.click(bind(begin_anew, workspace), chooser, views, **QUIET)
    gr.Timer(LOOK_SECONDS).tick(bind(look, workspace), [chooser, shown], views, **QUIET)


def rule_of(workspace: Workspace, language: str, run: str | None) -> tuple[Any, ...]:
    """What a run may say, the label that is watched, and the rest of its rule."""
    if not run:
        return gr.update(choices=[], value=None), *(gr.skip() for _ in range(3))
    stream = Stream(workspace.run(run))
    rule = stream.rule
    return (
        gr.update(choices=list(stream.labels), value=rule.negative), rule.standard_errors, rule.usual_days,
        rule.webhook,
    )  # fmt: skip


def look(workspace: Workspace, language: str, run: str | None, shown: int) -> tuple[Any, ...]:
    """The chart and the log, where the stream has changed since a size of it was drawn."""
    if not run:
        return NOTHING
    stream = Stream(workspace.run(run))
    return tuple(gr.skip() for _ in NOTHING) if stream.size_bytes == shown else drawn(stream, language)


def change_rule(workspace: Workspace, language: str, run: str | None, *rule: Any) -> tuple[Any, ...]:
    """The stream under another rule, which is kept for the texts to come."""
    if not run:
        return NOTHING
    stream = Stream(workspace.run(run))
    stream.set_rule(_rule(*rule))
    return drawn(stream, language)


def grow_by_sample(workspace: Workspace, language: str, run: str | None, *rule: Any) -> tuple[Any, ...]:
    """The monitor on the sample's stream."""
    return grow(workspace, language, run, str(SAMPLE), *rule)


def grow(workspace: Workspace, language: str, run: str | None, file: str | None, *rule: Any) -> tuple[Any, ...]:
    """The stream grown by a table: its shares over time, and the log of alerts."""
    if not run or not file:
        raise DataError("apply.needs_run" if not run else "apply.needs_stream")
    stream = Stream(workspace.run(run))
    stream.set_rule(_rule(*rule))
    rows = [row for _, row in stream_rows(Path(file)) if not isinstance(row, ChatGuiError)]
    raised = stream.grow(labelled(workspace.predictor(workspace.run(run)), rows))
    try:
        stream.send(raised)
    except ChatGuiError as error:  # the texts are in the stream all the same, and are to be seen
        gr.Warning(error.text(language))
    return drawn(stream, language)


def begin_anew(workspace: Workspace, language: str, run: str | None) -> tuple[Any, ...]:
    """An empty stream."""
    if run:
        Stream(workspace.run(run)).clear()
    return NOTHING


def _rule(negative: str, errors: float, usual_days: float, webhook: str) -> Rule:
    values = {"standard_errors": errors, "usual_days": int(usual_days), "webhook": webhook.strip()}
    return build_config(Rule, {"negative": negative or "", **values})


def drawn(stream: Stream, language: str) -> tuple[Any, ...]:
    """The size of a stream, its chart, and its log."""
    import plotly.graph_objects as go

    size, seen = stream.size_bytes, stream.seen()
    if not seen:
        return NOTHING
    raised, negative = stream.alerts(), stream.rule.negative
    marked = [(alert.day, alert.topic) for alert in raised]
    figure = go.Figure(task_charts.share_figure(daily(seen), negative, marked, language))
    return size, gr.update(value=figure, visible=True), _log(raised, Counter(each.label for each in seen), language)


def _log(raised: Sequence[Alert], labels: Counter[str], language: str) -> str:
    total = labels.total()
    shares = "".join(
        f"<div><dt>{html.escape(name)}</dt><dd>{count / total:.0%} ({count})</dd></div>"
        for name, count in labels.most_common()
    )
    lines = "".join(
        f"<li>{html.escape(say('apply.alert', language, **_words(asdict(alert))))}</li>" for alert in raised
    )
    body = f'<ol class="alerts">{lines}</ol>' if lines else f"<p>{say('apply.no_alert', language)}</p>"
    return f'<dl class="ready">{shares}</dl><h4>{say("apply.alerts", language, count=len(raised))}</h4>{body}'


def _words(alert: dict[str, Any]) -> dict[str, Any]:
    return {k: f"{v:.0%}" if isinstance(v, float) else v for k, v in alert.items()}
