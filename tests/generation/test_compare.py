from pathlib import Path

import pytest

from chatgui.config import GenerationConfig, RunConfig
from chatgui.data.load import DataConfig, load
from chatgui.errors import DataError
from chatgui.generation import compare
from chatgui.generation.compare import Reply, compare_prompts, first_difference, read_prompts, receipt, stream_pair
from chatgui.generation.pair import Pair

GREEDY = GenerationConfig(temperature=0, max_new_tokens=16)
ASKED = [{"role": "user", "content": "Hello?"}]


@pytest.mark.parametrize(
    ("base", "tuned", "place"),
    [
        ([], [], None),
        ([1, 2, 3], [1, 2, 3], None),
        ([1, 2, 3], [1, 9, 3], 1),
        ([1, 2], [1, 2, 3], 2),
        ([1, 2, 3], [], 0),
    ],
)
def test_first_difference(base: list[int], tuned: list[int], place: int | None) -> None:
    assert first_difference(base, tuned) == place


def test_replies_grow_token_by_token_to_what_a_comparison_prints(pair: Pair) -> None:
    lengths = []
    for base, tuned in stream_pair(pair, ASKED, ASKED, GREEDY):
        lengths.append(len(base.ids))
        assert tuned.prompt_tokens == base.prompt_tokens
    (row,) = compare_prompts(pair, [ASKED], GREEDY)
    assert lengths[: len(base.ids)] == list(range(1, len(base.ids) + 1))
    assert (row["base"]["ids"], row["tuned"]["ids"]) == (base.ids, tuned.ids)
    assert row["first_difference"] == first_difference(base.ids, tuned.ids)


def test_each_side_answers_its_own_messages(pair: Pair) -> None:
    other = [{"role": "user", "content": "Something else entirely"}]
    *_, (base, tuned) = stream_pair(pair, ASKED, other, GREEDY)
    assert tuned.prompt_tokens > base.prompt_tokens


def test_a_wish_to_stop_ends_both_replies_and_keeps_what_there_is(pair: Pair) -> None:
    seen: list[tuple[int, int]] = []
    for base, tuned in stream_pair(pair, ASKED, ASKED, GREEDY, should_stop=lambda: len(seen) == 3):
        seen.append((len(base.ids), len(tuned.ids)))
    assert seen == [(1, 1), (2, 2), (3, 3)]


def test_a_prompt_as_long_as_the_context_is_told(pair: Pair) -> None:
    long = [{"role": "user", "content": "x" * 300}]
    with pytest.raises(DataError, match=r"the prompt is \d+ tokens long and the model takes 256"):
        next(stream_pair(pair, ASKED, long, GREEDY))


def test_half_a_character_is_not_shown(pair: Pair) -> None:
    for base, tuned in stream_pair(pair, ASKED, ASKED, GREEDY):
        assert not base.text.endswith("\ufffd") and not tuned.text.endswith("\ufffd")


def test_rows_come_in_the_order_of_their_prompts(pair: Pair) -> None:
    prompts = [[{"role": "user", "content": "a" * length}] for length in (9, 1, 5, *range(20, 40))]
    rows = list(compare_prompts(pair, prompts, GREEDY.model_copy(update={"max_new_tokens": 2})))
    assert [row["prompt"] for row in rows] == prompts


def test_the_receipt_says_what_made_the_reply(pair: Pair) -> None:
    reply = Reply(prompt_tokens=5, ids=[1, 2, 3], ended=True, seconds=0.5)
    said = receipt(pair.tuned, reply, GREEDY)
    assert (said["weights"], said["adapter"], said["template"]) == (pair.tuned.weights, "on", pair.template.fingerprint)
    assert (said["prompt_tokens"], said["new_tokens"], said["tokens_per_second"], said["device"]) == (5, 3, 6.0, "cpu")
    assert (said["seed"], said["temperature"], said["top_p"], said["ended"]) == (0, 0, 0.9, True)


def test_test_prompts_are_the_openings_of_the_test_split(conversations: Path) -> None:
    config = RunConfig(data=DataConfig(source=str(conversations), test_fraction=0.25))
    prompts = compare.test_prompts(config)
    assert len(prompts) == 6
    assert all(prompt[-1]["role"] == "user" and len(prompt) <= 2 for prompt in prompts)
    assert compare.test_prompts(config, load(config.data)) == prompts


def test_prompts_of_a_file_are_texts_or_messages(tmp_path: Path) -> None:
    file = tmp_path / "prompts.jsonl"
    lines = ["Hello there", '"quoted"', "", '{"prompt": "p"}', '{"messages": [{"role": "user", "content": "m"}]}']
    file.write_text("\n".join(lines), "utf-8")
    assert [prompt[0]["content"] for prompt in read_prompts(file)] == ["Hello there", "quoted", "p", "m"]


def test_a_prompt_that_is_none_is_told_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "prompts.jsonl"
    file.write_text('"fine"\n{"text": "no"}\n', "utf-8")
    with pytest.raises(DataError, match=r"prompts\.jsonl, line 2"):
        read_prompts(file)
