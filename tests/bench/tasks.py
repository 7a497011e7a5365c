"""Every task on real data: `python -m tests.bench.tasks [NAME …] [--quick] [--json] [--model M] [--methods M …]`.

Prints rows of `data, method, metric, value, rows` (the test rows behind the value): `trivial` (majority class,
popularity, the longer reply), `classical` (TF-IDF with logistic regression, BM25, or for tags word features in a linear
model), `base` (the model as it came, asked in words), `tuned` (the same after the run of `TASKS`) and what else a data
set's `variants` name. The data are those of $CHATGUI_TEST_DATA/data, the test rows are never trained on, and every
method sees the same ones; the base model only the first ones, for each label and word is a question of its own.
"""

import argparse
import json
import os
import random
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chatgui.config import RunConfig, merged
from chatgui.data.conversation import Choice, Item, Labelled, Preference, Row, Tagged
from chatgui.data.files import read_file
from chatgui.data.formats import preference
from chatgui.evaluation import classes, entities, ranks
from chatgui.fields import build

ASKED = 4000
"""Questions that the base model is asked: a row with 77 labels is 77 of them."""
QUICK_ROWS = 400
HISTORY = 8
NEGATIVES = 29


@dataclass(frozen=True)
class Bench:
    """One data set: how it is read, and the config that is committed for it (the model is a flag)."""

    read: Callable[[Path], tuple[Sequence[Item], Sequence[Item]]]
    """The folder of data -> training and test items."""
    config: dict[str, Any]
    metrics: tuple[str, ...]
    variants: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    """Further methods: the same run with some settings changed."""


def main() -> None:
    """Print the rows of each data set as soon as it is measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*TASKS, []], metavar="NAME")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_ROWS} training rows and 20 steps")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--model", default="starter")
    parser.add_argument(
        "--methods", nargs="+", default=(), metavar="METHOD", help="only these rows, such as tuned_left"
    )
    options = parser.parse_args()
    root = Path(os.environ["CHATGUI_TEST_DATA"]) / "data"
    for name in options.names or TASKS:
        for row in measure(name, root, options.model, options.quick, options.methods):
            cells = (row["data"], row["method"], row["metric"], f"{row['value']:.4f}", row["rows"])
            print(json.dumps(row) if options.json else "{:18} {:12} {:16} {:>9} {:>6}".format(*cells), flush=True)


def measure(name: str, root: Path, model: str, quick: bool, only: Sequence[str] = ()) -> Iterator[dict[str, Any]]:
    """All methods, or some only, on one data set."""
    bench = TASKS[name]
    train, test = bench.read(root)
    if quick:
        train, test = train[:QUICK_ROWS], test[: QUICK_ROWS // 2]
    for method, found in methods(bench, train, test, model, quick, only):
        scores = dict(found)
        rows = scores.pop("rows", len(test))
        wanted = {metric: scores.get(metric) for metric in (*bench.metrics, "seconds")}
        if method in ("classical", "tuned"):
            types = scores.get("entities", {})
            wanted |= {f"f1 {kind}": cells["f1"] for kind, cells in types.items() if "avg" not in kind}
        for metric, value in wanted.items():
            if value is not None:
                yield {
                    "data": name, "method": method, "metric": metric, "value": value, "rows": rows, "model": model,
                }  # fmt: skip


def methods(
    bench: Bench, train: Sequence[Item], test: Sequence[Item], model: str, quick: bool, only: Sequence[str]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each way to answer with its scores, as soon as it has them; `seconds` of a training are those of the steps."""
    wanted = set(only) or {"trivial", "classical", "base", "tuned", *bench.variants}
    for method, answer in (("trivial", trivial), ("classical", classical)):
        if method in wanted:
            yield method, answer(train, test)
    if wanted & {"base", "tuned"}:
        yield from trained(configure(bench.config, model, quick), train, test).items()
    for method in (method for method in bench.variants if method in wanted):
        config = configure(merged(bench.config, bench.variants[method]), model, quick)
        yield method, trained(config, train, test)["tuned"]


def configure(values: dict[str, Any], model: str, quick: bool) -> RunConfig:
    """The committed config with a model, and shortened for a quick look."""
    shortened = {"training": {"max_steps": 20}} if quick else {}
    return build(RunConfig, merged(merged(values, {"model": {"name": model}}), shortened))


def trained(config: RunConfig, train: Sequence[Item], test: Sequence[Item]) -> dict[str, dict[str, Any]]:
    """`base` and `tuned`: the same path as a run takes, without its folder."""
    import torch

    from chatgui import models
    from chatgui.encode import encode
    from chatgui.evaluation.losses import measure as measure_loss
    from chatgui.predict import Predictor
    from chatgui.prepare import fit, length_limit
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
    outcome = run_training(model, config.task, examples, [], config.training, emit=lambda event: None)
    if not config.task.PREDICTS:
        asked = encode(config, tuple(Row(item, "bench", 0) for item in test), template, limit)
        held = config.task.arrange(list(asked.examples), limit)
        _, tuned = measure_loss(model, config.task, held, config.training.micro_batch_tokens)
        with model.disable_adapter():
            base = {"reward_accuracy": likelier(model, held)}
        count = {"rows": len(held)}
        return {"base": {**base, **count}, "tuned": {**tuned, **count, "seconds": outcome.seconds}}
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        template.tokenizer.save_pretrained(folder)
        predictor = Predictor(config, Path(folder))
        questions = max(2, len(getattr(config.task, "labels", ()))) * (12 if isinstance(test[0], Tagged) else 1)
        asked_rows = test[: ASKED // questions]
        base, tuned = predictor.judge(asked_rows, "base"), predictor.judge(test, "tuned")
    return {"base": {**base, "rows": len(asked_rows)}, "tuned": {**tuned, "seconds": outcome.seconds}}


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
    return {"reward_accuracy": sum(len(item.chosen) > len(item.rejected) for item in test) / len(test)}


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
    """Films as titles with genres: what a user rated 4 or better next, among 29 others drawn from all films.

    The last fifth of all ratings in time is the test; its histories may reach back, the training sees nothing of it.
    """
    return _films(root, evenly=True)


def movielens_small_popular(root: Path) -> tuple[Sequence[Item], Sequence[Item]]:
    """The same among films drawn as often as they are watched: to know what everybody takes helps little then."""
    return _films(root, evenly=False)


def _films(root: Path, evenly: bool) -> tuple[list[Choice], list[Choice]]:
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
    watched = [r["Id"] for r in ratings]
    if evenly:
        watched = sorted(set(watched))
    rng = random.Random(0)

    def offers(chosen: Any, negatives: int) -> list[Choice]:
        rows = []
        for seconds, user, film, history in chosen:
            known = set(seen[user])
            others: list[str] = []
            while len(others) < negatives:
                drawn = rng.choice(watched)
                if drawn not in known and drawn not in others:
                    others.append(drawn)
            for candidate in (film, *others):
                rows.append(
                    Choice(tuple(titles[h] for h in history), titles[candidate], candidate == film, user, seconds)
                )
        return rows

    return offers(rng.sample(events[False], 2000), 1), offers(rng.sample(events[True], 100), NEGATIVES)


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
FULL = {"adapter": {"kind": "full"}}
"""All weights: of a model as small as the starter they are fewer than some adapters of a large one."""
PAIRS = {"adapter": {"kind": "lora", "rank": 16}, "task": {"kind": "preference", "prompt_tokens": 64},
         "training": {"epochs": 2, "learning_rate": 1e-3, "batch_size": 16, "max_length_tokens": 384}}  # fmt: skip
REWARDS = ("reward_accuracy", "accuracy")
"""Of DPO, and of a score that is learnt instead: both the share of pairs put in order."""
SCORED = {"tuned_reward": {"task": {"kind": "reward"}}}
RANKS = ("auc", "ndcg@10", "hit_rate@10", "mrr")
FILMS = {**FULL, "task": {"kind": "ranking", "history_items": 2},
         "training": {"epochs": 1, "learning_rate": 1.5e-3, "batch_size": 64}}  # fmt: skip
TASKS = {
    "banking77": Bench(
        banking77,
        {**FULL, "task": {"kind": "classification"},
         "training": {"epochs": 3, "learning_rate": 2e-3, "batch_size": 64}},
        LABELS,
    ),
    "sst2": Bench(
        sst2,
        {**FULL, "task": {"kind": "classification"},
         "training": {"epochs": 2, "learning_rate": 1.5e-3, "batch_size": 64}},
        LABELS,
    ),
    "chnsenticorp_htl": Bench(
        chnsenticorp_htl,
        {**FULL, "task": {"kind": "classification"},
         "training": {"epochs": 1.5, "learning_rate": 1.5e-3, "batch_size": 64, "max_length_tokens": 64}},
        LABELS,
    ),
    "conll2003": Bench(
        conll2003,
        {**FULL, "task": {"kind": "tagging", "attention": "both_ways"},
         "training": {"epochs": 1, "learning_rate": 1.5e-3, "batch_size": 32}},
        ("precision", "recall", "f1"),
        {"tuned_left": {"task": {"attention": "left"}}},
    ),
    "movielens_small": Bench(movielens_small, FILMS, RANKS),
    "movielens_small_popular": Bench(movielens_small_popular, FILMS, RANKS),
    "dpo_en_demo": Bench(pairs_of("dpo_en_demo"), PAIRS, REWARDS, SCORED),
    "dpo_zh_demo": Bench(pairs_of("dpo_zh_demo"), PAIRS, REWARDS, SCORED),
}  # fmt: skip


if __name__ == "__main__":
    main()
