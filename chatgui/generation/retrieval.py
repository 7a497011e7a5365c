"""Finds what a question is about: BM25 over texts in English and Chinese, in memory.

Segmentation by rjieba, stems by Snowball, ranking by bm25s. Knows no model and no page.
"""

import math
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

CHINESE = re.compile(r"[\u3400-\u9fff]")
WORD = re.compile(r"[^\W_]+")
ASKING = frozenset(
    re.findall(
        r"\w+",
        "also can could get how long many much need please tell want would 请问 想 问 多久 多少 几 请 能 可以 可 没有",
    )
)
"""Words of questions that say nothing of what is meant, beside the usual lists of bm25s."""


def words(text: str) -> list[str]:
    """The words to look for: lower case, Chinese cut by a segmenter, English down to its stem."""
    found = _cut(text.casefold()) if CHINESE.search(text) else WORD.findall(text.casefold())
    kept = [word for word in found if WORD.fullmatch(word) and word not in _stopped()]
    return _stemmer().stemWords(kept)


def _cut(text: str) -> list[str]:
    return _segmenter().cut_for_search(text)


@lru_cache
def _stopped() -> frozenset[str]:
    from bm25s.stopwords import STOPWORDS_CHINESE, STOPWORDS_EN_PLUS

    return ASKING.union(STOPWORDS_EN_PLUS, STOPWORDS_CHINESE)


@lru_cache
def _stemmer() -> Any:
    import Stemmer

    return Stemmer.Stemmer("english")


@lru_cache
def _segmenter() -> Any:
    import rjieba

    return rjieba.Jieba()


class Index:
    """BM25 (Robertson and Zaragoza 2009; Lucene's variant) over some texts."""

    def __init__(self, texts: Sequence[str]) -> None:
        import bm25s

        self.texts = tuple(texts)
        corpus = [words(text) or [""] for text in self.texts]
        vocabulary = {word: number for number, word in enumerate(dict.fromkeys(w for row in corpus for w in row))}
        self._vocabulary = vocabulary
        self._holders: dict[str, set[int]] = {}
        for place, row in enumerate(corpus):
            for word in row:
                self._holders.setdefault(word, set()).add(place)
        self._bm25 = bm25s.BM25()
        tokens = bm25s.tokenization.Tokenized([[vocabulary[word] for word in row] for row in corpus], vocabulary)
        self._bm25.index(tokens, show_progress=False)

    def scores(self, question: str) -> list[float]:
        """Of every text, in order; 0 where it shares no word with the question."""
        known = [self._vocabulary[word] for word in words(question) if word in self._vocabulary]
        if not known:
            return [0.0] * len(self.texts)
        return self._bm25.get_scores_from_ids(known).tolist()

    def covered(self, question: str) -> list[float]:
        """Share of the question that each text holds, 0 to 1: of its words, each with its BM25 weight (idf).

        A word that no text has weighs most. Unlike a BM25 score it means the same in a small and a large corpus.
        """
        shares, whole = [0.0] * len(self.texts), 0.0
        for word in set(words(question)):
            holders = self._holders.get(word, set())
            weight = math.log(1 + (len(self.texts) - len(holders) + 0.5) / (len(holders) + 0.5))
            whole += weight
            for place in holders:
                shares[place] += weight
        return [share / whole for share in shares] if whole else shares
