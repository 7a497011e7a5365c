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


def test_an_english_word_is_found_in_any_of_its_forms() -> None:
    assert words("returning, returned and returns") == ["return"] * 3


def test_the_share_of_a_question_that_a_text_holds_does_not_depend_on_the_corpus() -> None:
    question = "May I return a tent?"
    small = Index(["A tent may be returned.", "Open until six."])
    large = Index(["A tent may be returned.", *(f"Page {n} says nothing." for n in range(500))])
    assert small.covered(question)[0] == large.covered(question)[0] == 1.0
    assert Index(["A tent.", "x"]).covered("a tent on the moon")[0] < 0.5
    assert small.covered("?") == [0.0, 0.0]
