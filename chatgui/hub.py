"""Whether the Hugging Face hub can be reached, found out once, so that nobody waits for its libraries' six attempts.

Downloads nothing. Called only where somebody gave a hub name.
"""

import os
import socket
import time
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

ATTEMPTS = 2
PATIENCE_SECONDS = 10
"""For an answer. A hub that is slow counts as reachable: its libraries may wait for it as long as they like."""
NO_NETWORK = (socket.gaierror, ConnectionRefusedError)


def look_for_hub() -> bool:
    """Whether the hub's host answers; `huggingface_hub` then goes there, or keeps to what it has downloaded before.

    A person's own `HF_HUB_OFFLINE` stands as it is.
    """
    from huggingface_hub import constants

    if not (os.environ.get("HF_HUB_OFFLINE") or os.environ.get("TRANSFORMERS_OFFLINE")):
        constants.HF_HUB_OFFLINE = not any(answers(constants.ENDPOINT, attempt) for attempt in range(ATTEMPTS))
    return not constants.HF_HUB_OFFLINE


def answers(address: str, earlier_attempts: int = 0) -> bool:
    """False when the host has no address or nobody listens there; anything else is left to whoever asks next."""
    time.sleep(earlier_attempts)
    try:
        urlopen(Request(address, method="HEAD"), timeout=PATIENCE_SECONDS).close()
    except HTTPError:
        return True
    except URLError as error:
        unreachable = isinstance(error.reason, OSError) and "unreachable" in str(error.reason).lower()
        return not (isinstance(error.reason, NO_NETWORK) or unreachable)
    except OSError:
        return True
    return True
