from pathlib import Path

import pytest

from chatgui.errors import DataError
from chatgui.runs.workspace import Workspace
from chatgui.text import say
from chatgui.ui.apply.support import support, use_sample_documents


def test_the_assistant_shows_its_sources_or_hands_over(workspace: Workspace, tmp_path: Path) -> None:
    file = tmp_path / "faq.csv"
    file.write_text("question,answer\nReturns?,Within <30> days.\nOpening hours?,Until six.\n", encoding="utf-8")
    grounded, plain = support(workspace, "en", None, [str(file)], "What about returns?", 2, 0.3)
    assert "Within &lt;30&gt; days." in grounded
    assert plain == f"<p>{say('apply.no_chat_run', 'en')}</p>"
    unknown, _ = support(workspace, "en", None, [str(file)], "Quantum physics", 2, 0.3)
    assert say("apply.hand_over", "en") in unknown


def test_the_sample_documents_answer_in_both_languages(workspace: Workspace) -> None:
    files = use_sample_documents("en")
    for question, answer in (("How long can I return shoes?", "within 30 days"), ("退款多久到账？", "5个工作日内")):
        grounded, _ = support(workspace, "en", None, files, question, 2, 0.3)
        assert answer in grounded


def test_the_question_is_in_the_letter_to_a_person(workspace: Workspace) -> None:
    unknown, _ = support(workspace, "en", None, use_sample_documents("en"), "Zebra & <quantum>?", 2, 0.3)
    assert "mailto:?subject=" in unknown and "Zebra%20%26%20%3Cquantum%3E%3F" in unknown


def test_a_question_without_documents_is_refused(workspace: Workspace) -> None:
    with pytest.raises(DataError, match="no documents"):
        support(workspace, "en", None, None, "q", 2, 1)
