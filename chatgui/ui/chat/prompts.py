"""Prompts of a run's test split, for those who do not know what to ask."""

import random
from typing import Any

import gradio as gr

from chatgui.errors import ChatGuiError
from chatgui.generation import compare
from chatgui.generation.compare import Messages
from chatgui.runs.workspace import Workspace
from chatgui.text import say

SUGGESTIONS = 3
SUGGESTION_LETTERS = 60


def suggestions(workspace: Workspace, language: str, run: str) -> list[Messages]:
    """A few short prompts of the run's test split: questions in the reader's language first."""

    def rank(prompt: Messages) -> tuple[bool, bool]:
        text = prompt[-1]["content"].rstrip()
        return _is_chinese(text) != (language == "zh"), not text.endswith(("?", "？"))

    short = [prompt for prompt in _test_prompts(workspace, run) if len(prompt[-1]["content"]) <= SUGGESTION_LETTERS]
    return sorted(short, key=rank)[:SUGGESTIONS]


def random_prompt(workspace: Workspace, language: str, run: str) -> tuple[Any, Any]:
    """A test prompt for the message box, with its system message if it has one."""
    prompts = _test_prompts(workspace, run)
    if not prompts:
        gr.Info(say("chat.no_prompts", language), title="ChatGUI")
        return gr.skip(), gr.skip()
    prompt = random.choice(prompts)
    return prompt[-1]["content"], prompt[0]["content"] if len(prompt) > 1 else gr.skip()


def _test_prompts(workspace: Workspace, run: str) -> list[Messages]:
    try:
        config = workspace.run(run).config
        return compare.test_prompts(config, workspace.dataset(config.data))
    except ChatGuiError:  # data that has moved, or without conversations: then there is nothing to suggest
        return []


def _is_chinese(text: str) -> bool:
    return any("\u4e00" <= letter <= "\u9fff" for letter in text)
