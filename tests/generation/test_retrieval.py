from chatgui.generation.retrieval import Index, words


def test_words_are_found_in_both_languages_without_those_that_say_nothing() -> None:
    assert words("How do I return the jackets?") == ["return", "jacket"]
    assert "退货" in words("请问怎么退货？")


def test_the_text_that_is_meant_comes_first() -> None:
    index = Index(["Jackets may be returned within 30 days.", "The shop is open until six.", "门店营业到晚上六点。"])
    english, chinese = index.scores("When is the shop open?"), index.scores("门店几点关门")
    assert english.index(max(english)) == 1
    assert chinese.index(max(chinese)) == 2


def test_a_question_without_a_known_word_scores_nothing() -> None:
    assert Index(["a text", "b"]).scores("zzz") == [0.0, 0.0]
    assert Index(["?!", ""]).scores("zzz") == [0.0, 0.0]
