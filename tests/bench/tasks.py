"""Every task on real data: `python -m tests.bench.tasks [NAME …] [--quick] [--json] [--model M] [--seconds S]`.

Prints rows of `data, method, metric, value`: `trivial` (majority class, popularity, a coin), `classical` (TF-IDF with
logistic regression, BM25, or for tags word features in a linear model), `base` (the model as it came, asked in words)
and `tuned` (the same after the run of `TASKS`). The data are those of $CHATGUI_TEST_DATA/data, the test rows are never
trained on, and every method sees the same ones; the base model only the first ones, for
each label and word is a question of its own.
"""

import argparse
import json
import os
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chatgui.config import RunConfig
from chatgui.data.conversation import Choice, Item, Labelled, Preference, Row, Tagged
from chatgui.data.files import read_file
from chatgui.data.formats import preference
from chatgui.evaluation import classes, entities, ranks
from chatgui.fields import build

ASKED = 4000
"""Questions that the base model is asked: a row with 77 labels is 77 of them."""
QUICK_ROWS = 400
HISTORY = 8
NEGATIVES = 9


@dataclass(frozen=True)
class Bench:
    """One data set: how it is read, and the config that is committed for it (the model is a flag)."""

    read: Callable[[Path], tuple[Sequence[Item], Sequence[Item]]]
    """The folder of data -> training and test items."""
    config: dict[str, Any]
    metrics: tuple[str, ...]


def main() -> None:
    """Print the rows of each data set as soon as it is measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*TASKS, []], metavar="NAME")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_ROWS} training rows and 20 steps")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--model", default="starter")
    options = parser.parse_args()
    root = Path(os.environ["CHATGUI_TEST_DATA"]) / "data"
    for name in options.names or TASKS:
        for row in measure(name, root, options.model, options.quick):
            cells = (row["data"], row["method"], row["metric"], f"{row['value']:.4f}")
            print(json.dumps(row) if options.json else "{:18} {:10} {:16} {}".format(*cells), flush=True)


def measure(name: str, root: Path, model: str, quick: bool) -> Iterator[dict[str, Any]]:
    """All methods on one data set."""
    bench = TASKS[name]
    train, test = bench.read(root)
    if quick:
        train, test = train[:QUICK_ROWS], test[: QUICK_ROWS // 2]
    config = configure(bench.config, model, quick)
    began = time.monotonic()
    methods = {"trivial": trivial(train, test), "classical": classical(train, test), **trained(config, train, test)}
    for method, scores in methods.items():
        for metric in bench.metrics:
            if scores.get(metric) is not None:
                yield {"data": name, "method": method, "metric": metric, "value": scores[metric], "model": model}
        for kind, cells in scores.get("entities", {}).items():
            if "avg" not in kind and method in ("classical", "tuned"):
                yield {"data": name, "method": method, "metric": f"f1 {kind}", "value": cells["f1"], "model": model}
    yield {"data": name, "method": "tuned", "metric": "seconds", "value": time.monotonic() - began, "model": model}


def configure(values: dict[str, Any], model: str, quick: bool) -> RunConfig:
    """The committed config with a model, and shortened for a quick look."""
    training = {
        "batch_size": 32,
        "learning_rate": 2e-3,
        **values.get("training", {}),
        **({"max_steps": 20} if quick else {}),
    }
    return build(RunConfig, {**values, "model": {"name": model}, "training": training})


def trained(config: RunConfig, train: Sequence[Item], test: Sequence[Item]) -> dict[str, dict[str, Any]]:
    """`base` and `tuned`: the same path as a run takes, without its folder."""
    import torch

    from chatgui import models
    from chatgui.evaluation.losses import measure as measure_loss
    from chatgui.predict import Predictor
    from chatgui.prepare import encode, fit, length_limit
    from chatgui.training.loop import train as run_training

    rows = tuple(Row(item, "bench", number) for number, item in enumerate(train, 1))
    config, template, limit = fit(config, rows), models.load_template(config.model), length_limit(config)
    torch.manual_seed(config.training.seed)
    device = models.best_device()
    loaded = models.load_model(
        config.model, config.task.HEAD, device, torch.float32, config.task.head_options(template)
    )
    model = config.adapter.attach(loaded, 1)
    examples = config.task.arrange(list(encode(config, rows, template, limit).examples), limit)
    run_training(model, config.task, examples, [], config.training, emit=lambda event: None)
    if not config.task.PREDICTS:
        asked = encode(config, tuple(Row(item, "bench", 0) for item in test), template, limit)
        held = config.task.arrange(list(asked.examples), limit)
        _, tuned = measure_loss(model, config.task, held, config.training.micro_batch_tokens)
        with model.disable_adapter():
            return {"base": {"reward_accuracy": likelier(model, held)}, "tuned": tuned}
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        template.tokenizer.save_pretrained(folder)
        predictor = Predictor(config, Path(folder))
        questions = max(2, len(getattr(config.task, "labels", ()))) * (12 if isinstance(test[0], Tagged) else 1)
        return {"base": predictor.judge(test[: ASKED // questions], "base"), "tuned": predictor.judge(test, "tuned")}


def likelier(model: Any, pairs: Sequence[Any]) -> float:
    """Share of pairs whose chosen reply the model finds likelier per token: what a reward of a base model can mean."""
    import torch

    from chatgui.tasks.likelihood import sequence_log_probs
    from chatgui.tokens.batches import collate

    right = 0
    with torch.inference_mode():
        for pair in pairs:
            batch = collate([pair])
            counts = (batch.labels[:, 1:] != -100).sum(dim=1)
            chosen, rejected = (sequence_log_probs(model, batch) / counts).tolist()
            right += chosen > rejected
    return right / len(pairs)


def trivial(train: Sequence[Any], test: Sequence[Any]) -> dict[str, Any]:
    """The answer that needs no look at the row."""
    if isinstance(test[0], Labelled):
        common = Counter(item.label for item in train).most_common(1)[0][0][0]
        return label_scores(test, [common] * len(test))
    if isinstance(test[0], Tagged):
        return entities.entity_scores([item.tags for item in test], [("O",) * len(item.tags) for item in test])
    if isinstance(test[0], Choice):
        return ranks.rank_scores(test, ranks.popularity_scores(train, test))
    return {"reward_accuracy": 0.5}


def classical(train: Sequence[Any], test: Sequence[Any]) -> dict[str, Any]:
    """What one would have tried before neural networks, with scikit-learn's defaults."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    if isinstance(test[0], Labelled):
        pipeline = make_pipeline(tfidf(test), LogisticRegression(max_iter=1000, C=10))
        pipeline.fit([item.text for item in train], [item.label[0] for item in train])
        return label_scores(test, list(pipeline.predict([item.text for item in test])))
    if isinstance(test[0], Tagged):
        return tag_by_words(train, test)
    if isinstance(test[0], Choice):
        return ranks.rank_scores(test, ranks.bm25_scores(test))
    vectors = tfidf(test).fit([text for item in train for text in (item.chosen, item.rejected)])
    difference = vectors.transform([i.chosen for i in train]) - vectors.transform([i.rejected for i in train])
    from scipy.sparse import vstack

    judge = LogisticRegression(max_iter=1000, fit_intercept=False)
    judge.fit(vstack([difference, -difference]), [1] * len(train) + [0] * len(train))
    held = vectors.transform([item.chosen for item in test]) - vectors.transform([item.rejected for item in test])
    return {"reward_accuracy": float((judge.decision_function(held) > 0).mean())}


def tfidf(items: Sequence[Any]) -> Any:
    """Words and pairs of words; of Chinese, characters up to three."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    text = items[0].text if isinstance(items[0], Labelled) else items[0].chosen
    chinese = any("\u4e00" <= letter <= "\u9fff" for letter in text)
    return TfidfVectorizer(analyzer="char", ngram_range=(1, 3)) if chinese else TfidfVectorizer(ngram_range=(1, 2))


def label_scores(test: Sequence[Any], guesses: list[str]) -> dict[str, Any]:
    """Metrics of classification."""
    truth = [item.label[0] for item in test]
    return classes.class_scores(sorted({*truth, *guesses}), truth, guesses)


def tag_by_words(train: Sequence[Tagged], test: Sequence[Tagged]) -> dict[str, Any]:
    """Logistic regression on the word, its form and its neighbours, each tag by itself: the features of a CRF."""
    from sklearn.feature_extraction import FeatureHasher
    from sklearn.linear_model import SGDClassifier

    hasher = FeatureHasher(n_features=2**18, input_type="string")
    model = SGDClassifier(loss="log_loss", alpha=1e-6, max_iter=8, tol=None, random_state=0)
    model.fit(
        hasher.transform([word_features(item.words, at) for item in train for at in range(len(item.words))]),
        [tag for item in train for tag in item.tags],
    )
    flat = iter(
        model.predict(hasher.transform([word_features(i.words, at) for i in test for at in range(len(i.words))]))
    )
    return entities.entity_scores([item.tags for item in test], [[next(flat) for _ in item.words] for item in test])


def word_features(words: Sequence[str], at: int) -> list[str]:
    """Of one word: itself, its ends, its shape, and the same of both neighbours."""
    found = []
    for step in (-1, 0, 1):
        word = words[at + step] if 0 <= at + step < len(words) else "<>"
        shape = "".join("X" if c.isupper() else "x" if c.islower() else "9" if c.isdigit() else c for c in word)
        found += [f"{step}w={word.lower()}", f"{step}s={shape[:6]}", f"{step}e={word[-3:].lower()}"]
    return [*found, f"p={words[at][:3]}"]


# ---- the data --------------------------------------------------------------------------------------------------------


def shuffled(items: Sequence[Any]) -> list[Any]:
    """In an order that is always the same one."""
    mixed = list(items)
    random.Random(0).shuffle(mixed)
    return mixed


def rows_of(file: Path) -> list[Mapping[str, Any]]:
    """The rows of a table without a broken line."""
    return [row for _, row in read_file(file).rows if isinstance(row, Mapping)]


def banking77(root: Path) -> tuple[Sequence[Item], Sequence[Item]]:
    """77 intents of a bank's customers."""
    train, test = (
        shuffled([Labelled(r["text"], (r["category"],)) for r in rows_of(root / "banking77" / f"{name}.csv")])
        for name in ("train", "test")
    )
    return train, test


def sst2(root: Path) -> tuple[Sequence[Item], Sequence[Item]]:
    """Sentences of film reviews, positive or negative."""
    names = {"0": "negative", "1": "positive"}
    train, test = (
        shuffled(
            [
                Labelled(text, (names[label],))
                for line in (root / "sst2" / f"{name}.tsv").read_text(encoding="utf-8").splitlines()
                for text, label in [line.rsplit("\t", 1)]
            ]
        )
        for name in ("train", "test")
    )
    return train, test


def chnsenticorp_htl(root: Path) -> tuple[Sequence[Item], Sequence[Item]]:
    """Chinese hotel reviews; a fifth, drawn by seed, is the test."""
    rows = rows_of(root / "chnsenticorp_htl" / "ChnSentiCorp_htl_all.csv")
    names = {"0": "差评", "1": "好评"}
    items = shuffled([Labelled(r["review"], (names[str(r["label"])],)) for r in rows if r.get("review")])
    cut = len(items) // 5
    return items[cut:], items[:cut]


def conll2003(root: Path) -> tuple[Sequence[Item], Sequence[Item]]:
    """People, places, organisations and others in Reuters news."""

    def read(name: str) -> list[Tagged]:
        blocks = (root / "conll2003" / f"{name}.txt").read_text(encoding="utf-8").split("\n\n")
        tables = [[line.split() for line in block.splitlines() if line.strip()] for block in blocks]
        return [Tagged(tuple(r[0] for r in t), tuple(r[1] for r in t)) for t in tables if t]

    return shuffled(read("train")), read("test")


def movielens_small(root: Path) -> tuple[Sequence[Item], Sequence[Item]]:
    """Films as titles with genres: what a user rated 4 or better next, among films drawn from what others watched.

    The last fifth of all ratings in time is the test; its histories may reach back, the training sees nothing of it.
    """
    titles = {
        r["Id"]: f"{r['title']} [{r['genres'].replace('|', ', ')}]"
        for r in rows_of(root / "movielens_small" / "movies.csv")
    }
    ratings = [r for r in rows_of(root / "movielens_small" / "ratings.csv")]
    liked = sorted((int(r["timestamp"]), r["userId"], r["Id"]) for r in ratings if float(r["rating"]) >= 4)
    border = liked[int(0.8 * len(liked))][0]
    seen: dict[str, list[str]] = {}
    events: dict[bool, list[tuple[int, str, str, tuple[str, ...]]]] = {True: [], False: []}
    for seconds, user, film in liked:
        if len(seen.setdefault(user, [])) >= HISTORY:
            events[seconds >= border].append((seconds, user, film, tuple(seen[user][-HISTORY:])))
        seen[user].append(film)
    watched = sorted({r["Id"] for r in ratings})
    rng = random.Random(0)

    def offers(chosen: Any, negatives: int) -> list[Choice]:
        rows = []
        for seconds, user, film, history in chosen:
            known = set(seen[user])
            others = rng.sample([other for other in watched if other not in known], negatives)
            for candidate in (film, *others):
                rows.append(
                    Choice(tuple(titles[h] for h in history), titles[candidate], candidate == film, user, seconds)
                )
        return rows

    return offers(rng.sample(events[False], 1500), 1), offers(rng.sample(events[True], 200), NEGATIVES)


def pairs_of(name: str) -> Callable[[Path], tuple[Sequence[Item], Sequence[Item]]]:
    """LLaMA-Factory's demonstration pairs; a fifth is the test."""

    def read(root: Path) -> tuple[Sequence[Item], Sequence[Item]]:
        rows = read_file(root / "llamafactory_demos" / f"{name}.json").rows
        items = shuffled([item for _, r in rows for item in [as_pair(r)] if item])
        cut = len(items) // 5
        return items[cut:], items[:cut]

    return read


def as_pair(row: Any) -> Preference | None:
    """A pair that can be used."""
    named = {"prompt": row["conversations"], "chosen": row["chosen"], "rejected": row["rejected"]}
    return preference.convert(named)


LABELS = ("accuracy", "macro_f1")
PAIRS = {"epochs": 2, "learning_rate": 2e-3, "batch_size": 16, "max_length_tokens": 256}
TASKS = {
    "banking77": Bench(
        banking77, {"task": {"kind": "classification"}, "training": {"epochs": 3, "learning_rate": 5e-3}}, LABELS
    ),
    "sst2": Bench(sst2, {"task": {"kind": "classification"}, "training": {"epochs": 2}}, LABELS),
    "chnsenticorp_htl": Bench(
        chnsenticorp_htl,
        {"task": {"kind": "classification"}, "training": {"epochs": 1, "max_length_tokens": 96}}, LABELS,
    ),
    "conll2003": Bench(
        conll2003,
        {"task": {"kind": "tagging", "attention": "both_ways"}, "training": {"epochs": 1.5, "learning_rate": 5e-3}},
        ("precision", "recall", "f1"),
    ),
    "movielens_small": Bench(
        movielens_small,
        {"task": {"kind": "ranking"}, "training": {"epochs": 1, "learning_rate": 2e-3}},
        ("auc", "ndcg@10", "hit_rate@10", "mrr"),
    ),
    "dpo_en_demo": Bench(
        pairs_of("dpo_en_demo"),
        {"task": {"kind": "preference"}, "training": PAIRS},
        ("reward_accuracy",),
    ),
    "dpo_zh_demo": Bench(
        pairs_of("dpo_zh_demo"),
        {"task": {"kind": "preference"}, "training": PAIRS},
        ("reward_accuracy",),
    ),
}  # fmt: skip


if __name__ == "__main__":
    main()
