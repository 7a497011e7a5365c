from types import ModuleType
from typing import Any

import pytest

from chatgui.data.conversation import Message
from chatgui.data.formats import FORMATS, Recognition, recognise
from chatgui.data.mapping import Mapping, apply
from chatgui.errors import DataError

SAID = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
HUMAN = [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]
POPULAR: dict[str, tuple[str, dict[str, Any]]] = {
    "no_robots": ("messages", {"prompt": "Hi", "prompt_id": "7f", "messages": SAID, "category": "Open QA"}),
    "ultrachat": ("messages", {"id": "1", "data": ["Hi", "Hello", "And you?", "Well."]}),
    "wildchat": ("messages", {"conversation_hash": "7f", "model": "m", "conversation": SAID, "language": "English"}),
    "guanaco": ("messages", {"text": "### Human: Hi### Assistant: Hello"}),
    "csv of messages": ("messages", {"id": "1", "messages": '[{"role": "user", "content": "Hi"}]'}),
    "sharegpt": ("sharegpt", {"id": "QWJh", "conversations": HUMAN}),
    "belle": ("sharegpt", {"conversations": [{"from": "human", "value": "你好"}, {"from": "assistant", "value": ""}]}),
    "share-ai": ("sharegpt", {"conversation_id": "1", "conversation": [{"human": "你好", "assistant": "您好"}]}),
    "moss": ("sharegpt", {"meta_instruction": "Kind.", "chat": {"turn_1": {"Human": "Hi", "MOSS": "Hello"}}}),
    "alpaca": ("alpaca", {"instruction": "Sing.", "input": "", "output": "La", "text": "Below is …"}),
    "dolly": ("alpaca", {"instruction": "Who?", "context": "Al did.", "response": "Al", "category": "closed_qa"}),
    "firefly": ("prompt_completion", {"kind": "NLI", "input": "前提", "target": "矛盾"}),
    "instructional": ("prompt_completion", {"prompt": "Hi", "response": "Hello"}),
    "gsm8k": ("question_answer", {"question": "How many?", "answer": "72"}),
    "metamath": ("question_answer", {"query": "How many?", "response": "72", "type": "GSM_Rephrased"}),
    "openorca": ("question_answer", {"id": "1", "system_prompt": "", "question": "Hi", "response": "Hello"}),
    "squad": ("question_answer", {
        "id": "1", "title": "Cat", "context": "A cat.", "question": "What?", "answers": {"text": ["A cat"]},
    }),
    "hh-rlhf": ("preference", {
        "chosen": "\n\nHuman: Hi\n\nAssistant: Hello", "rejected": "\n\nHuman: Hi\n\nAssistant: What?",
    }),
    "ultrafeedback binarized": ("preference", {
        "prompt": "Hi", "messages": SAID, "chosen": SAID, "score_chosen": 8.0,
        "rejected": [SAID[0], {"role": "assistant", "content": "What?"}], "score_rejected": 5.0,
    }),
    "ultrafeedback": ("preference", {
        "source": "evol", "instruction": "Hi", "models": ["a", "b"],
        "completions": [{"response": "What?", "overall_score": 5.0}, {"response": "Hello", "overall_score": 8.5}],
    }),
    "nectar": ("preference", {
        "prompt": "\n\nHuman: Hi\n\nAssistant: ",
        "answers": [{"answer": "What?", "rank": 7.0}, {"answer": "Hello", "rank": 1.0}],
    }),
    "orca dpo pairs": ("preference", {"system": "", "question": "Hi", "chosen": "Hello", "rejected": "What?"}),
    "alpaca dpo": ("preference", {"instruction": "Hi", "input": "", "chosen": "Hello", "rejected": "What?"}),
    "trl kto": ("kto", {"prompt": SAID[:1], "completion": SAID[1:], "label": True}),
    "kto of a csv": ("kto", {"prompt": "Hi", "completion": "Hello", "label": "False"}),
    "llama-factory kto": ("kto", {"instruction": "Hi", "input": "", "output": "Hello", "kto_tag": True}),
    "imdb": ("label", {"text": "I rented this film.", "label": 0}),
    "sst2": ("label", {"idx": 0, "sentence": "hide new secretions", "label": 0}),
    "ag_news": ("label", {"text": "Wall St. Bears Claw Back", "label": "Business"}),
    "tnews": ("label", {"label": "108", "label_desc": "news_edu", "sentence": "上课时学生手机响", "keywords": ""}),
    "go_emotions": ("label", {"text": "My favourite food.", "labels": [27], "id": "eebbqej"}),
    "yelp": ("label", {"review_id": "a", "stars": 4, "text": "Great place."}),
    "sms_spam": ("label", {"sms": "Go until jurong point", "label": 0}),
    "mnli": ("label_pairs", {"premise": "It rained.", "hypothesis": "It was dry.", "label": 2}),
    "qqp": ("label_pairs", {"id": "1", "question1": "Why?", "question2": "How come?", "is_duplicate": 1}),
    "qnli": ("label_pairs", {"question": "When?", "sentence": "In 1999.", "label": 0, "idx": 0}),
    "stsb": ("label_pairs", {"sentence1": "A plane.", "sentence2": "An aeroplane.", "score": 4.6}),
    "conll2003": ("tags", {"id": "0", "tokens": ["EU", "rejects"], "pos_tags": [22, 42], "ner_tags": [3, 0]}),
    "cluener": ("tags", {"text": "叶老桂来了", "label": {"name": {"叶老桂": [[0, 2]]}}}),
    "wikitext": ("text", {"text": " = Valkyria Chronicles III = \n"}),
    "c4": ("text", {"text": "Beginners BBQ Class", "timestamp": "2019-04-25T12:57:54Z", "url": "https://a.example"}),
    "wikipedia": ("text", {"id": "12", "url": "https://a.example", "title": "Anarchism", "text": "Anarchism is …"}),
    "the pile": ("text", {"text": "It is done", "meta": {"pile_set_name": "Pile-CC"}}),
    "fineweb": ("text", {"text": "How AP reported", "id": "a", "dump": "CC", "language": "en", "token_count": 717}),
}  # fmt: skip
UNKNOWN: dict[str, dict[str, Any]] = {
    "a title and a year": {"title": "A row", "year": 1999},
    "mmlu": {"question": "Which one?", "subject": "law", "choices": ["a", "b"], "answer": 1},
    "translations": {"translation": {"en": "Hi", "zh": "你好"}},
    "numbers": {"x": 1.5, "y": 2},
}


def read(row: dict[str, Any]) -> Any:
    found = recognise([row], "a.jsonl")
    return apply(Mapping(found.format, found.columns), row)


@pytest.mark.parametrize("format_", FORMATS, ids=lambda format_: format_.NAME)
def test_the_example_of_a_format_is_recognised_as_it(format_: ModuleType) -> None:
    assert recognise([format_.EXAMPLE], "a.jsonl").format == format_.NAME


@pytest.mark.parametrize("format_", FORMATS, ids=lambda format_: format_.NAME)
def test_the_example_of_a_format_can_be_converted(format_: ModuleType) -> None:
    assert read(format_.EXAMPLE)


@pytest.mark.parametrize("format_", FORMATS, ids=lambda format_: format_.NAME)
def test_a_row_of_another_form_does_not_match(format_: ModuleType) -> None:
    assert not format_.matches({"title": "A row", "year": 1999})


@pytest.mark.parametrize(("format_", "row"), POPULAR.values(), ids=POPULAR)
def test_rows_of_popular_datasets_are_recognised(format_: str, row: dict[str, Any]) -> None:
    assert recognise([row], "a.jsonl").format == format_


@pytest.mark.parametrize("row", UNKNOWN.values(), ids=UNKNOWN)
def test_rows_of_no_format_are_not_taken_for_one(row: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="no known format fits the columns found"):
        recognise([row] * 50, "a.jsonl")


def test_a_few_broken_rows_do_not_hide_the_format() -> None:
    rows: list[dict[str, Any]] = [{"text": "one"}, {"text": None}, {"text": "three"}]
    assert recognise(rows, "a.jsonl").format == "text"


def test_the_reason_says_how_many_rows_fit_and_what_they_are_read_from() -> None:
    rows = [{"prompt": "Hi", "chosen": "Yes", "rejected": "No"}] * 7 + [{"prompt": "Hi", "chosen": "Yes"}] * 3
    found = recognise(rows, "a.jsonl")
    assert found.confidence == 0.7
    assert found.reason() == "7 of 10 rows fit it, read from prompt, chosen, rejected."


def test_no_rows_have_no_format() -> None:
    with pytest.raises(DataError):
        recognise([], "a.jsonl")


def test_a_table_of_ratings_is_told_what_ranking_needs() -> None:
    with pytest.raises(DataError, match=r"a table of ratings \(userId, movieId, rating\)"):
        recognise([{"userId": "1", "movieId": "3", "rating": "4.0", "timestamp": "964982703"}] * 9, "ratings.csv")


def test_a_label_under_an_unknown_name_is_found_by_its_few_values() -> None:
    rows = [{"column_1": f"sentence number {number}", "column_2": str(number % 2)} for number in range(20)]
    assert recognise(rows, "a.tsv") == Recognition("label", {"text": "column_1", "label": "column_2"}, 20, 20)


def test_moss_becomes_turns_below_its_system_message() -> None:
    assert read(POPULAR["moss"][1]).messages == (
        Message("system", "Kind."), Message("user", "Hi"), Message("assistant", "Hello"),
    )  # fmt: skip


def test_an_answer_of_squad_is_read_with_its_context() -> None:
    assert read(POPULAR["squad"][1]).messages == (Message("user", "A cat.\n\nWhat?"), Message("assistant", "A cat"))


def test_guanaco_is_taken_apart_at_its_marks() -> None:
    assert read(POPULAR["guanaco"][1]).messages == (Message("user", "Hi"), Message("assistant", "Hello"))
