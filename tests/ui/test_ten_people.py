"""Ten people at once chat with one server on the starter: as scripts, and in ten browsers."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from chatgui.adapters.lora import Lora
from chatgui.config import RunConfig
from chatgui.data.load import DataConfig
from chatgui.models import STARTER
from chatgui.runs.store import Run, create_run

PEOPLE = 10
pytestmark = pytest.mark.slow


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


def test_ten_people_get_their_own_answers_from_one_server(starter_run: Run, server: Any) -> None:
    client_of = pytest.importorskip("gradio_client").Client
    questions = [f"Question of person {person}: where is my order {person * 37}?" for person in range(PEOPLE)]
    clients = [client_of(server.url, verbose=False) for _ in questions]

    def ask(client: Any, question: str) -> Any:
        return client.predict(run=starter_run.id, message=question, max_new_tokens=48, api_name="/compare")

    with ThreadPoolExecutor(PEOPLE) as people:
        together = list(people.map(ask, clients, questions))
    alone = [ask(clients[0], question) for question in questions[::3]]
    assert [row["prompt"][-1]["content"] for row in together] == questions
    assert [row[side]["ids"] for row in together[::3] for side in ("base", "tuned")] == [
        row[side]["ids"] for row in alone for side in ("base", "tuned")
    ]
    assert len({tuple(row["tuned"]["ids"]) for row in together}) == PEOPLE


@pytest.mark.browser
@pytest.mark.timeout(600)
def test_ten_browsers_get_their_own_answers_and_stay_responsive(
    starter_run: Run, server: Any, open_page: Callable[..., Any]
) -> None:
    client = pytest.importorskip("gradio_client").Client(server.url, verbose=False)
    questions = [f"Person {person} asks: where is my order {person * 37}?" for person in range(PEOPLE)]
    pages = [open_chat(open_page, server.url) for _ in questions]
    for page, question in zip(pages, questions, strict=True):
        page.locator("#chat-message textarea").fill(question)
    with answering(starter_run, server.url) as answered:
        for page in pages:
            page.locator("#chat-message textarea").press("Enter")
        pages[0].locator("#tabs").get_by_role("tab", name="Train", exact=True).click()
        pages[0].locator("dl.ready").wait_for()
    assert all(count.result() for count in answered)
    for page, question in zip(pages, questions, strict=True):
        page.locator("#chat-send").wait_for(state="attached")
        page.locator("#chat-note [data-places]").wait_for(state="attached", timeout=180_000)
        for side in ("base", "tuned"):
            assert page.locator(f"#chat-{side} [data-testid=user]").all_text_contents() == [question]
    for page, question in list(zip(pages, questions, strict=True))[::3]:
        alone = client.predict(run=starter_run.id, message=question, api_name="/compare")
        for side in ("base", "tuned"):
            assert page.locator(f"#chat-{side} [data-testid=bot]").text_content() == alone[side]["text"]
    replies = [page.locator("#chat-tuned [data-testid=bot]").text_content() for page in pages]
    assert len(set(replies)) == PEOPLE


@contextmanager
def answering(run: Run, url: str) -> Iterator[list[Future[int]]]:
    """While it lasts the server makes replies, however fast it is. Gives how many, for each of two who ask."""
    client_of = pytest.importorskip("gradio_client").Client
    over = Event()

    def keep_asking(client: Any) -> int:
        count = 0
        while not over.is_set():
            row = client.predict(run=run.id, message="And then?", max_new_tokens=48, api_name="/compare")
            count += bool(row["base"]["ids"] and row["tuned"]["ids"])
        return count

    with ThreadPoolExecutor(2) as people:
        counts = [people.submit(keep_asking, client_of(url, verbose=False)) for _ in range(2)]
        try:
            yield counts
        finally:
            over.set()


def open_chat(open_page: Callable[..., Any], url: str) -> Any:
    """A page of its own, at the Chat tab and ready to send."""
    page = open_page(url)
    page.locator("#tabs").get_by_role("tab", name="Chat", exact=True).click()
    page.locator("#chat-suggestions button").first.wait_for()
    return page
