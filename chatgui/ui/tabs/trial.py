"""Try: what a run that classifies, tags or ranks says of a text or a table, beside its base; and how well it does."""

import csv
import json
import tempfile
from itertools import islice
from pathlib import Path
from typing import Any

import gradio as gr

from chatgui import task_charts
from chatgui.data.load import load
from chatgui.data.split import split
from chatgui.errors import DataError
from chatgui.predict import predict_rows, stream_rows
from chatgui.runs.workspace import Workspace
from chatgui.text import say
from chatgui.ui import prediction_view
from chatgui.ui.run_names import run_name
from chatgui.ui.session import QUIET, Selection, Session, bind, label

TITLE = "tab.try"
SHOWN_ROWS = 200
JUDGED_ROWS = 200
"""Rows of the test split that are judged at a click; `chatgui evaluate` takes them all."""
MODEL: dict[str, Any] = {"api_visibility": "private", "concurrency_id": "model", "concurrency_limit": 1}


def build(session: Session) -> None:
    """The whole tab."""
    workspace = session.workspace
    empty = gr.Markdown(label("try.empty"), elem_id="try-empty")
    with gr.Column(visible=False, elem_id="try") as main:
        chooser = gr.Dropdown([], label=label("try.run"), elem_id="try-run")
        with gr.Row(equal_height=False):
            text = gr.Textbox(label=label("try.text"), lines=3, elem_id="try-text", scale=3, min_width=300)
            second = gr.Textbox(label=label("try.second"), lines=3, elem_id="try-second", scale=2, min_width=300)
        ask = gr.Button(label("try.ask"), variant="primary", elem_id="try-ask")
        with gr.Row(equal_height=False):
            with gr.Column(min_width=300):
                gr.Markdown(label("try.base"))
                base = gr.HTML(elem_id="try-base")
            with gr.Column(min_width=300):
                gr.Markdown(label("try.tuned"))
                tuned = gr.HTML(elem_id="try-tuned")
        with gr.Accordion(label("try.table"), open=False, elem_id="try-table"):
            file = gr.File(label=label("try.file"), type="filepath", elem_id="try-file")
            table = gr.Dataframe(interactive=False, visible=False, wrap=True, elem_id="try-rows")
            download = gr.DownloadButton(label("try.download"), visible=False, elem_id="try-download")
        with gr.Accordion(label("try.score"), open=False, elem_id="try-score"):
            judge = gr.Button(label("try.judge"), elem_id="try-judge")
            with gr.Row(equal_height=False):
                base_score = gr.HTML(elem_id="try-base-score")
                tuned_score = gr.HTML(elem_id="try-tuned-score")
            with gr.Row():
                base_figure = gr.Plot(visible=False, show_label=False)
                tuned_figure = gr.Plot(visible=False, show_label=False)
    session.selection.change(
        bind(runs_to_try, workspace), [session.selection, chooser], [chooser, empty, main], **QUIET
    )
    chooser.change(bind(fields_of, workspace), chooser, [text, second], **QUIET)
    gr.on(
        [ask.click, text.submit], bind(try_text, workspace), [chooser, text, second], [base, tuned], **MODEL,
    )  # fmt: skip
    file.upload(bind(try_table, workspace), [chooser, file], [table, download], **MODEL)
    judge.click(
        bind(judge_run, workspace), chooser, [base_score, tuned_score, base_figure, tuned_figure], **MODEL
    )  # fmt: skip


def runs_to_try(workspace: Workspace, language: str, selection: Selection, chosen: str | None) -> tuple[Any, ...]:
    """The runs that predict; the selected one where it is among them."""
    known = workspace.predicting_runs()
    run = selection.run if selection.run in known else chosen if chosen in known else next(iter(known), None)
    names = [(run_name(workspace.run(one), language), one) for one in known]
    value: dict[str, Any] = {} if run == chosen else {"value": run}  # a late answer takes no newer choice back
    return gr.update(choices=names, **value), gr.update(visible=not known), gr.update(visible=bool(known))


def fields_of(workspace: Workspace, language: str, run: str | None) -> tuple[Any, Any]:
    """The two fields under names that fit what the run learnt; what is typed stays."""
    if not run:
        return gr.skip(), gr.skip()
    kind = workspace.run(run).config.task.INPUT  # type: ignore[union-attr]
    return (
        gr.update(label=say(f"try.input.{kind}", language)),
        gr.update(label=say(f"try.second.{kind}", language), visible=kind != "words"),
    )


def try_text(workspace: Workspace, language: str, run: str, text: str, second: str) -> tuple[str, str]:
    """Both models on one text."""
    predictor = workspace.predictor(workspace.run(run))
    item = predictor.read({"text": text, "text_pair": second, "history": text, "candidates": second})
    return tuple(  # type: ignore[return-value]
        prediction_view.prediction(found[0], language) if found else say("try.base_cannot", language)
        for found in (predictor.predict([item], side) for side in ("base", "tuned"))
    )


def try_table(workspace: Workspace, language: str, run: str, file: str | None) -> tuple[Any, Any]:
    """Predictions for an uploaded table: the first rows on the page, all of them to be downloaded."""
    if not file:
        return gr.update(visible=False), gr.update(visible=False)
    predictor = workspace.predictor(workspace.run(run))
    progress = gr.Progress()
    rows = predict_rows(
        predictor, stream_rows(Path(file)), tell=lambda done: progress((done, None), unit=say("try.rows", language))
    )
    target = Path(tempfile.mkdtemp()) / f"{Path(file).stem}-predictions.csv"
    shown: list[list[Any]] = []
    with target.open("w", encoding="utf-8-sig", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["row", "prediction", "scores"])
        for row in rows:
            cells = table_row(row)
            writer.writerow(cells)
            if len(shown) < SHOWN_ROWS:
                shown.append(cells)
    if not shown:
        raise DataError("data.empty_file", source=Path(file).name)
    headers = [say(f"try.column.{name}", language) for name in ("row", "prediction", "scores")]
    return gr.update(value={"headers": headers, "data": shown}, visible=True), gr.update(
        value=str(target), visible=True
    )


def table_row(row: dict[str, Any]) -> list[Any]:
    """Line, what was predicted in words, and the scores as JSON."""
    if "error" in row:
        return [row["row"], row["error"], ""]
    if "entities" in row:
        said = "; ".join(f"{each['text']} [{each['type']}]" for each in row["entities"])
    elif "ranking" in row:
        said = " | ".join(row["ranking"])
    else:
        said = ", ".join(row["label"]) if isinstance(row["label"], list) else str(row["label"])
    scores = row["scores"]
    small = {k: round(v, 4) for k, v in scores.items()} if isinstance(scores, dict) else [round(v, 4) for v in scores]
    return [row["row"], said, json.dumps(small, ensure_ascii=False)]


def judge_run(workspace: Workspace, language: str, run: str) -> tuple[Any, ...]:
    """Metrics of both models on the test split, and where labels are confused."""
    found = workspace.run(run)
    predictor, config = workspace.predictor(found), found.config
    held = split(load(config.data).rows, config.data).test
    items = [row.item for row in islice(held, JUDGED_ROWS) if isinstance(row.item, config.task.ACCEPTS)]
    if not items:
        raise DataError("evaluate.empty_split", split="test", source=config.data.source)
    views, figures = [], []
    for side in ("base", "tuned"):
        scores = predictor.judge(items, side)
        title = say(f"try.{side}_name", language)
        views.append(prediction_view.metrics(scores, title, language))
        figures.append(_plot(task_charts.confusion_figure(scores, title, language)) if "confusion" in scores else None)
    return (*views, *(gr.update(value=each, visible=each is not None) for each in figures))


def _plot(figure: dict[str, Any]) -> Any:
    import plotly.graph_objects as go

    return go.Figure(figure)
