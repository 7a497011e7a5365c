import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from huggingface_hub import constants

from chatgui.hub import answers, look_for_hub


class Silent(BaseHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def missing_page() -> Iterator[str]:
    """Address of a server that answers 501 to everything."""
    server = HTTPServer(("127.0.0.1", 0), Silent)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def nobody() -> str:
    """Address of a port where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


@pytest.fixture
def no_wish(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine whose owner said nothing about the hub."""
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)  # put back at the end, whatever was set in between


def test_a_host_that_answers_anything_is_there(missing_page: str) -> None:
    assert answers(missing_page)


def test_a_port_where_nobody_listens_is_no_hub(nobody: str) -> None:
    assert not answers(nobody)


def test_a_host_without_an_address_is_no_hub() -> None:
    assert not answers("http://hub.invalid")


def test_without_a_network_the_hubs_libraries_keep_to_what_they_have(
    no_wish: None, nobody: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", nobody)
    assert not look_for_hub()
    assert constants.is_offline_mode()


def test_a_network_that_came_back_is_used_again(
    no_wish: None, nobody: str, missing_page: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", nobody)
    look_for_hub()
    monkeypatch.setattr(constants, "ENDPOINT", missing_page)
    assert look_for_hub()
    assert not constants.is_offline_mode()


def test_whoever_asked_for_no_network_gets_none(missing_page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", missing_page)
    assert not look_for_hub()  # the tests run with HF_HUB_OFFLINE=1
