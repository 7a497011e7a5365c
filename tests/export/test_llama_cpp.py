"""What llama.cpp answers from an exported file, against what this program answers.

Opt-in, since llama-cpp-python takes a quarter of an hour to build: without `CHATGUI_LLAMA_PYTHON`, a Python that has
it, these tests are not collected.
"""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chatgui.export.options import ExportConfig
from chatgui.runs.export import export_run
from chatgui.runs.store import Run
from tests.export.conftest import make_run

PYTHON = os.environ.get("CHATGUI_LLAMA_PYTHON", "")
NEW_TOKENS = 32
WORDS = ("order", "refund", "delivery", "password", "天气", "订单", "thanks", "Where is it?", "help me", "size L")
PROMPTS = [[{"role": "user", "content": f"{word} {number}"}] for number in (1, 2) for word in WORDS]
ASK = """
import json, sys
from llama_cpp import Llama
from llama_cpp.llama_chat_format import Jinja2ChatFormatter
model = Llama(sys.argv[1], n_ctx=256, verbose=False, logits_all=False, n_threads=2)
special = lambda id_: model._model.token_get_text(id_) if id_ >= 0 else ""
form = Jinja2ChatFormatter(template=model.metadata["tokenizer.chat_template"], eos_token=special(model.token_eos()),
                           bos_token=special(model.token_bos()), add_generation_prompt=True)
for line in sys.stdin:
    asked = json.loads(line)
    ids = model.tokenize(form(messages=asked["messages"]).prompt.encode(), add_bos=False, special=True)
    reply = []
    model.reset()
    for id_ in model.generate(asked["ids"], temp=0.0, repeat_penalty=1.0, top_k=1):
        if id_ in asked["stop"] or len(reply) == asked["most"]:
            break
        reply.append(id_)
    print(json.dumps({"ids": ids, "reply": reply}), flush=True)
"""


def ask_llama_cpp(file: Path, questions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    done = subprocess.run(
        [PYTHON, "-c", ASK, str(file)], input="\n".join(map(json.dumps, questions)), stdout=subprocess.PIPE, text=True,
        timeout=280, check=True,
    )  # fmt: skip
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def greedy(run: Run) -> tuple[list[dict[str, Any]], list[list[int]]]:
    """Questions for llama.cpp, and this program's own greedy replies (plain loop over the merged model)."""
    import torch

    from chatgui.export.merged import whole
    from chatgui.models import stop_ids

    result = whole(run.config, run.model_folder)
    stop = stop_ids(result.model, result.template)
    questions, replies = [], []
    for messages in PROMPTS:
        ids = result.template.prompt_ids(messages)
        with torch.inference_mode():
            out = result.model.generate(
                torch.tensor([ids]), attention_mask=torch.ones(1, len(ids)), do_sample=False, max_new_tokens=NEW_TOKENS,
                eos_token_id=sorted(stop), pad_token_id=min(stop),
            )[0, len(ids) :].tolist()  # fmt: skip
        questions.append({"messages": messages, "ids": ids, "stop": sorted(stop), "most": NEW_TOKENS})
        replies.append([id_ for id_ in out if id_ not in stop])
    return questions, replies


def equal(run: Run, folder: Path, quantization: str) -> tuple[int, int]:
    """Of the 20 prompts: how many are split into the same ids, and how many are answered alike."""
    questions, replies = greedy(run)
    export_run(run, ExportConfig.model_validate({"format": "gguf", "quantization": quantization}), folder)
    answers = ask_llama_cpp(next(folder.glob("*.gguf")), questions)
    assert len(answers) == len(PROMPTS)
    same_ids = sum(answer["ids"] == question["ids"] for answer, question in zip(answers, questions, strict=True))
    return same_ids, sum(answer["reply"] == reply for answer, reply in zip(answers, replies, strict=True))


@pytest.mark.parametrize("shape", ["gpt2", "llama", "qwen2", "qwen3"])
def test_llama_cpp_reads_every_shape_as_it_was_written(
    finished: Callable[..., Run], tmp_path: Path, shape: str
) -> None:
    """Random weights: the best two tokens are often so close that llama.cpp's GELU table decides between them."""
    ids, replies = equal(finished(shape), tmp_path / "f32", "f32")
    assert ids == 20
    assert replies >= 14  # a weight in the wrong place gives none


def test_llama_cpp_answers_like_the_starter(home: Path, tmp_path: Path) -> None:
    from chatgui.models import STARTER

    run = make_run(home, STARTER)
    assert equal(run, tmp_path / "f32", "f32") == (20, 20)
    ids, replies = equal(run, tmp_path / "f16", "f16")
    assert ids == 20
    assert replies >= 18


def test_llama_cpp_answers_like_a_llama_with_byte_fallback(home: Path, shared: Path, tmp_path: Path) -> None:
    run = make_run(home, shared / "models" / "tinyllama-stories-260k")
    assert equal(run, tmp_path / "f32", "f32") == (20, 20)
