"""Apply: a support assistant over one's own documents, a monitor of sentiment, a recommender: what runs are for."""

import html
import shutil
import tempfile
import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import quote

import gradio as gr

from chatgui import task_charts
from chatgui.config import GenerationConfig
from chatgui.data.conversation import Choice, Labelled
from chatgui.data.load import SAMPLES, load
from chatgui.errors import ChatGuiError, DataError
from chatgui.evaluation.monitor import Rule, Seen, alerts, daily, send, stamp
from chatgui.evaluation.ranks import bm25_scores, popularity_scores
from chatgui.fields import build as build_config
from chatgui.generation.assistant import Retrieval, answer, sample_documents
from chatgui.predict import stream_rows
from chatgui.runs.workspace import Workspace
from chatgui.tasks.ranking import Offer
from chatgui.text import say
from chatgui.ui import prediction_view
from chatgui.ui.run_names import run_name
from chatgui.ui.session import QUIET, Session, bind, label

TITLE = "tab.apply"
MODEL: dict[str, Any] = {"api_visibility": "private", "concurrency_id": "model", "concurrency_limit": 1}
STREAM = SAMPLES / "sentiment" / "train.csv"
"""The sample stream: texts with time and topic."""
MOST_CANDIDATES = 60
NEGATIVE_NAMES = ("negative", "neg", "bad", "负面", "消极", "差评")
"""Labels that are watched without being asked."""


def build(session: Session) -> None:
    """The three applications."""
    with gr.Tabs(elem_id="apply"):
        with gr.Tab(label("apply.support"), id="support", elem_id="apply-support"):
            _draw_support(session)
        with gr.Tab(label("apply.monitor"), id="monitor", elem_id="apply-monitor"):
            _draw_monitor(session)
        with gr.Tab(label("apply.recommend"), id="recommend", elem_id="apply-recommend"):
            _draw_recommender(session)


def _chooser(session: Session, kind: str, elem_id: str) -> gr.Dropdown:
    """The runs of one kind of task, newest first."""
    chooser = gr.Dropdown([], label=label("try.run"), info=label(f"apply.needs.{kind}"), elem_id=elem_id)
    gr.on(
        [session.selection.change, session.page.load], bind(runs_of, session.workspace, kind), chooser, chooser, **QUIET
    )
    return chooser


def runs_of(workspace: Workspace, kind: str, language: str, chosen: str | None) -> Any:
    """Choices of one application."""
    known = workspace.runs_of_task(kind)
    names = [(run_name(workspace.run(run), language), run) for run in known]
    return gr.update(choices=names, value=chosen if chosen in known else next(iter(known), None))


# ---- support assistant -----------------------------------------------------------------------------------------------


def _draw_support(session: Session) -> None:
    gr.Markdown(label("apply.support.help"))
    chooser = _chooser(session, "chat", "support-run")
    with gr.Row(equal_height=False):
        files = gr.File(
            label=label("apply.documents"), file_count="multiple", type="filepath", elem_id="support-files", scale=2,
            min_width=300,
        )  # fmt: skip
        with gr.Column(scale=1, min_width=240):
            sample = gr.Button(label("apply.sample_documents"), elem_id="support-sample")
            passages = gr.Number(2, label=label("apply.passages"), precision=0, minimum=1, maximum=10)
            threshold = gr.Slider(0, 1, 0.3, step=0.05, label=label("apply.threshold"), elem_id="support-threshold")
    question = gr.Textbox(label=label("apply.question"), elem_id="support-question", submit_btn=True)
    with gr.Row(equal_height=False):
        with gr.Column(min_width=300):
            gr.Markdown(label("apply.with"))
            grounded = gr.HTML(elem_id="support-with")
        with gr.Column(min_width=300):
            gr.Markdown(label("apply.without"))
            plain = gr.HTML(elem_id="support-without")
    sample.click(bind(use_sample_documents), None, files, **QUIET)
    question.submit(
        bind(support, session.workspace), [chooser, files, question, passages, threshold], [grounded, plain], **MODEL
    )


def use_sample_documents(language: str) -> list[str]:
    """Copies of the bundled documents: the page serves no file from where the program lies."""
    folder = Path(tempfile.mkdtemp())
    return [str(shutil.copy(file, folder)) for file in sample_documents()]


def support(
    workspace: Workspace, language: str, run: str | None, files: list[str] | None, question: str, passages: float,
    threshold: float,
) -> tuple[str, str]:  # fmt: skip
    """A reply with its sources, and the reply without; "I don't know" and a person where no document fits."""
    if not files:
        raise DataError("apply.no_documents")
    if not question.strip():
        raise DataError("data.empty_field", field="question")
    library = workspace.library(tuple(files))
    began = time.monotonic()
    hits = library.search(question, build_config(Retrieval, {"passages": int(passages), "threshold": threshold}))
    milliseconds = f"{1000 * (time.monotonic() - began):.0f}"
    spent = f"<p><small>{say('apply.found_in', language, milliseconds=milliseconds)}</small></p>"
    said: dict[str, Any] = {"with": None, "without": None}
    if run:
        settings = GenerationConfig(temperature=0, max_new_tokens=96)
        said = answer(workspace.pair(workspace.run(run)), question, hits, settings)
    plain = f"<p>{html.escape(said['without'] or say('apply.no_chat_run', language))}</p>"
    if not hits:
        return (
            f'<p class="predicted">{say("apply.unknown", language)}</p>{_hand_over(question, language)}{spent}',
            plain,
        )
    sources = "".join(
        f"<details open><summary>{html.escape(hit.passage.source)} · "
        f"{say('apply.covered', language, share=f'{hit.covered:.0%}')}</summary>"
        f"<p>{html.escape(hit.passage.text)}</p></details>"
        for hit in hits
    )
    reply = f"<p>{html.escape(said['with'])}</p>" if said["with"] else ""
    return f"{reply}<h4>{say('apply.sources', language)}</h4>{sources}{spent}", plain


def _hand_over(question: str, language: str) -> str:
    """What a person is asked instead, with a letter to them already begun."""
    subject, link = say("apply.hand_over_subject", language), say("apply.hand_over_link", language)
    address = f"mailto:?subject={quote(subject)}&body={quote(question)}"
    sentence = say("apply.hand_over", language)
    return f'<p class="hand-over">{sentence} <a href="{html.escape(address)}">{html.escape(link)}</a></p>'


# ---- sentiment monitor -----------------------------------------------------------------------------------------------


def _draw_monitor(session: Session) -> None:
    gr.Markdown(label("apply.monitor.help"))
    chooser = _chooser(session, "classification", "monitor-run")
    seen = gr.State(())
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
    chooser.change(bind(labels_of, session.workspace), [chooser, negative], negative, **QUIET)
    rule = [negative, errors, usual, webhook]
    grow = bind(watch, session.workspace)
    file.upload(grow, [chooser, seen, file, *rule], [seen, figure, record], **MODEL)
    sample.click(bind(watch_sample, session.workspace), [chooser, seen, *rule], [seen, figure, record], **MODEL)
    clear.click(lambda: ((), gr.update(visible=False), ""), None, [seen, figure, record], **QUIET)


def labels_of(workspace: Workspace, language: str, run: str | None, chosen: str | None) -> Any:
    """What a run may say, the likeliest name of a bad mood chosen."""
    if not run:
        return gr.update(choices=[], value=None)
    known = list(getattr(workspace.run(run).config.task, "labels", ()))
    bad = next((name for name in known if name.casefold() in NEGATIVE_NAMES), known[0] if known else None)
    return gr.update(choices=known, value=chosen if chosen in known else bad)


def watch_sample(
    workspace: Workspace, language: str, run: str | None, seen: tuple[Seen, ...], *rule: Any
) -> tuple[Any, ...]:
    """The monitor on the sample's stream."""
    return watch(workspace, language, run, seen, str(STREAM), *rule)


def watch(
    workspace: Workspace, language: str, run: str | None, seen: tuple[Seen, ...], file: str | None, negative: str,
    errors: float, usual_days: float, webhook: str,
) -> tuple[Any, ...]:  # fmt: skip
    """The stream grown by a table: its shares over time, and the log of alerts."""
    if not run or not file:
        raise DataError("apply.needs_run" if not run else "apply.needs_stream")
    rule = build_config(Rule, {"standard_errors": errors, "usual_days": int(usual_days), "webhook": webhook.strip()})
    predictor = workspace.predictor(workspace.run(run))
    rows = [row for _, row in stream_rows(Path(file)) if not isinstance(row, ChatGuiError)]
    stamps = [stamp(row) for row in rows]
    found = predictor.predict([Labelled(predictor.read(row).text, ()) for row in rows])
    before = alerts(seen, negative, rule) if seen else []
    seen = (
        *seen, *(Seen(day, topic, str(row["label"])) for (day, topic), row in zip(stamps, found, strict=True)),
    )  # fmt: skip
    labels = Counter(each.label for each in seen)
    if negative not in labels:
        raise DataError("apply.no_such_label", found=negative, known=", ".join(labels))
    raised = alerts(seen, negative, rule)
    if rule.webhook:
        for alert in raised:
            if alert not in before:
                send(alert, rule.webhook)
    import plotly.graph_objects as go

    marked = [(alert.day, alert.topic) for alert in raised]
    figure = go.Figure(task_charts.share_figure(daily(seen), negative, marked, language))
    return seen, gr.update(value=figure, visible=True), _log(raised, labels, language)


def _log(raised: Any, labels: Counter[str], language: str) -> str:
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


# ---- recommender -----------------------------------------------------------------------------------------------------


def _draw_recommender(session: Session) -> None:
    gr.Markdown(label("apply.recommend.help"))
    chooser = _chooser(session, "ranking", "recommend-run")
    with gr.Row(equal_height=False):
        user = gr.Dropdown([], label=label("apply.user"), elem_id="recommend-user", min_width=240)
        history = gr.Textbox(label=label("apply.history"), lines=4, elem_id="recommend-history", scale=2, min_width=300)
    rank = gr.Button(label("apply.rank"), variant="primary", elem_id="recommend-rank")
    with gr.Row(equal_height=False):
        columns = []
        for name in ("model", "popularity", "bm25"):
            with gr.Column(min_width=260):
                gr.Markdown(label(f"apply.by.{name}"))
                columns.append(gr.HTML(elem_id=f"recommend-{name}"))
    chooser.change(bind(users_of, session.workspace), chooser, user, **QUIET)
    user.change(bind(history_of, session.workspace), [chooser, user], history, **QUIET)
    rank.click(bind(recommend, session.workspace), [chooser, user, history], columns, **MODEL)


def _choices(workspace: Workspace, run: str) -> list[Choice]:
    rows = load(workspace.run(run).config.data).rows
    return [row.item for row in rows if isinstance(row.item, Choice)]


def users_of(workspace: Workspace, language: str, run: str | None) -> Any:
    """The users of the run's data."""
    users = sorted({item.user for item in _choices(workspace, run) if item.user}) if run else []
    return gr.update(choices=users, value=users[0] if users else None)


def history_of(workspace: Workspace, language: str, run: str | None, user: str | None) -> str:
    """What a user took last, one a line."""
    own = [item for item in _choices(workspace, run) if item.user == user] if run and user else []
    return "\n".join(max(own, key=lambda item: item.seconds or 0).history) if own else ""


def recommend(workspace: Workspace, language: str, run: str | None, user: str | None, history: str) -> tuple[str, ...]:
    """What is not in the history yet, ordered by the model (with what weighs most), by popularity and by BM25."""
    if not run:
        raise DataError("apply.needs_run")
    known = _choices(workspace, run)
    past = tuple(line.strip() for line in history.splitlines() if line.strip())
    taken = {title for item in known if item.user == user and item.clicked for title in (*item.history, item.candidate)}
    counts = Counter(item.candidate for item in known)
    left = [title for title, _ in counts.most_common() if title not in {*past, *(taken if user else ())}]
    candidates = left[:MOST_CANDIDATES]
    if not candidates:
        raise DataError("apply.nothing_left")
    predictor = workspace.predictor(workspace.run(run))
    row = predictor.predict([Offer(past, tuple(candidates))])[0]
    best = {"ranking": row["ranking"][:5], "scores": row["scores"][:5]}
    why = "".join(
        f"<details><summary>{html.escape(title)}</summary>"
        f"{prediction_view.reasons(predictor.reasons(Offer(past, ()), title))}</details>"
        for title in (best["ranking"][:3] if past else ())
    )
    views = [
        prediction_view.prediction(best, language) + (f"<h4>{say('apply.because', language)}</h4>{why}" if why else "")
    ]
    asked = [Choice(past, candidate, False) for candidate in candidates]
    for scores in (popularity_scores(known, asked), bm25_scores(asked)):
        order = sorted(range(len(candidates)), key=lambda place: -scores[place])[:5]
        top = {"ranking": [candidates[at] for at in order], "scores": [scores[at] for at in order]}
        views.append(prediction_view.prediction(top, language))
    return tuple(views)
