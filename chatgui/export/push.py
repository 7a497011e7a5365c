"""A folder onto the Hugging Face hub, as a repository of the person whose token it is.

The token is used for the requests and nothing else: it is not kept, and no sentence or log holds it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from chatgui.errors import ModelError
from chatgui.hub import look_for_hub

STATUS = {401: "hub.bad_token", 403: "hub.not_allowed", 409: "hub.name_taken"}
"""Sentences by HTTP status."""
MESSAGE = "Upload from ChatGUI"


def push(folder: Path, name: str, token: str | None, *, private: bool = True, update: bool = False) -> str:
    """Upload all files and give the repository's address. A `name` without an owner is one of the token's.

    `update` allows a repository that exists. Without a token the one counts that `hf auth login` has kept, or
    $HF_TOKEN. Raises ModelError when the hub cannot be reached, does not know the token, or refuses the name.
    """
    from huggingface_hub import HfApi, constants, get_token
    from huggingface_hub.utils import disable_progress_bars

    token = (token or "").strip() or get_token()
    if not token:
        raise ModelError("hub.no_token")
    if not look_for_hub():
        raise ModelError("hub.no_network", host=constants.ENDPOINT)
    disable_progress_bars()
    api = HfApi(endpoint=constants.ENDPOINT, token=token, library_name="chatgui")
    with _told(name, token):
        repository = name if "/" in name else f"{api.whoami()['name']}/{name}"
        address = api.create_repo(repository, private=private, exist_ok=update)
    with _told(repository, token):
        api.upload_folder(repo_id=repository, folder_path=folder, commit_message=MESSAGE)
    return str(address)


@contextmanager
def _told(name: str, token: str) -> Iterator[None]:
    """What the hub's library raises as a sentence, without the token."""
    import httpx
    from huggingface_hub import constants
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled

    try:
        yield
    except HFValidationError as error:
        raise ModelError("hub.bad_name", name=name) from error
    except HfHubHTTPError as error:
        status = error.response.status_code
        key = STATUS.get(status, "hub.refused")
        reason = f"{status} {error.server_message or ''}".strip().replace(token, "…")
        raise ModelError(key, name=name, **_reason(key, reason)) from None  # the request in it holds the token
    except (httpx.TransportError, OfflineModeIsEnabled) as error:
        raise ModelError("hub.no_network", host=constants.ENDPOINT) from error
    except (RuntimeError, ValueError) as error:  # a file that did not get through, or was refused by the storage
        reason = f"{error} {error.__cause__ or ''}".strip().replace(token, "…")
        raise ModelError("hub.refused", name=name, reason=reason) from None


def _reason(key: str, reason: str) -> dict[str, Any]:
    return {"reason": reason} if key == "hub.refused" else {}
