"""The chat in a real browser, over the page's own server."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chatgui.runs.chats import Chats
from chatgui.runs.store import Run
from tests.finished import finished_run
from tests.ui.conftest import wait_until

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def served_run(shared_home: Path, tiny_model: Path, conversations: Path) -> Run:
    return finished_run(shared_home, tiny_model, conversations)


@pytest.fixture
def open_chat(served_run: Run, server: Any, open_page: Callable[..., Any]) -> Callable[..., Any]:
    """Open the page at the Chat tab."""

    def opened(**values: Any) -> Any:
        page = open_page(server.url, **values)
        page.locator("#tabs").get_by_role("tab").nth(2).click()
        page.locator("#chat-suggestions button").first.wait_for()
        return page

    return opened


def send(page: Any, message: str) -> None:
    """Type a message, press Enter, and wait for both replies."""
    box = page.locator("#chat-message textarea")
    box.fill(message)
    box.press("Enter")
    page.locator("#chat-base [data-testid=user]").last.filter(has_text=message).wait_for()
    page.locator("#chat-send").wait_for()
    page.locator("#chat-note [data-places]").wait_for(state="attached")


def limit_replies(page: Any) -> None:
    """What the tiny model says in full fills its context."""
    page.locator("#chat-settings button").first.click()
    limit = page.locator("#chat-settings").get_by_label("Max new tokens").first
    limit.fill("8")
    limit.press("Tab")


def test_a_chat_in_a_browser_marks_differences_and_outlives_a_reload(open_chat: Callable[..., Any]) -> None:
    page = open_chat()
    send(page, "<b>Hello</b> **you**")
    assert page.locator("#chat-tuned [data-testid=user]").inner_text() == "<b>Hello</b> **you**"
    page.wait_for_function("CSS.highlights.get('chat-difference')?.size === 2")
    assert "adapter off" in page.locator(".chat-receipt button").first.inner_text()
    heights = [page.locator(f"#chat-{side}").bounding_box()["height"] for side in ("base", "tuned")]
    assert heights[0] == heights[1]
    reply = page.locator("#chat-tuned [data-testid=bot]").inner_text()
    page.reload()
    page.locator("#tabs").get_by_role("tab").nth(2).click()
    page.locator("#chat-tuned [data-testid=bot]").wait_for()
    assert page.locator("#chat-tuned [data-testid=bot]").inner_text() == reply


def test_two_browsers_do_not_mix_and_a_phone_does_not_scroll_sideways(open_chat: Callable[..., Any]) -> None:
    first, second = open_chat(), open_chat(locale="zh-CN", width=390, height=844, dark=True)
    limit_replies(first)
    send(first, "one")
    send(second, "two")
    send(first, "three")
    texts = [page.locator("#chat-base [data-testid=user]").all_inner_texts() for page in (first, second)]
    assert texts == [["one", "three"], ["two"]]
    assert "适配器开" in second.locator(".chat-receipt button").last.inner_text()
    assert second.evaluate("document.documentElement.scrollWidth") == 390


def test_a_script_asks_through_the_page(served_run: Run, server: Any) -> None:
    client = pytest.importorskip("gradio_client").Client(server.url, verbose=False)
    row = client.predict(run=served_run.id, message="Hi", temperature=0, max_new_tokens=4, api_name="/compare")
    assert (row["run"], row["tuned"]["new_tokens"]) == (served_run.id, 4)


def test_turns_are_edited_retried_thumbed_and_reopened_in_a_browser(
    open_chat: Callable[..., Any], served_run: Run
) -> None:
    page = open_chat()
    limit_replies(page)
    send(page, "The <first> message")
    chats = Chats(served_run)
    page.locator("#chat-base [data-testid=user]").hover()
    page.locator("#chat-base").get_by_role("button", name="Edit").first.click()
    box = page.locator("#chat-base textarea")
    box.focus()
    assert box.input_value() == "The <first> message"
    box.fill("Said better")
    page.locator("#chat-base").get_by_role("button", name="Submit").click()
    page.locator("#chat-tuned [data-testid=user]").filter(has_text="Said better").wait_for()
    page.locator("#chat-send").wait_for()
    before = kept_turn(chats)
    page.locator("#chat-tuned").get_by_role("button", name="Retry").click()
    page.locator("#chat-note").get_by_text("drawn with different seeds").wait_for()
    after = kept_turn(chats)
    assert (after.question.message, after.answers[0]) == ("Said better", before.answers[0])
    assert after.answers[1].receipt["seed"] == before.answers[1].receipt["seed"] + 1
    page.locator("#chat-tuned").get_by_role("button", name="Like", exact=True).click()
    wait_until(lambda: kept_turn(chats).answers[1].good, 20)
    page.locator("#chat-tokens").click()
    assert page.locator(".chat-tokens .text").nth(3).inner_text().strip()
    page.locator("#chat-clear").click()
    page.locator("#chat-suggestions button").first.wait_for()
    page.locator("#chat-kept input").click()
    page.get_by_role("option", name="Said better").first.click()
    page.locator("#chat-tuned [data-testid=user]").filter(has_text="Said better").wait_for()


def kept_turn(chats: Chats) -> Any:
    """The last turn of the conversation that changed last, as it is on the disk."""
    return chats.read(chats.list()[0].id).exchanges[-1]


def test_enter_while_a_word_is_composed_sends_nothing_and_escape_stops(open_chat: Callable[..., Any]) -> None:
    page = open_chat()
    box = page.locator("#chat-message textarea")
    box.click()
    composer = page.context.new_cdp_session(page)
    composer.send("Input.imeSetComposition", {"text": "ni", "selectionStart": 2, "selectionEnd": 2})
    key = {"key": "Process", "code": "Enter", "windowsVirtualKeyCode": 229}
    composer.send("Input.dispatchKeyEvent", {"type": "rawKeyDown", **key})
    page.evaluate("""document.activeElement.dispatchEvent(
        new KeyboardEvent("keydown", {key: "Enter", isComposing: true, bubbles: true, cancelable: true}))""")
    composer.send("Input.insertText", {"text": "你好"})
    page.wait_for_timeout(500)
    assert (box.input_value(), page.locator("#chat-base [data-testid=user]").count()) == ("你好", 0)
    box.press("Enter")
    page.locator("#chat-stop").wait_for()
    box.press("Escape")
    page.locator("#chat-send").wait_for()
    assert page.locator("#chat-base [data-testid=user]").all_inner_texts() in (["你好"], [])
