"""The searches that a page server drives, each in a thread of its own. What they did is on the disk, see `search`."""

import logging
import threading
from dataclasses import dataclass, field

from chatgui.errors import ChatGuiError, RunError
from chatgui.runs.driving import drive, is_driven
from chatgui.runs.search import Search

log = logging.getLogger(__name__)


@dataclass
class _Driver:
    thread: threading.Thread
    stopping: threading.Event = field(default_factory=threading.Event)


class Searches:
    """Starts, stops and resumes searches. Safe to use from several threads."""

    def __init__(self) -> None:
        self._drivers: dict[str, _Driver] = {}
        self._errors: dict[str, ChatGuiError] = {}
        self._lock = threading.Lock()

    def start(self, search: Search) -> None:
        """Drive a search, from its beginning or from where it was left. Raises RunError when somebody is at it."""
        with self._lock:
            if is_driven(search):
                raise RunError("search.driven", search=search.id)
            self._errors.pop(search.id, None)
            driver = _Driver(threading.Thread(target=self._drive, args=(search,), name=search.id, daemon=True))
            self._drivers[search.id] = driver
            driver.thread.start()

    def stop(self, search: Search) -> None:
        """Pause the run under way and leave. Raises RunError when this process does not drive it."""
        driver = self._drivers.get(search.id)
        if driver is None or not driver.thread.is_alive():
            raise RunError("search.not_driven_here", search=search.id)
        driver.stopping.set()

    def state(self, search: Search) -> str:
        """`running`, `stopping`, `elsewhere` (another process drives it), `finished`, `failed` or `stopped`."""
        driver = self._drivers.get(search.id)
        if driver and driver.thread.is_alive():
            return "stopping" if driver.stopping.is_set() else "running"
        if is_driven(search):
            return "elsewhere"
        ended = [trial for trial in search.trials() if trial["state"] != "running"]
        if len(ended) >= search.settings.trials:
            return "finished"
        return "failed" if search.id in self._errors else "stopped"

    def error(self, search: Search) -> ChatGuiError | None:
        """What ended it before its time."""
        return self._errors.get(search.id)

    def _drive(self, search: Search) -> None:
        try:
            drive(search, should_stop=self._drivers[search.id].stopping.is_set)
        except ChatGuiError as error:
            log.warning("the search %s has ended: %s", search.id, error)
            self._errors[search.id] = error
