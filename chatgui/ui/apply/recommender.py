"""The recommender: what a user may take next, with reasons, beside two simple rules."""

import html
from collections import Counter
from typing import Any

import gradio as gr

from chatgui.data.conversation import Choice
from chatgui.data.load import load
from chatgui.errors import DataError
from chatgui.evaluation.ranks import bm25_scores, popularity_scores
from chatgui.runs.workspace import Workspace
from chatgui.tasks.ranking import Offer
from chatgui.text import say
from chatgui.ui import prediction_view
from chatgui.ui.apply.choosing import MODEL, run_chooser
from chatgui.ui.session import QUIET, Session, bind, label

MOST_CANDIDATES = 60


def draw(session: Session) -> None:
    gr.Markdown(label("apply.recommend.help"))
    chooser = run_chooser(session, "ranking", "recommend-run")
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
