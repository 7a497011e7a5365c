"""Finds texts by meaning: vectors from a named model's hidden states, kept on the disk once they are computed.

Stands beside the words of `retrieval.py`; knows neither passages nor page.
"""

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chatgui import models
from chatgui.config import ModelConfig
from chatgui.tokens.batches import micro_batches

if TYPE_CHECKING:
    import numpy
    import torch

BATCH_TOKENS = 4096
FUSION_CONSTANT = 60
"""Of reciprocal rank fusion, as in its paper: the first places count more, but none alone decides."""


class Embedder:
    """A model that gives each text a vector: the mean of its last hidden states over the text's tokens.

    So models for sentences work as they were trained, and of any language model something useful comes out.
    """

    def __init__(self, name: str) -> None:
        """Raises ModelError when the model is not there."""
        config = ModelConfig(name=name)
        self._device = models.best_device()
        self._tokenizer = models.load_tokenizer(config)
        self._model = models.load_model(config, "AutoModel", self._device, models.frozen_dtype(self._device))
        self._limit_tokens = models.default_length_tokens(config)

    @cached_property
    def fingerprint(self) -> str:
        """Of the weights: vectors of other ones mean something else."""
        return models.weights_fingerprint(self._model)

    def vectors(self, texts: Sequence[str]) -> "numpy.ndarray[Any, Any]":
        """(N, D) float32. Of a text longer than the model takes, its beginning."""
        import numpy
        import torch

        ids = [self._ids(text) for text in texts]
        found = numpy.zeros((len(ids), self._model.config.hidden_size), dtype=numpy.float32)
        with torch.inference_mode(), models.precision(self._device):
            for part in micro_batches(range(len(ids)), [len(row) for row in ids], BATCH_TOKENS):
                found[list(part)] = self._means([ids[place] for place in part]).float().cpu().numpy()
        return found

    def _ids(self, text: str) -> list[int]:
        """As the tokenizer encodes a text for its model, marks of beginning and end included; never empty."""
        ids = self._tokenizer(text, truncation=True, max_length=self._limit_tokens, verbose=False)["input_ids"]
        return list(ids) or [0]

    def _means(self, rows: Sequence[list[int]]) -> "torch.Tensor":
        import torch

        padded = torch.nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], batch_first=True)
        lengths = torch.tensor([len(row) for row in rows])
        mask = torch.arange(padded.shape[1]) < lengths[:, None]  # (B, T)
        padded, mask = padded.to(self._device), mask.to(self._device)
        hidden = self._model(input_ids=padded, attention_mask=mask.long()).last_hidden_state.float()
        return (hidden * mask[..., None]).sum(dim=1) / mask.sum(dim=1, keepdim=True)


class Meanings:
    """The vectors of some texts, and how near a question is to each."""

    def __init__(self, embedder: Embedder, texts: Sequence[str], cache: Path | None = None) -> None:
        """`cache` is a folder where vectors are kept: of the same model and texts they are computed once."""
        self._embedder = embedder
        found = _kept(embedder, texts, cache) if cache else embedder.vectors(texts)
        self._mean = found.mean(axis=0)
        self._vectors = _unit(found - self._mean)

    def similarities(self, question: str) -> list[float]:
        """Cosine of the question with each text, -1 to 1.

        The mean of all texts is taken off first: what all of them share, which in language models is most of a vector,
        tells nothing apart (Mu and Viswanath 2018, arXiv:1702.01417).
        """
        asked = _unit(self._embedder.vectors([question]) - self._mean)
        return [float(cosine) for cosine in (self._vectors @ asked[0])]


def _unit(vectors: "numpy.ndarray[Any, Any]") -> "numpy.ndarray[Any, Any]":
    import numpy

    return vectors / numpy.maximum(numpy.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def _kept(embedder: Embedder, texts: Sequence[str], cache: Path) -> "numpy.ndarray[Any, Any]":
    import numpy

    digest = hashlib.sha256("\0".join(texts).encode("utf-8", "surrogatepass")).hexdigest()[:16]
    file = cache / f"{embedder.fingerprint}-{digest}.npy"
    if file.is_file():
        kept: numpy.ndarray[Any, Any] = numpy.load(file, allow_pickle=False)
        return kept
    found = embedder.vectors(texts)
    with suppress(OSError):  # on a full disk they are computed again
        cache.mkdir(parents=True, exist_ok=True)
        unfinished = file.with_name(f".{file.name}")  # numpy would put .npy behind another ending
        numpy.save(unfinished, found, allow_pickle=False)
        unfinished.replace(file)
    return found


def fused(*rankings: Sequence[float]) -> list[float]:
    """One score for each text out of several: the sum of 1 / (60 + place) in each ranking (Cormack et al. 2009).

    A text that scores 0 or less in a ranking has no place in it.
    """
    total = [0.0] * len(rankings[0])
    for scores in rankings:
        order = sorted((place for place, score in enumerate(scores) if score > 0), key=lambda place: -scores[place])
        for rank, place in enumerate(order, 1):
            total[place] += 1 / (FUSION_CONSTANT + rank)
    return total
