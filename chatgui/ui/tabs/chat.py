"""To be written."""

import gradio as gr

TITLE = "tab.chat"


def build(session):
    gr.Markdown("…")
