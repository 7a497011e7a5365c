"""The support assistant: a question, an answer from one's own documents with its sources, and the answer without."""

import html
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import gradio as gr

from chatgui.config import GenerationConfig
from chatgui.errors import DataError
from chatgui.fields import build as build_config
from chatgui.generation.assistant import Hit, Retrieval, answer, sample_documents
from chatgui.runs.workspace import Workspace
from chatgui.text import say
from chatgui.ui.apply.choosing import MODEL, run_chooser
from chatgui.ui.session import QUIET, Session, bind, label


def draw(session: Session) -> None:
    gr.Markdown(label("apply.support.help"))
    chooser = run_chooser(session, "chat", "support-run")
    with gr.Row(equal_height=False):
        files = gr.File(
            label=label("apply.documents"), file_count="multiple", type="filepath", elem_id="support-files", scale=2,
            min_width=300,
        )  # fmt: skip
        with gr.Column(scale=1, min_width=240):
            sample = gr.Button(label("apply.sample_documents"), elem_id="support-sample")
            passages = gr.Number(2, label=label("apply.passages"), precision=0, minimum=1, maximum=10)
            threshold = gr.Slider(0, 1, 0.3, step=0.05, label=label("apply.threshold"), elem_id="support-threshold")
            embeddings = gr.Textbox(
                label=label("apply.embeddings"), info=label("apply.embeddings.help"), elem_id="support-embeddings"
            )
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
        bind(support, session.workspace),
        [chooser, files, question, passages, threshold, embeddings],
        [grounded, plain],
        **MODEL,
    )


def use_sample_documents(language: str) -> list[str]:
    """Copies of the bundled documents: the page serves no file from where the program lies."""
    folder = Path(tempfile.mkdtemp())
    return [str(shutil.copy(file, folder)) for file in sample_documents()]


def support(
    workspace: Workspace, language: str, run: str | None, files: list[str] | None, question: str, passages: float,
    threshold: float, embeddings: str = "",
) -> tuple[str, str]:  # fmt: skip
    """A reply with its sources, and the reply without; "I don't know" and a person where no document fits."""
    if not files:
        raise DataError("apply.no_documents")
    if not question.strip():
        raise DataError("data.empty_field", field="question")
    library = workspace.library(tuple(files))
    began = time.monotonic()
    values = {"passages": int(passages), "threshold": threshold, "embeddings": embeddings.strip()}
    hits = library.search(question, build_config(Retrieval, values))
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
        f"<details open><summary>{html.escape(hit.passage.source)} · {_why(hit, language)}</summary>"
        f"<p>{html.escape(hit.passage.text)}</p></details>"
        for hit in hits
    )
    reply = f"<p>{html.escape(said['with'])}</p>" if said["with"] else ""
    return f"{reply}<h4>{say('apply.sources', language)}</h4>{sources}{spent}", plain


def _why(hit: Hit, language: str) -> str:
    """What a passage was found by."""
    covered = say("apply.covered", language, share=f"{hit.covered:.0%}")
    if hit.likeness is None:
        return covered
    return f"{covered} · {say('apply.likeness', language, cosine=f'{hit.likeness:.2f}')}"


def _hand_over(question: str, language: str) -> str:
    """What a person is asked instead, with a letter to them already begun."""
    subject, link = say("apply.hand_over_subject", language), say("apply.hand_over_link", language)
    address = f"mailto:?subject={quote(subject)}&body={quote(question)}"
    sentence = say("apply.hand_over", language)
    return f'<p class="hand-over">{sentence} <a href="{html.escape(address)}">{html.escape(link)}</a></p>'
