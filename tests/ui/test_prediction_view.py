from chatgui.evaluation.classes import label_set_scores, number_scores
from chatgui.text import say
from chatgui.ui import prediction_view


def test_a_number_is_judged_by_its_error_and_two_correlations() -> None:
    shown = prediction_view.metrics(number_scores([1.0, 2.0, 3.0, 4.0], [1.5, 2.0, 2.5, 9.0]), "Tuned", "en")
    assert "<dt>Mean squared error</dt><dd>6.3750</dd>" in shown
    assert "<dt>Pearson</dt><dd>0.8427</dd>" in shown and "<dt>Spearman</dt><dd>1.0000</dd>" in shown
    assert "<table" not in shown


def test_several_labels_have_a_line_each() -> None:
    scores = label_set_scores(["bug", "ui"], [["bug"], ["bug", "ui"], []], [["bug"], ["ui"], ["ui"]])
    shown = prediction_view.metrics(scores, "Tuned", "zh")
    assert shown.count("<tr>") == 3
    assert "<tr><th>bug</th><td>1.0000</td><td>0.5000</td><td>0.6667</td><td>2</td></tr>" in shown
    assert say("score.precision", "zh") in shown


def test_a_predicted_number_and_several_predicted_labels_are_written_out() -> None:
    assert prediction_view.prediction({"label": 3.25, "scores": {}}, "en") == '<p class="predicted">3.250</p>'
    several = {"label": ["bug", "ui"], "scores": {"bug": 0.9, "ui": 0.7, "docs": 0.1}}
    shown = prediction_view.prediction(several, "en")
    assert '<p class="predicted">bug, ui</p>' in shown and shown.count("<li>") == 3


def test_where_the_base_model_cannot_be_asked_the_page_says_so() -> None:
    assert say("try.base_cannot", "en") in prediction_view.metrics({}, "Base", "en")
