"""The support assistant: a question, the passages of the user's own documents that fit it, and a reply from them.

Below a threshold it does not ask the model at all: it says that it does not know. Knows no page.
"""

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import Field

from chatgui.config import GenerationConfig
from chatgui.data.load import SAMPLES
from chatgui.errors import DataError
from chatgui.fields import Config
from chatgui.generation.compare import Messages, compare_prompts
from chatgui.generation.embeddings import Embedder, Meanings, fused
from chatgui.generation.pair import Pair
from chatgui.generation.retrieval import Index

SUFFIXES = (".md", ".txt", ".csv", ".pdf")
DOCUMENTS = SAMPLES.parent / "documents"
"""What the sample shop tells its customers: a page and answered questions, in both languages."""
LONGEST_PASSAGE = 800
"""Characters; longer paragraphs are cut at a line or sentence."""


class Retrieval(Config):
    """How documents are searched."""

    passages: int = Field(2, ge=1, le=10)
    """Passages put before the question; more say more and leave less room for the reply."""
    threshold: float = Field(0.3, ge=0, le=1)
    """Share of the question, rare words weighing more, that a passage must hold; below it the answer is "I don't know".
    Higher is more careful."""
    embeddings: str = ""
    """Model whose hidden states find passages by meaning as well, mixed with the words by rank: a folder or a name of
    the hub, best one made for sentences. Empty searches by words alone."""
    likeness: float = Field(0.5, ge=0, le=1)
    """Cosine at which a passage fits by its meaning, whatever words it holds; only with embeddings."""


@dataclass(frozen=True)
class Passage:
    """A piece of a document that can be found and shown."""

    source: str
    text: str
    found_by: str
    """What is searched: the text, or of an answered question also the question."""


@dataclass(frozen=True)
class Hit:
    """A passage, how well it fits (BM25, or with embeddings the fused score), the share of the question that it holds,
    and with embeddings how like the question it is (cosine)."""

    passage: Passage
    score: float
    covered: float
    likeness: float | None = None


def read_passages(files: Sequence[Path]) -> list[Passage]:
    """Passages of Markdown, text, CSV (question, answer) and PDF files. Raises DataError for others, and for none."""
    passages = [passage for file in files for passage in _read(file)]
    if not passages:
        raise DataError("apply.no_passages", files=", ".join(file.name for file in files))
    return passages


def sample_documents() -> list[Path]:
    """The bundled files a newcomer can ask about."""
    return sorted(file for file in DOCUMENTS.glob("*") if file.name != "README.md")


def _read(file: Path) -> list[Passage]:
    suffix = file.suffix.lower()
    if suffix not in SUFFIXES:
        raise DataError("data.suffix_unknown", source=file.name, found=suffix or "-", allowed=", ".join(SUFFIXES))
    if suffix == ".pdf":
        return [Passage(f"{file.name}, p. {page}", text, text) for page, text in _pdf_pages(file)]
    content = file.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("gb18030", "replace")
    if suffix == ".csv":
        return _answered(file.name, text)
    return [Passage(file.name, piece, piece) for piece in _pieces(text)]


def _answered(name: str, text: str) -> list[Passage]:
    rows = csv.DictReader(io.StringIO(text, newline=""))
    columns = list(rows.fieldnames or ())
    if len(columns) < 2:
        raise DataError("apply.csv_columns", source=name, found=", ".join(columns))
    asked, answer = (next((c for c in columns if c.casefold() == wanted), columns[at])
                     for at, wanted in enumerate(("question", "answer")))  # fmt: skip
    return [
        Passage(f"{name}, {rows.line_num}", str(row[answer]), f"{row[asked]}\n{row[answer]}")
        for row in rows
        if row[answer]
    ]


def _pdf_pages(file: Path) -> list[tuple[int, str]]:
    try:
        import pypdf
    except ImportError as error:
        raise DataError("apply.no_pypdf", source=file.name) from error
    try:
        pages = [(number, page.extract_text()) for number, page in enumerate(pypdf.PdfReader(file).pages, 1)]
    except (pypdf.errors.PyPdfError, OSError, ValueError) as error:
        raise DataError("data.unreadable", source=file.name, reason=str(error)) from error
    return [(number, piece) for number, text in pages for piece in _pieces(text)]


def _pieces(text: str) -> list[str]:
    """Paragraphs, a heading kept with what follows it."""
    pieces: list[str] = []
    heading = ""
    for block in re.split(r"\n\s*\n", text):
        block = block.strip()
        if block.startswith("#") and "\n" not in block:
            heading = block.lstrip("# ")
        elif block:
            whole = f"{heading}\n{block}" if heading else block
            pieces += [whole[at : at + LONGEST_PASSAGE] for at in range(0, len(whole), LONGEST_PASSAGE)]
    return pieces


class Library:
    """Passages that can be searched."""

    def __init__(self, passages: Sequence[Passage], cache: Path | None = None) -> None:
        """`cache` is a folder for what is known of the passages' meanings."""
        self.passages = tuple(passages)
        self._texts = [passage.found_by for passage in passages]
        self._index = Index(self._texts)
        self._meanings = lru_cache(maxsize=1)(lambda model: Meanings(Embedder(model), self._texts, cache))

    def search(self, question: str, settings: Retrieval) -> list[Hit]:
        """The best passages above the threshold, best first; empty when nothing fits.

        Raises ModelError when the model of `embeddings` is not there.
        """
        words, covered = self._index.scores(question), self._index.covered(question)
        fits = {place for place, share in enumerate(covered) if share >= settings.threshold and words[place] > 0}
        if not settings.embeddings:
            best = sorted(fits, key=lambda place: -words[place])[: settings.passages]
            return [Hit(self.passages[at], words[at], covered[at]) for at in best]
        likeness = self._meanings(settings.embeddings).similarities(question)
        fits |= {place for place, cosine in enumerate(likeness) if cosine >= settings.likeness}
        scores = fused(words, likeness)
        best = sorted(fits, key=lambda place: -scores[place])[: settings.passages]
        return [Hit(self.passages[at], scores[at], covered[at], likeness[at]) for at in best]


def grounded(question: str, hits: Sequence[Hit]) -> Messages:
    """The question with its passages before it."""
    context = "\n\n".join(hit.passage.text for hit in hits)
    return [{"role": "user", "content": f"{context}\n\n{question}"}]


def answer(pair: Pair, question: str, hits: Sequence[Hit], settings: GenerationConfig) -> dict[str, Any]:
    """Replies of the fine-tuned model `with` and `without` the passages; `with` is None when there are none."""
    plain: Messages = [{"role": "user", "content": question}]
    prompts = [plain, grounded(question, hits)] if hits else [plain]
    rows = list(compare_prompts(pair, prompts, settings))
    texts = [row.get("error") or row["tuned"]["text"] for row in rows]
    return {"without": texts[0], "with": texts[1] if hits else None}
