from pathlib import Path

import numpy as np
import pytest

from chatgui.data.conversation import Choice, Conversation, Document, Item, Message
from chatgui.data.load import DataConfig, load
from chatgui.data.quality.duplicates import copies_of, exact_copies


def texts(*texts: str) -> list[Item]:
    return [Document(text) for text in texts]


STORY = "one day a little girl found a key in the garden and took it home to her old grandmother"


def test_a_copy_names_the_first_row_it_repeats() -> None:
    exact, _ = copies_of(texts("a", "b", "a", "c", "a"))
    assert exact.tolist() == [0, 1, 0, 3, 0]


def test_a_text_with_one_word_changed_is_a_near_copy() -> None:
    exact, near = copies_of(texts(STORY, "quite another story about a boat", STORY.replace("little", "small")))
    assert exact.tolist() == [0, 1, 2] and near.tolist() == [0, 1, 0]


def test_case_and_punctuation_make_no_difference() -> None:
    _, near = copies_of(texts(STORY, STORY.upper() + "!"))
    assert near.tolist() == [0, 0]


def test_chinese_is_compared_by_characters() -> None:
    one = "请问你们的露营帐篷可以在下雨的时候使用吗，需要另外购买防水布吗？"
    _, near = copies_of(texts(one, one.replace("下雨", "下雪"), "请问怎么退货？我上周买的睡袋太小了。"))
    assert near.tolist() == [0, 0, 2]


def test_an_exact_copy_is_not_a_near_one_as_well() -> None:
    exact, near = copies_of(texts(STORY, STORY))
    assert exact.tolist() == [0, 0] and near.tolist() == [0, 1]


def test_a_copy_of_a_copy_is_measured_by_what_stays() -> None:
    words = STORY.split()
    second = " ".join([*words[:5], "x", *words[6:]])
    third = " ".join([*words[:5], "x", *words[6:12], "y", "z", *words[14:]])
    _, near = copies_of(texts(STORY, second, third))
    assert near.tolist() == [0, 0, 2]  # the third is like the second, which goes, and not enough like the first


def test_short_texts_are_not_near_to_anything() -> None:
    _, near = copies_of(texts("what is my card limit", "what is my card limit please"))
    assert near.tolist() == [0, 1]


def test_offers_to_users_are_only_compared_exactly() -> None:
    history = tuple(f"a film with a long name number {n}" for n in range(9))
    exact, near = copies_of([Choice(history, "a", True), Choice(history, "b", True), Choice(history, "a", True)])
    assert exact.tolist() == [0, 1, 0] and near.tolist() == [0, 1, 2]


def test_the_systems_instructions_alone_make_no_near_copies() -> None:
    system = Message("system", STORY * 5)
    talks = [
        Conversation((system, Message("user", f"{n} " * 12), Message("assistant", f"{n * 7} is the answer to it all")))
        for n in (3, 5)
    ]
    assert copies_of(list(talks))[1].tolist() == [0, 1]


def test_nothing_has_no_copies() -> None:
    exact, near = copies_of([])
    assert len(exact) == len(near) == 0


def test_equal_keys_are_found_wherever_they_stand() -> None:
    assert exact_copies(np.array([9, 2, 9, 2, 7], np.uint64)).tolist() == [0, 1, 0, 1, 4]


@pytest.mark.parametrize(
    ("file", "exact_count", "near_count"),
    [("sgd/sgd_dev_messages.jsonl", 0, 0), ("crosswoz/crosswoz_val_messages.jsonl", 0, 0)],
)
def test_real_dialogues_that_are_all_different_raise_no_alarm(
    shared: Path, file: str, exact_count: int, near_count: int
) -> None:
    items = [row.item for row in load(DataConfig(source=str(shared / "data" / file))).rows]
    exact, near = copies_of(items)
    own = np.arange(len(items))
    assert ((exact != own).sum(), (near != own).sum()) == (exact_count, near_count)
