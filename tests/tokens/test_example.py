from chatgui.tokens.example import IGNORE_INDEX, Example, Span, cut, label_spans

IDS = [10, 11, 12, 13, 14]
STARTS = [0, 2, 4, 6, 8]


def test_only_tokens_inside_a_span_are_labelled() -> None:
    assert label_spans(IDS, STARTS, [Span(4, 8)]) == [IGNORE_INDEX, IGNORE_INDEX, 12, 13, IGNORE_INDEX]


def test_a_token_across_the_start_of_a_span_belongs_to_the_prompt() -> None:
    assert label_spans(IDS, STARTS, [Span(3, 8)])[1] == IGNORE_INDEX


def test_spans_may_come_in_any_order() -> None:
    assert label_spans(IDS, STARTS, [Span(8, 10), Span(0, 2)]) == [10, *[IGNORE_INDEX] * 3, 14]


def test_tokens_of_one_character_share_its_start() -> None:
    assert label_spans([1, 2, 3], [0, 0, 1], [Span(0, 1)]) == [1, 2, IGNORE_INDEX]


def test_what_stands_behind_the_limit_is_left_out_and_counted() -> None:
    example = cut(IDS, IDS, 3)
    assert (example.input_ids, example.labels, example.cut_tokens, len(example)) == ((10, 11, 12), (10, 11, 12), 2, 3)


def test_the_first_token_never_teaches() -> None:
    assert Example((1, 2, 3), (1, 2, IGNORE_INDEX)).supervised == 1
