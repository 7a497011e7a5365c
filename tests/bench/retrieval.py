"""Finding a passage among many: `python -m tests.bench.retrieval [--pages 1000] [--json] [--quick]`.

A page with the answer is planted in the middle of made-up ones, in each language, and asked for in that language.
Prints the median and the slowest search in milliseconds, and whether the planted page came first every time.

With `--embeddings MODEL` also a row for each way to search 1,000 questions of bank customers (banking77's training rows
from $CHATGUI_TEST_DATA) for one of the same intent as a new question: by words, by meaning, and by both.
"""

import argparse
import json
import os
import random
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chatgui.data.conversation import Labelled
from chatgui.generation.assistant import Library, Passage, Retrieval
from chatgui.generation.embeddings import Embedder, Meanings, fused
from chatgui.generation.retrieval import Index
from tests.bench.tasks import banking77
from tests.generation.test_assistant import pages

PLANTED = {
    "en": ("The Larkspur tent may be returned within 45 days.", "How long can I return the Larkspur tent?"),
    "zh": ("云雀岭的帐篷四十五天内可以免费退货。", "云雀岭的帐篷多久之内能退货？"),
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=int, default=1000)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--embeddings", default="", metavar="MODEL")
    options = parser.parse_args()
    rows = [planted(options.pages, options.quick)]
    if options.embeddings:
        rows += same_intent(options.embeddings, 50 if options.quick else 300)
    for row in rows:
        print(json.dumps(row) if options.json else "  ".join(f"{name} {value}" for name, value in row.items()))


def planted(count: int, quick: bool) -> dict[str, Any]:
    """How fast the planted pages are found."""
    corpus = pages(count - len(PLANTED))
    middle = len(corpus) // 2
    corpus[middle:middle] = [Passage(language, answer, answer) for language, (answer, _) in PLANTED.items()]
    began = time.perf_counter()
    library = Library(corpus)
    library.search("warm 暖", Retrieval())
    built = time.perf_counter() - began
    seconds, first = [], []
    for _ in range(5 if quick else 50):
        for language, (_, question) in PLANTED.items():
            began = time.perf_counter()
            hits = library.search(question, Retrieval())
            seconds.append(time.perf_counter() - began)
            first.append(hits[0].passage.source == language)
    return {
        "pages": len(corpus), "index_seconds": round(built, 3), "search_ms": round(statistics.median(seconds) * 1e3, 2),
        "slowest_ms": round(max(seconds) * 1e3, 2), "found": all(first),
    }  # fmt: skip


def same_intent(model: str, questions: int) -> Iterator[dict[str, Any]]:
    """The share of new questions whose first hit has their intent, and the median search in milliseconds."""
    root = Path(os.environ["CHATGUI_TEST_DATA"]) / "data"
    train, test = ([item for item in items if isinstance(item, Labelled)] for items in banking77(root))
    corpus = random.Random(0).sample(train, 1000)
    index = Index([item.text for item in corpus])
    meanings = Meanings(Embedder(model), [item.text for item in corpus])
    ways = {
        "words": index.scores, "meanings": meanings.similarities,
        "both": lambda text: fused(index.scores(text), meanings.similarities(text)),
    }  # fmt: skip
    for name, score in ways.items():
        right, seconds = [], []
        for item in test[:questions]:
            began = time.perf_counter()
            scores = score(item.text)
            seconds.append(time.perf_counter() - began)
            right.append(corpus[max(range(len(scores)), key=lambda place: scores[place])].label == item.label)
        found = round(sum(right) / len(right), 3)
        yield {
            "texts": len(corpus),
            "by": name,
            "same_intent": found,
            "search_ms": round(statistics.median(seconds) * 1e3, 2),
        }


if __name__ == "__main__":
    main()
