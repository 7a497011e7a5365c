"""On a Space with OAuth, who has signed in with the hub uploads a run there in their own name."""
# ruff: noqa: F811  an imported fixture is no redefinition

from pathlib import Path
from typing import Any

import pytest

from chatgui.errors import ModelError
from chatgui.models import STARTER
from chatgui.runs.workspace import Workspace
from chatgui.ui import space as spaces
from chatgui.ui.tabs.runs import push
from tests.export.conftest import make_run
from tests.export.test_push import TOKEN, Hub, hub  # noqa: F401  a fixture

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")
OAUTH = {
    "OAUTH_CLIENT_ID": "the-space", "OAUTH_CLIENT_SECRET": "secret", "OAUTH_SCOPES": "openid profile contribute-repos",
    "OPENID_PROVIDER_URL": "http://127.0.0.1:9",
}  # fmt: skip


def test_the_account_counts_when_no_token_is_typed(
    hub: Hub,
    home: Path,
) -> None:
    run = make_run(home, STARTER)
    options: dict[str, Any] = {"export.format": "adapter"}
    asked = {"chosen": (run.id,), "name": "bot", "token": "", "public": False, "update": False, **options}
    with pytest.raises(ModelError, match="no token"):
        list(push(Workspace(run.folder.parents[1]), "en", **asked))
    *_, (said, left) = push(Workspace(run.folder.parents[1]), "en", **asked, account=TOKEN)
    assert (said, left) == (f"Uploaded: {hub.address}/ada/bot", "")


def test_nobody_can_sign_in_where_the_space_is_no_oauth_app(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"SYSTEM": "spaces", "SPACE_ID": "a/b", **OAUTH}.items():
        monkeypatch.setenv(name, value)
    assert spaces.can_sign_in()
    monkeypatch.delenv("OAUTH_SCOPES")
    assert not spaces.can_sign_in()
    monkeypatch.setenv("OAUTH_SCOPES", "openid")
    monkeypatch.delenv("SPACE_ID")
    assert not spaces.can_sign_in()
