import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from chatgui.config import GenerationConfig, RunConfig
from chatgui.data.conversation import Preference
from chatgui.data.load import DataConfig
from chatgui.errors import ChatGuiError, DataError
from chatgui.evaluation.ahead import Makers
from chatgui.evaluation.reviews import Pair, Review, append, cast_vote, new_review, read, typed_prompts
from chatgui.fields import build_flat, flatten
from chatgui.runs.execute import execute
from chatgui.runs.store import Run, create_run
from chatgui.runs.workspace import Workspace
from chatgui.ui.form import Form
from chatgui.ui.session import Selection
from chatgui.ui.tabs import review as tab
from chatgui.ui.tabs import train
from tests.finished import finished_run
from tests.ui.conftest import wait_until


@pytest.fixture
def workspace(home: Path) -> Workspace:
    return Workspace(home)


@pytest.fixture
def run(workspace: Workspace, tiny_model: Path, conversations: Path) -> Run:
    return finished_run(workspace.home, tiny_model, conversations)


@pytest.fixture
def ready(run: Run) -> Review:
    """Three pairs that need no model; the replies of the second are equal."""
    review = new_review(typed_prompts("one\ntwo\nthree"), "typed", GenerationConfig(), pairs=3, seed=0)
    append(run.reviews, review)
    for index, tuned in enumerate(["aa", "same", "cc"]):
        append(run.reviews, Pair(review.id, index, "same", tuned))
    return review


@pytest.fixture
def ask(workspace: Workspace) -> Callable[..., dict[str, Any]]:
    """A server function with its query."""
    makers = Makers()

    def call(name: str, run: Run | None = None, language: str = "en", **query: Any) -> dict[str, Any]:
        query |= {"run": run.id if run else None, "reviewer": query.get("reviewer", "Ann")}
        if name == "exported":
            return tab.exported(workspace, language, query)
        return dict(getattr(tab, name)(workspace, makers, language, query))

    return call


def test_without_a_run_there_is_nothing_to_review(ask: Callable[..., dict[str, Any]]) -> None:
    shown = ask("look")
    assert (shown["run"], shown["runs"], shown["review"]) == (None, [], None)
    assert shown["texts"]["no_run"]


def test_a_run_without_a_review_offers_to_begin_one(ask: Callable[..., dict[str, Any]], run: Run) -> None:
    shown = ask("look")
    assert (shown["run"], shown["review"], shown["reviews"]) == (run.id, None, [])
    assert shown["defaults"]["pairs"] == 20


def test_a_review_over_the_test_split_makes_its_pairs_by_itself(ask: Callable[..., dict[str, Any]], run: Run) -> None:
    shown = ask("begin", run, source="test", pairs=4, max_new_tokens=4, temperature=0)
    assert (shown["total"], shown["done"], shown["next"]) == (4, False, None)
    wait_until(lambda: ask("look", run)["ready"] == 4, 60)
    shown = ask("look", run)
    assert shown["next"]["index"] == 0
    assert shown["next"]["prompt"][-1]["role"] == "user"
    assert not shown["working"]


def test_a_pair_is_shown_without_a_word_on_which_is_which(
    ask: Callable[..., dict[str, Any]], run: Run, ready: Review
) -> None:
    shown = ask("look", run)["next"]
    assert set(shown) == {"index", "prompt", "left", "right"}
    assert {shown["left"], shown["right"]} == {"same", "aa"}


def test_a_vote_is_kept_revealed_and_counted(ask: Callable[..., dict[str, Any]], run: Run, ready: Review) -> None:
    shown = ask("look", run)["next"]
    voted = ask("vote", run, index=0, choice="left", tag="tone", comment="short", id="x1")
    model = {"same": "base", "aa": "tuned"}[shown["left"]]
    assert voted["kept"] == {"index": 0, "left": model, "choice": "left", "verdict": model}
    assert (voted["voted"], voted["skipped"], voted["next"]["index"]) == (1, 1, 2)
    assert [(cast.id, cast.tag, cast.comment) for cast in read(run.reviews).votes] == [("x1", "tone", "short")]
    counts = {bar["verdict"]: bar["count"] for bar in voted["result"]["bars"]}
    assert counts == {"tuned": 0, "tie": 0, "both_bad": 0, "base": 0, model: 1}


def test_each_reviewer_goes_through_all_pairs(ask: Callable[..., dict[str, Any]], run: Run, ready: Review) -> None:
    for index in (0, 2):
        done = ask("vote", run, index=index, choice="tie")
    assert (done["done"], done["next"]) == (True, None)
    other = ask("look", run, reviewer="Ben")
    assert (other["done"], other["voted"], other["next"]["index"]) == (False, 0, 0)


def test_typed_prompts_and_a_file_are_reviewed(ask: Callable[..., dict[str, Any]], run: Run) -> None:
    ask("begin", run, source="typed", text="Hi\n\nHow are you?", pairs=9, max_new_tokens=2)
    lines = [{"prompt": "one"}, {"messages": [{"role": "user", "content": "two"}]}]
    text = "\n".join(json.dumps(line) for line in lines)
    ask("begin", run, source="file", file="../mine.jsonl", text=text, pairs=9, max_new_tokens=2)
    found = read(run.reviews).reviews
    assert [review.source for review in found] == ["typed", "mine.jsonl"]
    assert [[prompt[-1]["content"] for prompt in review.prompts] for review in found] == [
        ["Hi", "How are you?"],
        ["one", "two"],
    ]
    names = [choice["name"] for choice in ask("look", run)["reviews"]]
    assert [name.partition(" · ")[2] for name in names] == ["2 pairs · 0 votes"] * 2
    # the older review's replies are made as well: its thread must not outlive the home
    wait_until(lambda: all(thread.name != "review-ahead" for thread in threading.enumerate()), 60)


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"source": "typed", "text": " \n"}, "there is no prompt to review"),
        ({"source": "file", "file": "a.jsonl", "text": '{"no": 1}'}, "a.jsonl, line 1: this is no prompt"),
        ({"source": "typed", "text": "a", "temperature": 9}, "temperature"),
    ],
)
def test_what_cannot_be_reviewed_is_told(
    ask: Callable[..., dict[str, Any]], run: Run, query: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ChatGuiError, match=sentence):
        ask("begin", run, **query)
    assert read(run.reviews).reviews == ()


def test_exports_have_names_and_contents(ask: Callable[..., dict[str, Any]], run: Run, ready: Review) -> None:
    with pytest.raises(DataError, match=r"no vote on .* prefers a side yet"):
        ask("exported", run, **{"as": "preference"})
    ask("vote", run, index=0, choice="left")
    for kind, start in (
        ("csv", "\ufeffrun,"),
        ("html", "<!doctype"),
        ("preference", '{"prompt"'),
        ("kto", '{"prompt"'),
    ):
        made = ask("exported", run, **{"as": kind})
        assert made["text"].startswith(start)
        assert run.id in made["name"]


def test_a_path_is_no_run(ask: Callable[..., dict[str, Any]], workspace: Workspace) -> None:
    with pytest.raises(ChatGuiError, match="there is no run"):
        tab.exported(workspace, "en", {"run": "../../etc", "as": "csv"})


def test_a_script_votes_by_number_and_is_shown_the_next_pair(workspace: Workspace, run: Run, ready: Review) -> None:
    makers = Makers()

    def vote(**said: Any) -> dict[str, Any]:
        named = {"choice": "", "pair": 0, "reviewer": "bot", "tag": "", "comment": "", **said}
        return tab.vote_once(workspace, makers, "en", run=run.id, **named)

    assert vote()["next"]["pair"] == 1
    first = vote(choice="right", pair=1, comment="why not")
    assert (first["vote"]["pair"], first["next"]["pair"], first["voted"]) == (1, 3, 1)
    last = vote(choice="both_bad")
    assert (last["vote"]["verdict"], last["next"], last["done"]) == ("both_bad", None, True)
    with pytest.raises(DataError, match="has no replies to vote on"):
        vote(choice="left", pair=2)


def test_a_review_that_is_not_there_is_told(workspace: Workspace, run: Run) -> None:
    with pytest.raises(DataError, match="has no such review"):
        tab.vote_once(
            workspace, Makers(), "en", run=run.id, choice="", pair=0, reviewer="b", tag="", comment="", review="nope"
        )


def test_every_word_of_the_tab_exists_in_both_languages() -> None:
    english, chinese = tab.texts("en"), tab.texts("zh")
    assert set(english) == set(chinese)
    same = [key for key in english if english[key] == chinese[key]]
    assert same == []


# ---- what votes are good for -----------------------------------------------------------------------------------------


@pytest.fixture
def voted(run: Run) -> Review:
    """Eight pairs, all voted on."""
    review = new_review(typed_prompts("\n".join("abcdefgh")), "typed", GenerationConfig(), pairs=8, seed=0)
    append(run.reviews, review)
    for index in range(8):
        append(run.reviews, Pair(review.id, index, f"no {index}", f"of course {index}"))
        cast_vote(run.reviews, read(run.reviews), review, index, reviewer="Ann", choice="left")
    return review


def test_the_dataset_tab_opens_the_preferences(workspace: Workspace, run: Run, voted: Review) -> None:
    query = {"run": run.id, "review": voted.id}
    selection, tabs = tab.hand_over(workspace, "en", Selection(), query, "dataset")
    dataset = workspace.dataset(selection.data)
    assert (dataset.format, len(dataset.rows), len(dataset.dropped)) == ("preference", 8, 0)
    assert all(isinstance(row.item, Preference) for row in dataset.rows)
    assert workspace.dataset(DataConfig(source=selection.data.source)).format == "preference", "also found by itself"
    assert (tabs.selected, selection.wish) == ("dataset", ())


def test_votes_train_the_run_they_are_about(workspace: Workspace, run: Run, voted: Review) -> None:
    query = {"run": run.id, "review": voted.id}
    selection, tabs = tab.hand_over(workspace, "en", Selection(), query, "train")
    assert tabs.selected == "train"
    config = build_flat(
        RunConfig, {**dict(selection.wish), **flatten(selection.data, "data."), "training.max_steps": 2}
    )
    assert (config.task.kind, config.model.name) == ("preference", str(run.model_folder))
    second = create_run(workspace.home, config, "starting")
    assert execute(second), second.state().message
    pair = workspace.pair(second)
    first = workspace.pair(run)
    prompt = pair.template.prompt_ids([{"role": "user", "content": "a"}])
    assert prompt == first.template.prompt_ids([{"role": "user", "content": "a"}])
    assert pair.base.weights != pair.tuned.weights


def test_the_train_form_takes_a_wish_once() -> None:
    form = Form()
    with gr.Blocks():
        form.draw(lambda knob: True)
    wish = (("task.kind", "preference"), ("training.epochs", 3.0))
    taken, *updates = train.take_wish(form, "en", Selection(wish=wish), ())
    values = {name: update["value"] for name, update in zip(form.components, updates, strict=True)}
    assert taken == wish
    assert (values["task.kind"], values["training.epochs"], values["training.seed"]) == ("preference", 3.0, 0)
    _, *again = train.take_wish(form, "en", Selection(wish=wish), taken)
    assert all("value" not in update for update in again)
