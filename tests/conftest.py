"""Small real things that the tests share: a tiny GPT-2 with a byte tokenizer, 24 conversations, an empty home."""

import os
import subprocess
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
os.environ |= {"HF_HUB_OFFLINE": "1", "LC_ALL": "C.UTF-8", "TOKENIZERS_PARALLELISM": "false"}
SPECIAL = ("<|endoftext|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>", "<|tool|>")
TEMPLATE = (
    "{%- for message in messages -%}"
    "{{ '<|' + message.role + '|>' }}"
    "{%- if message.role == 'assistant' -%}"
    "{% generation %}{{ message.content + '<|end|>' }}{% endgeneration %}"
    "{%- else -%}{{ message.content + '<|end|>' }}{%- endif -%}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}<|assistant|>{%- endif -%}"
)


BY_NAME_ONLY = ("quantized", "fresh", "trackers")
"""Marks of tests that run when they are asked for only: bitsandbytes slows every import of peft, a new environment
takes minutes to install, and the trackers bring many libraries of their own."""

FAILED = pytest.StashKey[bool]()
"""Whether a test has failed so far: a fixture's end may want to tell more."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what runs when it is asked for by name only."""
    unasked = [mark for mark in BY_NAME_ONLY if mark not in config.option.markexpr]
    aside = [item for item in items if any(item.get_closest_marker(mark) for mark in unasked)]
    config.hook.pytest_deselected(items=aside)
    items[:] = [item for item in items if item not in aside]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    report = _skip_is_a_failure_in_ci((yield))
    item.stash[FAILED] = item.stash.get(FAILED, False) or report.failed
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Generator[None, Any, Any]:
    return _skip_is_a_failure_in_ci((yield))


def _skip_is_a_failure_in_ci(report: Any) -> Any:
    """In CI a skipped test has not been run, and nobody would notice."""
    if os.environ.get("CHATGUI_CI") == "1" and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped in CI: {report.longrepr}"
    return report


@pytest.fixture
def shared() -> Path:
    """The folder of real data sets and tokenizers, which is not part of the repository."""
    folder = os.environ.get("CHATGUI_TEST_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("CHATGUI_TEST_DATA does not name the folder of test data")
    return Path(folder).absolute()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, which `$CHATGUI_HOME` names."""
    folder = tmp_path / "home"
    monkeypatch.setenv("CHATGUI_HOME", str(folder))
    return folder


@pytest.fixture(scope="session")
def conversations() -> Path:
    """24 conversations in English and Chinese, in the messages format."""
    return Path(__file__).with_name("conversations.jsonl")


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a GPT-2 with random weights, 256 positions, a byte tokenizer and a chat template with marks."""
    return make_model(tmp_path_factory.mktemp("models") / "tiny", TEMPLATE)


@pytest.fixture(scope="session")
def plain_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same without a chat template."""
    return make_model(tmp_path_factory.mktemp("models") / "plain", None)


def make_model(folder: Path, chat_template: str | None) -> Path:
    """Save the tiny GPT-2 with a chat template."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    tokenizer = make_tokenizer(chat_template)
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=len(tokenizer), n_positions=256, n_embd=32, n_layer=2, n_head=2, bos_token_id=0, eos_token_id=0,
        resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0,
    )  # fmt: skip
    GPT2LMHeadModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def make_tokenizer(chat_template: str | None) -> Any:
    """A token for each byte and for each of SPECIAL; nothing is ever unknown."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: index for index, token in enumerate([*SPECIAL, *letters])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=SPECIAL[0], eos_token=SPECIAL[0],
        additional_special_tokens=list(SPECIAL[1:]), clean_up_tokenization_spaces=False,
    )  # fmt: skip
    fast.chat_template = chat_template
    return fast


@pytest.fixture
def chatgui(home: Path) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Run `python -m chatgui …` in a process of its own."""

    def run(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "chatgui", *map(str, arguments)],
            cwd=ROOT, capture_output=True, text=True, encoding="utf-8", timeout=400,
        )  # fmt: skip

    return run


@pytest.fixture(scope="session")
def examples(conversations: Path) -> list[Any]:
    """The 24 conversations as the model is taught them."""
    from chatgui.data.load import DataConfig, load
    from chatgui.tasks.chat import Chat
    from chatgui.tokens.template import Template

    template = Template(make_tokenizer(TEMPLATE))
    return [Chat().make_example(row.item, template, 256) for row in load(DataConfig(source=str(conversations))).rows]


@pytest.fixture
def fresh_model(tiny_model: Path) -> Callable[..., Any]:
    """A new copy of the tiny model with an adapter that was drawn from seed 0."""

    import torch

    from chatgui.config import ModelConfig
    from chatgui.models import load_model

    def make(adapter: Any) -> Any:
        torch.manual_seed(0)
        config = ModelConfig(name=str(tiny_model))
        return adapter.attach(load_model(config, "AutoModelForCausalLM", torch.device("cpu"), torch.float32), 10)

    return make
