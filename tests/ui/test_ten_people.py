"""Ten people at once: ten browsers chat against one server on the starter."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chatgui.adapters.lora import Lora
from chatgui.config import RunConfig
from chatgui.data.load import DataConfig
from chatgui.models import STARTER
from chatgui.runs.store import Run, create_run

PEOPLE = 10
ANSWER_MILLISECONDS = 120_000
pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def starter_run(shared_home: Path, conversations: Path) -> Run:
    """A finished run on the starter whose adapter changes its answers."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    (shared_home / "runs").mkdir(parents=True)
    config = RunConfig(data=DataConfig(source=str(conversations), test_fraction=0.4), adapter=Lora(rank=4))
    run = create_run(shared_home, config, "finished")
    torch.manual_seed(1)
    adapter = LoraConfig(
        task_type="CAUSAL_LM",
        r=4,
        lora_alpha=4,
        target_modules="all-linear",
        fan_in_fan_out=True,
        init_lora_weights=False,
    )
    get_peft_model(AutoModelForCausalLM.from_pretrained(STARTER), adapter).save_pretrained(run.model_folder)
    AutoTokenizer.from_pretrained(STARTER).save_pretrained(run.model_folder)
    return run


def test_ten_browsers_get_their_own_answers_from_one_server(
    starter_run: Run, server: Any, open_page: Callable[..., Any]
) -> None:
    client = pytest.importorskip("gradio_client").Client(server.url, verbose=False)
    questions = [f"Question of person {person}: where is my order {person * 37}?" for person in range(PEOPLE)]
    pages = [open_page(server.url) for _ in questions]
    for page in pages:
        page.locator("#tab-chat-button, #tabs [role=tab]").nth(2).click()
        page.locator("#chat-message textarea").wait_for()
    for page, question in zip(pages, questions, strict=True):
        page.locator("#chat-message textarea").fill(question)
        page.locator("#chat-message textarea").press("Enter")
    began = time.monotonic()
    pages[0].locator("#tabs [role=tab]").nth(0).click()  # others wait for answers: the page must not
    pages[0].locator("#dataset").wait_for(timeout=15_000)
    pages[0].locator("#tabs [role=tab]").nth(2).click()
    assert time.monotonic() - began < 15
    for page, question in zip(pages, questions, strict=True):
        page.locator("#chat-note [data-places]").wait_for(state="attached", timeout=ANSWER_MILLISECONDS)
        alone = client.predict(run=starter_run.id, message=question, api_name="/compare")
        assert page.locator("#chat-base [data-testid=user]").all_inner_texts() == [question]
        for side in ("base", "tuned"):
            shown = page.locator(f"#chat-{side} [data-testid=bot]").last.text_content()
            assert shown == (alone[side]["text"] or "\u2026")
