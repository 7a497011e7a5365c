"""Finds what a question is about: BM25 over texts in English and Chinese, in memory.

Segmentation by rjieba, ranking by bm25s. Knows no model and no page.
"""

import re
from collections.abc import Sequence
from functools import lru_cache

CHINESE = re.compile(r"[\u3400-\u9fff]")
WORD = re.compile(r"[^\W_]+")
STOPPED = frozenset(
    re.findall(
        r"\w+",
        "a an and are as at be but by can do does for from have how i if in is it me my no not of on or our so that "
        "the their there they this to was we what when where which who will with you your "
        "的 了 是 在 我 你 他 她 它 们 吗 呢 吧 啊 和 与 也 都 就 很 有 没有 这 那 什么 怎么 请问 可以 能",
    )
)
"""Words that stand everywhere and say nothing of what is meant."""


def words(text: str) -> list[str]:
    """The words to look for: lower case, Chinese cut by a segmenter, English without its plural s."""
    found = _cut(text.casefold()) if CHINESE.search(text) else WORD.findall(text.casefold())
    return [_stem(word) for word in found if WORD.fullmatch(word) and word not in STOPPED]


def _stem(word: str) -> str:
    return word[:-1] if word.isascii() and len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


def _cut(text: str) -> list[str]:
    return _segmenter().cut_for_search(text)


@lru_cache
def _segmenter():  # type: ignore[no-untyped-def]
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
        self._bm25 = bm25s.BM25()
        tokens = bm25s.tokenization.Tokenized([[vocabulary[word] for word in row] for row in corpus], vocabulary)
        self._bm25.index(tokens, show_progress=False)

    def scores(self, question: str) -> list[float]:
        """Of every text, in order; 0 where it shares no word with the question."""
        known = [self._vocabulary[word] for word in words(question) if word in self._vocabulary]
        if not known:
            return [0.0] * len(self.texts)
        return self._bm25.get_scores_from_ids(known).tolist()
