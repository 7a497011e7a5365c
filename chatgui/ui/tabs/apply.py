"""Apply: a support assistant over one's own documents, a monitor of sentiment, a recommender: what runs are for."""

import gradio as gr

from chatgui.ui.apply import monitor, recommender, support
from chatgui.ui.session import Session, label

TITLE = "tab.apply"


def build(session: Session) -> None:
    """The three applications."""
    with gr.Tabs(elem_id="apply"):
        with gr.Tab(label("apply.support"), id="support", elem_id="apply-support"):
            support.draw(session)
        with gr.Tab(label("apply.monitor"), id="monitor", elem_id="apply-monitor"):
            monitor.draw(session)
        with gr.Tab(label("apply.recommend"), id="recommend", elem_id="apply-recommend"):
            recommender.draw(session)
