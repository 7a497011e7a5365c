from pathlib import Path
from typing import Any

import numpy
import pytest

from chatgui.errors import ModelError
from chatgui.generation import embeddings
from chatgui.generation.assistant import Library, Passage, Retrieval
from chatgui.generation.embeddings import Embedder, Meanings, fused

TEXTS = ["Jackets may be returned within 30 days.", "The shop is open until six.", "门店营业到晚上六点。", "A"]


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return Embedder("starter")


def test_a_vector_is_the_mean_of_the_hidden_states_of_the_text_alone(embedder: Embedder) -> None:
    import torch
    from transformers import AutoModel, AutoTokenizer

    from chatgui.models import STARTER

    model, tokenizer = AutoModel.from_pretrained(STARTER, dtype=torch.float32), AutoTokenizer.from_pretrained(STARTER)
    with torch.inference_mode():
        alone = [model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0].mean(dim=0) for text in TEXTS]
    assert numpy.allclose(embedder.vectors(TEXTS), torch.stack(alone).numpy(), atol=2e-4)


def test_an_empty_text_and_a_long_one_have_vectors_too(embedder: Embedder) -> None:
    assert numpy.isfinite(embedder.vectors(["", "word " * 5000])).all()


def test_a_text_is_most_like_itself(embedder: Embedder) -> None:
    meanings = Meanings(embedder, TEXTS)
    for place, text in enumerate(TEXTS):
        found = meanings.similarities(text)
        assert found[place] == max(found) == pytest.approx(1.0, abs=1e-3)


def test_vectors_of_the_same_model_and_texts_are_computed_once(
    embedder: Embedder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Meanings(embedder, TEXTS, tmp_path)
    assert [file.name[:12] for file in tmp_path.iterdir()] == [embedder.fingerprint]
    asked: list[str] = []
    compute = embedder.vectors

    def heard(texts: list[str]) -> Any:
        asked.extend(texts)
        return compute(texts)

    monkeypatch.setattr(embedder, "vectors", heard)
    again = Meanings(embedder, TEXTS, tmp_path)
    assert asked == []
    Meanings(embedder, TEXTS[:2], tmp_path)
    assert asked == TEXTS[:2]
    assert again.similarities("jackets") == first.similarities("jackets")


def test_a_place_in_both_rankings_beats_the_first_in_one() -> None:
    scores = fused([9.0, 8.0, 0.0, 0.0], [-1.0, 0.3, 0.9, 0.0])
    assert sorted(range(4), key=lambda place: -scores[place]) == [1, 2, 0, 3] or scores[2] == scores[0]
    assert scores[1] == 1 / (embeddings.FUSION_CONSTANT + 2) * 2
    assert scores[3] == 0.0


def test_a_passage_is_found_by_its_meaning_where_words_do_not_suffice() -> None:
    library = Library([Passage("s", text, text) for text in TEXTS])
    question = "Jackets may be returned within 30 days, zzz!"
    assert library.search(question, Retrieval(threshold=1.0)) == []
    hits = library.search(question, Retrieval(threshold=1.0, embeddings="starter"))
    assert hits[0].passage.text == TEXTS[0]
    assert hits[0].likeness is not None and hits[0].likeness >= 0.5 and hits[0].covered < 1
    assert library.search(question, Retrieval(threshold=1.0, embeddings="starter", likeness=1.0)) == []


def test_a_model_made_for_sentences_is_read_with_its_own_marks(tmp_path: Path) -> None:
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "shop", "open"]
    (tmp_path / "vocab.txt").write_text("\n".join(names), encoding="utf-8")
    BertTokenizerFast(vocab=str(tmp_path / "vocab.txt")).save_pretrained(tmp_path)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    model = BertModel(BertConfig(vocab_size=len(names), **sizes)).eval()
    model.save_pretrained(tmp_path)
    with torch.inference_mode():
        alone = model(torch.tensor([[2, 5, 6, 3]])).last_hidden_state[0].mean(dim=0)
    found = Embedder(str(tmp_path)).vectors(["shop open", "shop open shop open open"])
    assert numpy.allclose(found[0], alone.numpy(), atol=1e-5)


def test_a_model_that_is_not_there_is_told() -> None:
    with pytest.raises(ModelError, match="no/such/folder"):
        Library([Passage("a", "b", "b")]).search("b", Retrieval(embeddings="./no/such/folder"))
