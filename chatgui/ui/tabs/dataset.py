"""Dataset: choose what to learn from, see what was read, what was left out, and what exactly will be learnt."""

import gradio as gr

from chatgui.data.load import DataConfig
from chatgui.ui.dataset.editing import edit_view
from chatgui.ui.dataset.learnt import show_learnt
from chatgui.ui.dataset.mapping import mapping_form
from chatgui.ui.dataset.pages import draw_pager, draw_split, show_conversations, show_dropped, show_raw, wire_pages
from chatgui.ui.dataset.report import on_remedy, query_of, report_panel
from chatgui.ui.dataset.source import draw_endpoint, draw_source, wire_source
from chatgui.ui.dataset.summary import show_source
from chatgui.ui.session import QUIET, Selection, Session, bind, label

TITLE = "tab.dataset"


def build(session: Session) -> None:
    """The whole tab."""
    data = gr.State(DataConfig())
    wanted = gr.State(DataConfig().source)
    unmapped = gr.State("")
    with gr.Row(elem_id="dataset", equal_height=False):
        with gr.Column(scale=2, min_width=320):
            source = draw_source()
        with gr.Column(scale=5, min_width=320):
            with gr.Row(elem_id="dataset-top", equal_height=False):
                summary = gr.HTML(elem_id="dataset-summary")
                train = gr.Button(label("dataset.train"), variant="primary", elem_id="dataset-train", scale=0)
            mapping_form(session, unmapped, source.format)
            with gr.Tabs(elem_id="dataset-preview"):
                _conversations_tab(session, data)
                _report_tab(session)
                _raw_tab(session, data)
                _dropped_tab(session, data)
                _learnt_tab(session, data)
                with gr.Tab(label("dataset.edit"), id="edit", elem_id="dataset-edit"):
                    edit_view(session, data)
    session.selection.change(_data_of, session.selection, data, **QUIET)
    gr.on(
        [session.page.load, data.change], bind(show_source, session.workspace), data,
        [summary, source.sample], **QUIET,
    )  # fmt: skip
    wire_source(session, source, data, wanted, summary, unmapped)
    source.columns.click(lambda source: source, wanted, unmapped, **QUIET)
    train.click(lambda: gr.Tabs(selected="train"), None, session.tabs, **QUIET)
    draw_endpoint(session)


def _conversations_tab(session: Session, data: gr.State) -> None:
    with gr.Tab(label("dataset.conversations"), id="conversations", elem_id="dataset-conversations"):
        with gr.Row(elem_classes="pager"):
            pager = draw_pager("dataset.page")
            part = draw_split()
        cards = gr.HTML()
    wire_pages(session, show_conversations, [data, part], [cards], pager, first=[data.change, part.input])


def _report_tab(session: Session) -> None:
    with gr.Tab(label("dataset.report"), id="report", elem_id="dataset-report"):
        panel = report_panel(session.workspace)
    session.selection.change(query_of, session.selection, panel, **QUIET)
    panel.remedy(on_remedy, session.selection, session.selection, **QUIET)


def _raw_tab(session: Session, data: gr.State) -> None:
    with gr.Tab(label("dataset.raw"), id="raw", elem_id="dataset-raw"):
        with gr.Row(elem_classes="pager"):
            pager = draw_pager("dataset.page")
            part = draw_split()
        table = gr.Dataframe(interactive=False, wrap=True, show_label=False, buttons=[], max_height=640, datatype="str")
    wire_pages(session, show_raw, [data, part], [table], pager, first=[data.change, part.input])


def _dropped_tab(session: Session, data: gr.State) -> None:
    with gr.Tab(label("dataset.dropped"), id="dropped", elem_id="dataset-dropped") as tab:
        with gr.Row(elem_classes="pager"):
            pager = draw_pager("dataset.page")
        table = gr.HTML()
    wire_pages(session, show_dropped, [data], [table, tab], pager, first=[data.change])


def _learnt_tab(session: Session, data: gr.State) -> None:
    with gr.Tab(label("dataset.learnt"), id="learnt", elem_id="dataset-learnt") as tab:
        opened = gr.State(False)  # inside: Gradio counts every child of Tabs as a tab
        with gr.Row(elem_classes="pager"):
            pager = draw_pager("dataset.row")
            model = gr.Dropdown(
                ["starter"], value="starter", allow_custom_value=True, label=label("dataset.tokenizer"),
                elem_id="dataset-tokenizer", scale=0, min_width=330,
            )  # fmt: skip
        mask = gr.HighlightedText(
            label=label("dataset.mask"), combine_adjacent=False, show_legend=True, elem_id="dataset-mask",
        )  # fmt: skip
        facts = gr.HTML(elem_id="dataset-mask-facts")
    tab.select(lambda: True, None, opened, **QUIET)
    wire_pages(
        session, show_learnt, [data, model, opened, session.selection], [mask, facts], pager, first=[data.change],
        loads=False, again=[opened.change, model.change, session.selection.change], progress=mask,
    )  # fmt: skip
    session.selection.change(_model_of, session.selection, model, **QUIET)


def _model_of(selection: Selection) -> str:
    """The Train form's model; another tokenizer may be tried here until that changes."""
    return selection.teaching.model.name


def _data_of(selection: Selection) -> DataConfig:
    return selection.data
