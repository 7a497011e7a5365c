"""Finding a passage among many: `python -m tests.bench.retrieval [--pages 1000] [--json] [--quick]`.

A page with the answer is planted in the middle of made-up ones, in each language, and asked for in that language.
Prints the median and the slowest search in milliseconds, and whether the planted page came first every
time.
"""

import argparse
import json
import statistics
import time

from chatgui.generation.assistant import Library, Passage, Retrieval
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
    options = parser.parse_args()
    corpus = pages(options.pages - len(PLANTED))
    middle = len(corpus) // 2
    corpus[middle:middle] = [Passage(language, answer, answer) for language, (answer, _) in PLANTED.items()]
    began = time.perf_counter()
    library = Library(corpus)
    library.search("warm 暖", Retrieval())
    built = time.perf_counter() - began
    seconds, first = [], []
    for _ in range(5 if options.quick else 50):
        for language, (_, question) in PLANTED.items():
            began = time.perf_counter()
            hits = library.search(question, Retrieval())
            seconds.append(time.perf_counter() - began)
            first.append(hits[0].passage.source == language)
    row = {
        "pages": len(corpus), "index_seconds": round(built, 3), "search_ms": round(statistics.median(seconds) * 1e3, 2),
        "slowest_ms": round(max(seconds) * 1e3, 2), "found": all(first),
    }  # fmt: skip
    print(json.dumps(row) if options.json else "  ".join(f"{name} {value}" for name, value in row.items()))


if __name__ == "__main__":
    main()
