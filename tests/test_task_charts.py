from collections import Counter
from datetime import date

from chatgui.task_charts import confusion_figure, share_figure

DAYS = {date(2026, 1, 1): Counter(bad=1, good=3), date(2026, 1, 2): Counter(bad=4, fair=1)}


def test_the_watched_label_is_drawn_by_topic_and_the_others_wait_in_the_legend() -> None:
    figure = share_figure({"product": DAYS, "delivery": DAYS}, "bad", [("2026-01-02", "product")])
    lines = {line["name"]: line for line in figure["data"]}
    assert [name for name, line in lines.items() if line["visible"] is True] == ["delivery: bad", "product: bad"]
    assert lines["product: bad"]["y"] == [0.25, 0.8]
    assert lines["product: good"]["y"] == [0.75, 0.0] and lines["product: fair"]["visible"] == "legendonly"
    assert [lines[name]["marker"]["symbol"] for name in ("product: bad", "delivery: bad")] == [
        ["circle", "x"], ["circle", "circle"],
    ]  # fmt: skip


def test_of_many_labels_the_most_confused_are_shown() -> None:
    names = [f"l{n}" for n in range(25)]
    counts = [[9 if i == j else 0 for j in range(25)] for i in range(25)]
    counts[3][7] = 5
    (heatmap,) = confusion_figure({"labels": names, "confusion": counts}, "Tuned")["data"]
    assert len(heatmap["x"]) == 20 and {"l3", "l7"} <= set(heatmap["x"])
    assert heatmap["z"][heatmap["y"].index("l3")][heatmap["x"].index("l7")] == 5 / 14
