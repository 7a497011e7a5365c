"""Every file of the shared data and of the bundled samples is read as what it is, without help."""

from pathlib import Path

import pytest

from chatgui.data.load import SAMPLES, DataConfig, load
from chatgui.errors import DataError

SHARED = {
    "banking77/test.csv": ("label", 3080, 0),
    "banking77/train.csv": ("label", 10003, 0),
    "bitext_customer_support/Bitext_Sample_Customer_Support_Training_Dataset.csv": ("alpaca", 4514, 0),
    "bitext_customer_support/bitext_messages.jsonl": ("messages", 4514, 0),
    "chnsenticorp_htl/ChnSentiCorp_htl_all.csv": ("label", 7765, 1),
    "conll2003/test.txt": ("tags", 3453, 0),
    "conll2003/train.txt": ("tags", 14041, 0),
    "conll2003/valid.txt": ("tags", 3250, 0),
    "corpus/en_sgd_dialogues.txt": ("text", 12174, 0),
    "corpus/en_tatoeba.txt": ("text", 1, 0),
    "corpus/en_tinystories_cased.txt": ("text", 1092, 0),
    "corpus/en_tinystories_lower.txt": ("text", 5478, 0),
    "corpus/zh_kdconv_crosswoz.txt": ("text", 1400, 0),
    "corpus/zh_smilechat.txt": ("text", 10188, 0),
    "corpus/zh_tatoeba.txt": ("text", 1, 0),
    "crosswoz/crosswoz_val_messages.jsonl": ("messages", 500, 0),
    "lima_oasst_zh/lima.json": ("alpaca", 1029, 0),
    "lima_oasst_zh/oaast_rm_zh.json": ("preference", 772, 3),
    "lima_oasst_zh/oaast_sft_zh.json": ("alpaca", 689, 0),
    "lima_oasst_zh/self_cognition.json": ("alpaca", 80, 0),
    "llamafactory_demos/alpaca_en_demo.json": ("alpaca", 999, 0),
    "llamafactory_demos/alpaca_zh_demo.json": ("alpaca", 1000, 0),
    "llamafactory_demos/c4_demo.jsonl": ("text", 300, 0),
    "llamafactory_demos/dpo_en_demo.json": ("preference", 300, 0),
    "llamafactory_demos/dpo_zh_demo.json": ("preference", 300, 0),
    "llamafactory_demos/glaive_toolcall_en_demo.json": ("sharegpt", 300, 0),
    "llamafactory_demos/glaive_toolcall_zh_demo.json": ("sharegpt", 300, 0),
    "llamafactory_demos/identity.json": ("alpaca", 91, 0),
    "llamafactory_demos/kto_en_demo.json": ("kto", 300, 0),
    "llamafactory_demos/reason_tool_use_demo_50.jsonl": ("messages", 50, 0),
    "llamafactory_demos/v1_dpo_demo.jsonl": ("preference", 10, 0),
    "llamafactory_demos/v1_sft_demo.jsonl": ("messages", 500, 0),
    "llamafactory_demos/wiki_demo.txt": ("text", 1, 0),
    "sgd/sgd_dev_messages.jsonl": ("messages", 2098, 0),
    "sgd/sgd_test_messages.jsonl": ("messages", 2921, 0),
    "sst2/dev.tsv": ("label", 872, 0),
    "sst2/test.tsv": ("label", 1821, 0),
    "sst2/train.tsv": ("label", 6920, 0),
}
"""Format, usable rows, rows left out."""
NO_ROWS = {
    "banking77/categories.json": "a row must be an object with named fields, but this one is a str",
    "llamafactory_demos/dataset_info.json": "no known format fits the columns found",
    "movielens_small/movies.csv": r"no known format fits the columns found \(Id, title, genres\)",
    "movielens_small/ratings.csv": r"this is a table of ratings \(userId, Id, rating\)",
}
"""What is no training data by itself, and what is said about it."""
BUNDLED = {
    "clinic/train.jsonl": "sharegpt", "entities/test.jsonl": "tags", "entities/train.jsonl": "tags",
    "preference/train.jsonl": "preference", "recommend/test.jsonl": "ranking", "recommend/train.jsonl": "ranking",
    "sentiment/test.csv": "label", "sentiment/train.csv": "label", "support/test.jsonl": "messages",
    "support/train.jsonl": "messages", "tutor/train.json": "alpaca", "writing/train.csv": "prompt_completion",
}  # fmt: skip
NOTES = ("SOURCE", "LICENSE", "README")


@pytest.mark.parametrize("name", SHARED)
def test_a_shared_file_is_read_as_what_it_is(shared: Path, name: str) -> None:
    dataset = load(DataConfig(source=str(shared / "data" / name)))
    assert (dataset.format, len(dataset.rows), len(dataset.dropped)) == SHARED[name]
    assert dataset.encoding == "utf-8"


@pytest.mark.parametrize("name", NO_ROWS)
def test_a_file_without_training_rows_says_so(shared: Path, name: str) -> None:
    with pytest.raises(DataError, match=NO_ROWS[name]):
        load(DataConfig(source=str(shared / "data" / name)))


def test_the_table_names_every_shared_file(shared: Path) -> None:
    files = [file for file in (shared / "data").rglob("*") if file.is_file() and not file.name.startswith(NOTES)]
    assert {str(file.relative_to(shared / "data")) for file in files} == set(SHARED) | set(NO_ROWS)


@pytest.mark.parametrize("name", BUNDLED)
def test_a_bundled_file_is_read_as_what_it_is(name: str) -> None:
    dataset = load(DataConfig(source=str(SAMPLES / name)))
    assert (dataset.format, len(dataset.dropped)) == (BUNDLED[name], 0)


def test_the_table_names_every_bundled_file() -> None:
    files = {str(file.relative_to(SAMPLES)) for file in SAMPLES.glob("*/*") if file.suffix != ".md"}
    assert files == set(BUNDLED)


@pytest.mark.parametrize(
    ("folder", "format_"), [("banking77", "label"), ("sst2", "label"), ("conll2003", "tags"), ("sgd", "messages")]
)
def test_a_shared_folder_is_one_dataset(shared: Path, folder: str, format_: str) -> None:
    dataset = load(DataConfig(source=str(shared / "data" / folder)))
    assert dataset.format == format_


def test_a_folder_for_several_tasks_is_refused_with_its_files(shared: Path) -> None:
    with pytest.raises(DataError, match=r"for different tasks: .*kto_en_demo\.json \(kto\)"):
        load(DataConfig(source=str(shared / "data" / "llamafactory_demos")))
