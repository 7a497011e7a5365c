from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from chatgui.config import RunConfig
from chatgui.data.conversation import Choice, Conversation, Document, Item, Labelled, Message, Row, fingerprint
from chatgui.data.load import DataConfig, load
from chatgui.data.quality.remedies import Remedies
from chatgui.data.split import Splits, split
from chatgui.errors import DataError
from chatgui.fields import build
from chatgui.measure import measure


def rows(count: int, name: str | None = None) -> list[Row]:
    return [Row(Document(f"{name} {number}"), "a.txt", number, name) for number in range(count)]


def test_every_row_is_in_exactly_one_split() -> None:
    splits = split(rows(100), DataConfig())
    assert [len(splits.named(name)) for name in ("train", "validation", "test")] == [85, 5, 10]
    assert sorted(row.line for part in (splits.train, splits.validation, splits.test) for row in part) == list(
        range(100)
    )


def test_rows_keep_the_order_of_the_source() -> None:
    lines = [row.line for row in split(rows(50), DataConfig()).train]
    assert lines == sorted(lines)


def test_the_same_seed_divides_alike_and_another_one_does_not() -> None:
    first, again, other = (split(rows(100), DataConfig(split_seed=seed)) for seed in (1, 1, 2))
    assert first == again
    assert first.test != other.test


def test_fractions_of_zero_take_nothing() -> None:
    splits = split(rows(10), DataConfig(validation_fraction=0, test_fraction=0))
    assert [len(splits.named(name)) for name in ("train", "validation", "test")] == [10, 0, 0]


def test_one_row_is_always_left_for_training() -> None:
    splits = split(rows(1), DataConfig(validation_fraction=0.5, test_fraction=0.5))
    assert [len(splits.named(name)) for name in ("train", "validation", "test")] == [1, 0, 0]


def test_a_split_of_the_source_is_kept_as_it_is() -> None:
    splits = split([*rows(20, "train"), *rows(3, "test")], DataConfig(validation_fraction=0.1, test_fraction=0.5))
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (18, 2, 3)


def test_a_source_without_training_rows_is_refused() -> None:
    with pytest.raises(DataError, match="all 3 rows belong to validation or test"):
        split(rows(3, "test"), DataConfig())


def test_an_unknown_split_is_refused_with_those_there_are() -> None:
    with pytest.raises(DataError, match=r'split "dev" is not known; use train, validation, test\.'):
        split(rows(3), DataConfig()).named("dev")


def test_equal_items_have_equal_fingerprints_and_others_do_not() -> None:
    assert fingerprint(Document("a")) == fingerprint(Document("a"))
    assert fingerprint(Document("a")) != fingerprint(Document("b"))


def test_splits_are_written_as_fingerprints() -> None:
    splits = split(rows(10), DataConfig())
    assert splits.fingerprints()["test"] == [fingerprint(row.item) for row in splits.test]


def of(items: Sequence[Item], raw: Sequence[Mapping[str, Any]] | None = None, name: str | None = None) -> list[Row]:
    return [Row(item, "a.jsonl", at, name, (raw or [{}] * len(items))[at]) for at, item in enumerate(items)]


def story(number: int) -> str:
    return " ".join(f"word{number * 31 + at}" for at in range(20))


def sides(splits: Splits) -> dict[int, str]:
    """The split of each line."""
    return {row.line: name for name in ("train", "validation", "test") for row in splits.named(name)}


def test_copies_and_near_copies_stay_on_one_side() -> None:
    items: list[Item] = [Document(story(number)) for number in range(60)]
    doubled = items + items[:30] + [Document(story(number) + " end") for number in range(30, 60)]
    for seed in range(5):
        found = sides(split(of(doubled), DataConfig(split_seed=seed, test_fraction=0.2)))
        assert len(found) == 120
        assert [number for number in range(60) if found[number] != found[number + 60]] == []


def test_dropped_copies_are_in_no_split() -> None:
    items: list[Item] = [Document(story(number)) for number in range(30)]
    near: list[Item] = [Document(story(number) + " end") for number in range(5)]
    config = DataConfig(remedies=Remedies(duplicates="drop"))
    assert set(sides(split(of(items + items[:7] + near), config))) == {*range(30), *range(37, 42)}
    config = DataConfig(remedies=Remedies(duplicates="drop", near_duplicates="drop"))
    assert set(sides(split(of(items + items[:7] + near), config))) == set(range(30))


def test_training_rows_that_leak_can_be_dropped() -> None:
    train = of([Document(story(number)) for number in range(20)], name="train")
    test = of([*(Document(story(number)) for number in range(3)), Document(story(7) + " end")], name="test")
    config = DataConfig(validation_fraction=0)
    assert len(split([*train, *test], config).train) == 20
    cleaned = split([*train, *test], DataConfig(validation_fraction=0, remedies=Remedies(leaked="drop")))
    assert [row.line for row in cleaned.train] == [*range(3, 7), *range(8, 20)]
    assert len(cleaned.test) == 4


def test_private_text_is_masked_in_every_split() -> None:
    talk = Conversation((Message("user", "I am a@b.org"), Message("assistant", "Hello a@b.org")))
    splits = split(of([talk] * 30), DataConfig(remedies=Remedies(private="mask")))
    found = {text.content for name in ("train", "validation", "test") for row in splits.named(name)
             for text in getattr(row.item, "messages", ())}  # fmt: skip
    assert found == {"I am [email]", "Hello [email]"}


@pytest.mark.parametrize(
    ("remedies", "kept"),
    [
        (Remedies(empty_turns="drop"), {0, 2, 3}), (Remedies(one_sided="drop"), {0, 1, 3}),
        (Remedies(roles="drop"), {0, 1, 2}), (Remedies(empty_turns="merge", roles="merge"), {0, 1, 2, 3}),
    ],
)  # fmt: skip
def test_faulty_conversations_can_be_dropped(remedies: Remedies, kept: set[int]) -> None:
    user, reply = Message("user", "a"), Message("assistant", "b")
    talks = [(user, reply), (user, reply, Message("user", ""), reply), (reply,), (user, user, reply)]
    splits = split(of([Conversation(turns) for turns in talks]), DataConfig(remedies=remedies))
    assert set(sides(splits)) == kept


def test_a_row_of_another_language_can_be_dropped() -> None:
    items: list[Item] = [Document(f"It was the best of times, it was the worst of times, part {n}.") for n in range(40)]
    items.append(Document("Es war die beste aller Zeiten, es war die schlechteste aller Zeiten."))
    assert 40 not in sides(split(of(items), DataConfig(remedies=Remedies(languages="drop"))))


def test_a_column_may_name_the_split() -> None:
    raw = [{"part": part} for part in ("train", "dev", "test", "Train", "", "TEST")]
    config = DataConfig(split_by="column", split_column="part")
    found = sides(split(of([Document(story(n)) for n in range(6)], raw), config))
    assert found == {0: "train", 1: "validation", 2: "test", 3: "train", 4: "train", 5: "test"}


def test_a_column_that_is_not_there_is_refused_with_those_there_are() -> None:
    with pytest.raises(DataError, match="there is no column who; the columns are text, part"):
        split(
            of([Document("a")] * 9, [{"text": "a", "part": "x"}] * 9), DataConfig(split_by="group", split_column="who")
        )


def test_a_group_is_never_on_both_sides() -> None:
    raw = [{"customer": number % 12} for number in range(120)]
    config = DataConfig(split_by="group", split_column="customer", test_fraction=0.2, validation_fraction=0.1)
    splits = split(of([Document(story(n)) for n in range(120)], raw), config)
    owners = [{row.raw["customer"] for row in splits.named(name)} for name in ("train", "validation", "test")]
    assert sum(map(len, owners)) == 12 and all(owners)
    assert len(splits.test) == 20 or len(splits.test) == 30


def test_users_of_a_ranking_are_groups_without_a_column() -> None:
    items: list[Item] = [Choice((), f"film {n}", True, user=str(n % 8)) for n in range(80)]
    splits = split(of(items), DataConfig(split_by="group", test_fraction=0.25))
    users = {row.item.user for row in splits.test if isinstance(row.item, Choice)}
    assert len(users) == 2 and len(splits.test) == 20


def offers(user: str, hour: int, count: int) -> list[Item]:
    """A list of candidates that one user saw at one time, after all that they took before."""
    history = tuple(f"film {user} {before}" for before in range(hour))
    return [Choice(history, f"film {user} {hour + n}", n == 0, user, float(hour)) for n in range(count)]


def test_what_was_offered_last_is_held_back_without_being_asked() -> None:
    items = [item for hour in range(60) for item in offers("ab"[hour % 2], hour, 1 if hour < 58 else 9)]
    splits = split(of(items), DataConfig(test_fraction=0.1, validation_fraction=0.05))
    parts = [[row.item for row in splits.named(name)] for name in ("train", "validation", "test")]
    hours = [[item.seconds or 0 for item in part if isinstance(item, Choice)] for part in parts]
    assert all(hours)
    assert max(hours[0]) < min(hours[1]) and max(hours[1]) < min(hours[2])


def test_candidates_that_were_offered_together_are_on_one_side() -> None:
    items = [item for hour in range(12) for item in offers("ab"[hour % 2], hour, 5)]
    splits = split(of(items), DataConfig(test_fraction=0.07, validation_fraction=0.07))
    assert [len(splits.named(name)) for name in ("train", "validation", "test")] == [50, 5, 5]


def test_without_times_a_user_is_on_one_side_without_being_asked() -> None:
    items: list[Item] = [Choice((), f"film {n}", True, user=str(n % 8)) for n in range(80)]
    splits = split(of(items), DataConfig(test_fraction=0.25, validation_fraction=0))
    users = [{row.item.user for row in part if isinstance(row.item, Choice)} for part in (splits.train, splits.test)]
    assert users[0].isdisjoint(users[1]) and len(users[1]) == 2


def test_by_chance_means_by_chance_for_choices_too() -> None:
    items = [item for hour in range(30) for item in offers("a", hour, 1)]
    hours = [row.item.seconds or 0 for row in split(of(items), DataConfig(split_by="random")).test
             if isinstance(row.item, Choice)]  # fmt: skip
    assert min(hours) < 25


def test_every_label_has_the_same_share_in_each_split() -> None:
    items: list[Item] = [Labelled(story(n), ("rare",) if n % 10 == 0 else ("common",)) for n in range(400)]
    splits = split(of(items), DataConfig(split_by="label", test_fraction=0.2, validation_fraction=0.1))
    counts = Counter(row.item.label for row in splits.test if isinstance(row.item, Labelled))
    assert counts == {("rare",): 8, ("common",): 72}
    assert (len(splits.train), len(splits.validation)) == (280, 40)


def test_the_newest_rows_are_held_back() -> None:
    raw = [{"at": f"2024-01-{1 + (day * 7) % 20:02}"} for day in range(20)]
    config = DataConfig(split_by="time", split_column="at", test_fraction=0.2, validation_fraction=0.1)
    splits = split(of([Document(story(n)) for n in range(20)], raw), config)
    days = {name: [row.raw["at"] for row in splits.named(name)] for name in ("train", "validation", "test")}
    assert max(days["train"]) < min(days["validation"]) and max(days["validation"]) < min(days["test"])
    assert (len(days["validation"]), len(days["test"])) == (2, 4)


def test_a_time_that_is_none_is_refused_with_its_line() -> None:
    raw = [{"at": "soon" if day == 1 else "2024-01-01"} for day in range(9)]
    with pytest.raises(DataError, match="line 1: soon in the column at is no time"):
        split(of([Document("a")] * 9, raw), DataConfig(split_by="time", split_column="at"))


def test_what_a_report_measured_divides_like_the_rows_themselves(
    conversations: Path, tiny_model: Path, tmp_path: Path
) -> None:
    lines = conversations.read_text(encoding="utf-8").splitlines()
    private = lines[2].replace('"content": "', '"content": "mail me at anna@example.org ', 1)
    path = tmp_path / "copied.jsonl"
    path.write_text("\n".join([*lines, *lines[:5], private]), encoding="utf-8")
    config = build(RunConfig, {"model": {"name": str(tiny_model)}, "data": {"source": str(path)}})
    rows = load(config.data).rows
    known = measure(config, rows)
    for remedies in (
        Remedies(duplicates="drop"), Remedies(private="drop", languages="drop"), Remedies(near_duplicates="drop"),
        Remedies(leaked="drop", roles="drop"), Remedies(private="mask", duplicates="drop"),
    ):  # fmt: skip
        data = config.data.model_copy(update={"remedies": remedies})
        assert split(rows, data, known) == split(rows, data), remedies
