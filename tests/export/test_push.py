"""Uploads through huggingface_hub's own code to a stand-in that speaks the hub's protocol on this machine."""

import base64
import hashlib
import json
import logging
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from huggingface_hub import constants

from chatgui.cli import main
from chatgui.errors import ModelError
from chatgui.export.options import ExportConfig
from chatgui.export.push import push
from chatgui.runs.export import push_run
from chatgui.runs.store import Run

# the hub's library hands bytes to httpx in an older way
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

TOKEN = "hf_SecretSecretSecretSecretSecret00"
READER = "hf_MayOnlyReadMayOnlyReadMayOnly00"


class Hub(ThreadingHTTPServer):
    """Repositories with their files, and what was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.address = f"http://127.0.0.1:{self.server_port}"
        self.private: dict[str, bool] = {}
        self.files: dict[str, dict[str, bytes]] = {}
        self.stored: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.broken = False
        self.full = False


class Answer(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments: object) -> None:
        pass

    def reply(self, status: int, row: Any) -> None:
        body = json.dumps(row).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(body)

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        self.server.asked.append(path)
        known = self.headers.get("Authorization") in (f"Bearer {TOKEN}", f"Bearer {READER}")
        if not known:
            return self.reply(401, {"error": "Invalid user token."})
        if path == "/api/whoami-v2":
            return self.reply(200, {"name": "ada", "type": "user", "orgs": []})
        return self.reply(404, {"error": f"nothing at {path}"})

    def do_PUT(self) -> None:
        self.server.stored[self.path.rpartition("/")[2]] = self.body()
        self.reply(403 if self.server.full else 200, {})

    def do_POST(self) -> None:
        path, body, hub = urlsplit(self.path).path, self.body(), self.server
        hub.asked.append(path)
        if self.headers.get("Authorization") == f"Bearer {READER}":
            return self.reply(403, {"error": "You need write access"})
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self.reply(401, {"error": "Invalid user token."})
        if hub.broken:
            return self.reply(400, {"error": f"storage is full, says {TOKEN}"})
        if path == "/api/repos/create":
            asked = json.loads(body)
            name = f"{asked.get('organization') or 'ada'}/{asked['name']}"
            if name in hub.files:
                return self.reply(409, {"error": "You already created this model repo", "url": f"{hub.address}/{name}"})
            hub.files[name], hub.private[name] = {}, asked.get("visibility") == "private" or bool(asked.get("private"))
            return self.reply(200, {"url": f"{hub.address}/{name}", "name": name})
        if path == "/api/validate-yaml":  # of the card, before anything goes up
            return self.reply(200, {"errors": [], "warnings": []})
        if "/preupload/" in path:
            return self.reply(200, {"files": [
                {"path": each["path"], "shouldIgnore": False,
                 "uploadMode": "lfs" if each["path"].endswith((".safetensors", ".gguf", ".png")) else "regular"}
                for each in json.loads(body)["files"]
            ]})  # fmt: skip
        if path.endswith("/info/lfs/objects/batch"):
            return self.reply(200, {"transfer": "basic", "objects": [
                {**each, "actions": {"upload": {"href": f"{hub.address}/store/{each['oid']}"}}}
                for each in json.loads(body)["objects"]
            ]})  # fmt: skip
        if "/commit/" in path:
            files = hub.files[path.removeprefix("/api/models/").partition("/commit/")[0]]
            for line in map(json.loads, body.splitlines()):
                value = line["value"]
                if line["key"] == "file":
                    files[value["path"]] = base64.b64decode(value["content"])
                elif line["key"] == "lfsFile":
                    files[value["path"]] = hub.stored[value["oid"]]
                    assert hashlib.sha256(files[value["path"]]).hexdigest() == value["oid"]
            return self.reply(
                200, {"commitUrl": f"{hub.address}/ada/bot/commit/{'0' * 40}", "commitOid": "0" * 40, "success": True}
            )
        return self.reply(404, {"error": f"nothing at {path}"})


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    server = Hub()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)  # the stand-in stores by plain LFS
    monkeypatch.setattr(constants, "ENDPOINT", server.address)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "out"
    made.mkdir()
    (made / "README.md").write_text("# card", encoding="utf-8")
    (made / "model.safetensors").write_bytes(bytes(range(256)) * 40)
    return made


def test_a_run_goes_up_with_its_card_and_is_private(hub: Hub, finished: Callable[..., Run]) -> None:
    run = finished("gpt2")
    stages: list[str] = []
    row = push_run(run, ExportConfig(), "support-bot", TOKEN, tell=stages.append)
    files = hub.files["ada/support-bot"]
    assert row["path"] == f"{hub.address}/ada/support-bot"
    assert {"README.md", "adapter_config.json", "adapter_model.safetensors", "tokenizer.json"} <= files.keys()
    assert files["adapter_model.safetensors"] == (run.model_folder / "adapter_model.safetensors").read_bytes()
    assert f"# {run.id}" in files["README.md"].decode()
    assert hub.private == {"ada/support-bot": True}
    assert stages == ["export.copying", "hub.uploading"]


def test_the_token_is_nowhere_but_in_the_requests(
    hub: Hub, finished: Callable[..., Run], caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    run = finished("gpt2")
    row = push_run(run, ExportConfig(), "bot", TOKEN)
    hub.broken = True
    with pytest.raises(ModelError, match="storage is full") as raised:
        push_run(run, ExportConfig(), "bot2", TOKEN)
    told = [caplog.text, *capfd.readouterr(), str(row), raised.value.text("en"), raised.value.text("zh")]
    kept = [file.read_bytes() for file in run.folder.rglob("*") if file.is_file()]
    assert not any(TOKEN in text for text in told)
    assert not any(TOKEN.encode() in content for content in kept)
    assert raised.value.__cause__ is None


def test_a_name_that_is_taken_can_be_updated_when_that_is_wished(hub: Hub, folder: Path) -> None:
    push(folder, "ada/bot", TOKEN, private=False)
    assert hub.private == {"ada/bot": False}
    with pytest.raises(ModelError, match="ada/bot already"):
        push(folder, "ada/bot", TOKEN)
    (folder / "README.md").write_text("# another", encoding="utf-8")
    push(folder, "ada/bot", TOKEN, update=True)
    assert hub.files["ada/bot"]["README.md"] == b"# another"


@pytest.mark.parametrize(
    ("name", "token", "sentence"),
    [
        ("bot", "hf_nobody", "does not know this token"),
        ("ada/bot", READER, "may not write to ada/bot"),
        ("bot with spaces", TOKEN, "does not allow the name"),
        ("bot", None, "no token"),
        ("bot", "   ", "no token"),
    ],
)
def test_what_the_hub_does_not_take_is_told(
    hub: Hub, folder: Path, name: str, token: str | None, sentence: str
) -> None:
    with pytest.raises(ModelError, match=sentence):
        push(folder, name, token)
    assert hub.files == {}


def test_without_a_network_it_says_so_at_once(hub: Hub, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ModelError, match=r"127.0.0.1:9 cannot be reached"):
        push(folder, "bot", TOKEN)


def test_the_command_uses_the_token_of_the_environment(
    hub: Hub, finished: Callable[..., Run], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = finished("gpt2")
    assert main(["export", run.id, "--push", "bot"]) == 2
    assert "no token" in capsys.readouterr().err
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert main(["export", run.id, "--push", "bot", "--public", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["path"] == f"{hub.address}/ada/bot"
    assert hub.private == {"ada/bot": False}
    assert main(["export", run.id]) == 2
    assert "--out DIR" in capsys.readouterr().err


def test_a_file_that_does_not_get_through_is_told(hub: Hub, folder: Path) -> None:
    hub.full = True
    with pytest.raises(ModelError, match=r"refused ada/bot: Error while uploading 'model.safetensors'"):
        push(folder, "bot", TOKEN)
    hub.full = False
    push(folder, "bot", TOKEN, update=True)
    assert hub.files["ada/bot"]["model.safetensors"] == (folder / "model.safetensors").read_bytes()
