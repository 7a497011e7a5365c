"""The one decoding loop: chat, compare, reviews and the endpoint all go through it. Knows ids, not text.

One thread owns the models. Replies come and go between two steps (continuous batching, Yu et al. 2022, "Orca"): a step
feeds one piece of the prompts that wait and one token of every reply that grows, so that a long prompt or a long reply
blocks nobody. A reply has a random generator and a cache of its own; what it says does not depend on who is answered
beside it (to the last bit in float32 on a processor with packed products; elsewhere up to rounding).
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Literal

from chatgui.config import GenerationConfig
from chatgui.errors import ChatGuiError
from chatgui.generation.sampling import Draw, Token, draw

if TYPE_CHECKING:
    import torch

    from chatgui.generation.loaded import Loaded

log = logging.getLogger(__name__)
End = Literal["own", "limit", "context", "stopped"]
PIECE_TOKENS = 256
"""A long prompt is fed in pieces of this size, always cut at the same places."""
ROWS = 64
"""Replies that grow at the same time; more wait for their turn."""
IDLE_SECONDS = 60.0
"""The thread ends after so long without a request; the next one starts another."""


@dataclass(frozen=True)
class Request:
    """A prompt and what answers it."""

    loaded: "Loaded"
    name: str
    """Of the adapter in `loaded`."""
    prompt: tuple[int, ...]
    settings: GenerationConfig
    stop_ids: frozenset[int]
    context_tokens: int
    top_logprobs: int | None = None
    """So many of the likeliest tokens are told with each token; None tells no probabilities."""
    background: bool = False
    """Rests while anybody waits for another reply."""


class Stream:
    """The tokens of one reply, as they are made. Ends after a token of `stop_ids`, which is given too."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.end: End | None = None
        """How the reply ended, once it has."""
        self.cancelled = False
        self._made: SimpleQueue[Token | Exception | None] = SimpleQueue()
        self._over = False
        self._tell: Callable[[], object] = lambda: None

    def __iter__(self) -> Iterator[Token]:
        return self

    def __next__(self) -> Token:
        """Raises what went wrong while the reply was made."""
        made = None if self._over else self._made.get()
        self._over |= not isinstance(made, Token)
        if isinstance(made, Exception):
            raise made
        if made is None:
            raise StopIteration
        return made

    def listen(self, tell: Callable[[], object]) -> None:
        """Have `tell` called, in the engine's thread, whenever there is something to `take`. It must not raise."""
        self._tell = tell

    def take(self) -> tuple[list[Token], bool]:
        """What was made since, without waiting for more, and whether that is all. Raises as `__next__` does."""
        tokens: list[Token] = []
        while not self._over:
            try:
                made = self._made.get_nowait()
            except Empty:
                break
            if isinstance(made, Token):
                tokens.append(made)
                continue
            self._over = True
            if isinstance(made, Exception):
                raise made
        return tokens, self._over

    def cancel(self) -> None:
        """End the reply before its next token; what was made stays to be read."""
        self.cancelled = True

    def put(self, token: Token) -> None:
        """One more token."""
        self._made.put(token)
        self._tell()

    def close(self, end: End) -> None:
        """No more tokens."""
        self.end = end
        self._made.put(None)
        self._tell()

    def fail(self, error: Exception) -> None:
        """No more tokens, because of `error`."""
        self._made.put(error)
        self._tell()


@dataclass(eq=False)
class _Row:
    """A reply that grows."""

    stream: Stream
    state: Any
    generator: "torch.Generator"
    fed: int = 0
    """Ids of the prompt that the model has seen."""
    made: list[int] = field(default_factory=list)

    @property
    def request(self) -> Request:
        return self.stream.request

    @property
    def piece(self) -> Sequence[int]:
        """What the model is to see next."""
        prompt = self.request.prompt
        if self.fed == len(prompt):
            return self.made[-1:]
        return prompt[self.fed : self.fed + PIECE_TOKENS] if self.request.loaded.way.together else prompt


class Engine:
    """Answers requests from any thread, together."""

    def __init__(self) -> None:
        self._news = threading.Condition()
        self._waiting: deque[Stream] = deque()
        self._thread: threading.Thread | None = None
        self._rows: list[_Row] = []

    def ask(self, *requests: Request) -> list[Stream]:
        """Begin replies, all of them in the same step. A prompt that fills the context gets an empty one."""
        streams = [Stream(request) for request in requests]
        with self._news:
            for stream in streams:
                if len(stream.request.prompt) >= stream.request.context_tokens:
                    stream.close("context")
                else:
                    self._waiting.append(stream)
            if self._thread is None or not self._thread.is_alive():  # a forked process has none of our threads
                self._thread = threading.Thread(target=self._work, name="engine", daemon=True)
                self._thread.start()
            self._news.notify()
        return streams

    def _work(self) -> None:
        while self._take():
            self._round()

    def _round(self) -> None:
        """A step of each model. In a function of its own: an idle thread must not hold on to a model."""
        for loaded in dict.fromkeys(row.request.loaded for row in self._rows):
            rows = [row for row in self._rows if row.request.loaded is loaded]
            try:
                self._step(loaded, rows)
            except Exception as error:  # whatever it was, those who wait must hear of it, and the others go on
                if not isinstance(error, ChatGuiError):
                    log.exception("a step of the engine failed")
                for row in rows:
                    self._drop(row, error)

    def _take(self) -> bool:
        """Let in what waits. False when there has been nothing to do for long, and the thread is to end."""
        import torch

        with self._news:
            while not self._waiting and not self._rows:
                if not self._news.wait(IDLE_SECONDS) and not self._waiting:
                    self._thread = None
                    return False
            while self._waiting and len(self._rows) < ROWS:
                stream = self._waiting.popleft()
                seed = torch.Generator().manual_seed(stream.request.settings.seed)
                self._rows.append(_Row(stream, stream.request.loaded.way.begin(), seed))
        return True

    def _step(self, loaded: "Loaded", rows: list[_Row]) -> None:
        for row in rows:
            if row.stream.cancelled:
                self._drop(row, "stopped")
        alive = [row for row in rows if not row.stream.cancelled]
        if any(not row.request.background for row in self._rows):
            alive = [row for row in alive if not row.request.background]
        beginning = [row for row in alive if row.fed < len(row.request.prompt)]
        growing = [row for row in alive if row.fed == len(row.request.prompt)]
        if beginning:
            size = len(beginning[0].piece)
            self._feed(loaded, [row for row in beginning if len(row.piece) == size])
        if growing:
            self._feed(loaded, growing)

    def _feed(self, loaded: "Loaded", rows: list[_Row]) -> None:
        """The next piece of each row, all of one length, and a new token where the prompt is through."""
        rows.sort(key=lambda row: row.request.name)
        pieces = [row.piece for row in rows]
        logits = loaded.logits([row.request.name for row in rows], [row.state for row in rows], pieces)
        for row, piece in zip(rows, pieces, strict=True):
            row.fed = min(len(row.request.prompt), row.fed + len(piece))
        through = [place for place, row in enumerate(rows) if row.fed == len(row.request.prompt)]
        if not through:
            return
        draws = [
            Draw(row.request.settings, row.generator, row.request.top_logprobs)
            for row in map(rows.__getitem__, through)
        ]
        for place, drawn in zip(through, draw(logits[through], draws), strict=True):
            if isinstance(drawn, Token):
                self._add(rows[place], drawn)
            else:
                self._drop(rows[place], drawn)

    def _add(self, row: _Row, token: Token) -> None:
        row.made.append(token.id)
        row.stream.put(token)
        request = row.request
        if token.id in request.stop_ids:
            self._drop(row, "own")
        elif len(request.prompt) + len(row.made) >= request.context_tokens:
            self._drop(row, "context")
        elif len(row.made) >= request.settings.max_new_tokens:
            self._drop(row, "limit")

    def _drop(self, row: _Row, end: End | Exception) -> None:
        if row not in self._rows:
            return
        self._rows.remove(row)
        if isinstance(end, Exception):
            row.stream.fail(end)
        else:
            row.stream.close(end)
