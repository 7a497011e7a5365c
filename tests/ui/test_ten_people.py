"""Ten people at once chat with one server on the starter."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
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
