"""Review: two replies side by side without names, a vote, the tally, and what votes are good for afterwards.

What moves is one `gr.HTML` with a script of its own (`assets/review*.js`) that calls server functions: a vote is kept
in the browser until the server has it on its disk, so neither a reload nor a killed server loses one.
"""

import logging
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr

from chatgui.config import GenerationConfig, RunConfig
from chatgui.data.load import DataConfig
from chatgui.errors import ChatGuiError, DataError
from chatgui.evaluation import review_export as export
from chatgui.evaluation import reviews
from chatgui.evaluation.ahead import Makers
from chatgui.evaluation.reviews import Contents, Pair, Review
from chatgui.evaluation.tally import Findings, findings
from chatgui.fields import build_flat
from chatgui.generation.compare import Messages, read_prompts, test_prompts
from chatgui.runs.scoring import read_card, scoring, start_scoring
from chatgui.runs.store import Run
from chatgui.runs.workspace import Workspace
from chatgui.text import DEFAULT_LANGUAGE, say, sentences
from chatgui.ui.moving import moving, named
from chatgui.ui.run_names import answering_runs
from chatgui.ui.scorecard_view import card_row
from chatgui.ui.session import QUIET, Selection, Session, bind, language_of

TITLE = "tab.review"
DEFAULT_PAIRS = 20
GENTLE = {"training.learning_rate": 5e-4, "training.epochs": 3.0}
"""For a few dozen votes on a model that already answers: a tenth of the rate that taught it."""
MOST_FILE_CHARACTERS = 5_000_000
TAGS = ("facts", "off_topic", "tone", "too_long", "too_short", "language", "format")
TEXTS = (
    "review.card", "review.card_intro", "review.card_make", "review.card_again", "review.metric", "review.change",
    "review.changes", "review.reference", "review.begin", "review.base", "review.both_bad", "review.cancel",
    "review.choose_run", "review.comment", "review.done", "review.draw", "review.error_again", "review.export_csv",
    "review.export_html", "review.export_kto", "review.export_preference", "review.exports", "review.file",
    "review.first", "review.intro", "review.left", "review.new", "review.next", "review.no_run", "review.offline",
    "review.open_dataset", "review.pairs", "review.preparing", "review.prompt", "review.reveal", "review.reviewer",
    "review.reviews", "review.result", "review.right", "review.seed", "review.so_far", "review.source",
    "review.source_file", "review.source_test", "review.source_typed", "review.tag", "review.temperature", "review.tie",
    "review.to_train", "review.tokens", "review.train_on_votes", "review.tuned", "review.typed_help",
    "review.you_chose",
)  # fmt: skip
log = logging.getLogger(__name__)


def build(session: Session) -> None:
    """The whole tab."""
    workspace, makers = session.workspace, Makers()
    panel = _panel({
        "look": lambda language, query: look(workspace, makers, language, query),
        "begin": lambda language, query: begin(workspace, makers, language, query),
        "vote": lambda language, query: vote(workspace, makers, language, query),
        "score": lambda language, query: score(workspace, language, query),
        "export": lambda language, query: exported(workspace, language, query),
    })  # fmt: skip
    session.selection.change(_run_of, session.selection, panel, **QUIET)
    panel.hand_over(
        _hand_over(workspace), session.selection, [session.selection, session.tabs], **QUIET
    )  # fmt: skip
    panel.open_train(lambda: gr.Tabs(selected="train"), None, session.tabs, **QUIET)
    gr.api(
        _endpoint(workspace, makers), api_name="vote",
        api_description="Vote on a pair of a blind review, or ask for the next pair with an empty choice.",
    )  # fmt: skip


def _panel(functions: dict[str, Callable[[str, dict[str, Any]], dict[str, Any]]]) -> gr.HTML:
    answers = [_server(each, function) for each, function in functions.items()]
    return moving("review", answers, "review_parts.js", "scorecard.js", "review.js", elem_id="review-panel")


def _server(name: str, function: Callable[[str, dict[str, Any]], dict[str, Any]]) -> Callable[..., Any]:
    """A function that the script calls by `name`. Whatever goes wrong comes back as `error`, a sentence."""

    def answer(query: dict[str, Any], request: gr.Request) -> dict[str, Any]:
        language = language_of(request)
        try:
            return function(language, query)
        except ChatGuiError as error:
            return {"error": error.text(language)}
        except OSError as error:  # the disk is full, or the run was deleted under our hands
            log.exception("%s failed", name)
            return {"error": say("review.cannot_write", language, path="reviews.jsonl", reason=str(error.strerror))}
        except Exception:  # the page's boundary
            log.exception("%s failed", name)
            return {"error": say("page.unexpected", language)}

    return named(name, answer)


def _run_of(selection: Selection) -> str:
    return selection.run or ""


# ---- what the script asks for ----------------------------------------------------------------------------------------


def look(workspace: Workspace, makers: Makers, language: str, query: dict[str, Any]) -> dict[str, Any]:
    """Everything the tab shows: runs, the review, the next pair without names, the result so far.

    Makes the replies ahead that this reviewer will want.
    """
    runs = [{"id": id_, "name": name} for name, id_ in answering_runs(workspace, language)]
    known = [run["id"] for run in runs]
    chosen = query.get("run") if query.get("run") in known else next(iter(known), None)
    row: dict[str, Any] = {"runs": runs, "run": chosen, "texts": texts(language), "review": None, "error": None}
    if chosen is None:
        return row
    run = workspace.run(chosen)
    contents = reviews.read(run.reviews)
    review = contents.review(str(query.get("review") or ""))
    row["reviews"] = [_review_choice(each, contents, language) for each in reversed(contents.reviews)]
    row["defaults"] = {**run.config.generation.model_dump(), "pairs": DEFAULT_PAIRS}
    row |= card(run, language, query)
    if review is None:
        return row
    maker = makers.wake(run.reviews, review, lambda: workspace.pair(run), again=bool(query.get("again")))
    return {
        **row, "review": review.id, "working": maker.working,
        "error": maker.error.text(language) if maker.error else None,
        **progress(contents, review, reviews.reviewer_name(str(query.get("reviewer") or ""))),
        "result": result(findings(contents, review), review, language),
    }  # fmt: skip


def texts(language: str) -> dict[str, Any]:
    """The words of the tab, by the last part of their key."""
    words: dict[str, Any] = {key.partition(".")[2]: say(key, language) for key in TEXTS}
    return {**words, "tags": {tag: say(f"review.tag.{tag}", language) for tag in TAGS}}


def _review_choice(review: Review, contents: Contents, language: str) -> dict[str, str]:
    votes = sum(vote.review == review.id for vote in contents.votes)
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(review.created))
    name = say("review.choice", language, when=when, pairs=len(review.prompts), votes=votes)
    return {"id": review.id, "name": name}


def progress(contents: Contents, review: Review, reviewer: str) -> dict[str, Any]:
    """How far a reviewer is, and the next pair; `next` is None when all is voted on or nothing is ready."""
    ready = contents.of(review)
    voted = sum(reviewer in {vote.reviewer for vote in votes} for _, votes in ready)
    skipped = sum(not pair.votable for pair, _ in ready)
    waiting = contents.open_pairs(review, reviewer)
    total = len(review.prompts)
    return {
        "total": total, "voted": voted, "skipped": skipped, "ready": len(waiting),
        "done": voted + skipped >= total, "next": shown(review, waiting[0], reviewer) if waiting else None,
    }  # fmt: skip


def shown(review: Review, pair: Pair, reviewer: str) -> dict[str, Any]:
    """A pair as a reviewer sees it before the vote: nothing in it tells which side is which."""
    left = reviews.left_side(review, pair.index, reviewer)
    sides = (pair.base, pair.tuned) if left == "base" else (pair.tuned, pair.base)
    return {"index": pair.index, "prompt": review.prompts[pair.index], "left": sides[0], "right": sides[1]}


def result(found: Findings, review: Review, language: str) -> dict[str, Any]:
    """The tally in words and numbers."""
    rate = found.votes.win_rate
    counts = {"tuned": found.votes.wins, "tie": found.votes.ties, "both_bad": found.votes.both_bad,
              "base": found.votes.losses}  # fmt: skip
    bars = [
        {"verdict": name, "count": count, "label": say(f"review.verdict.{name}", language)}
        for name, count in counts.items()
    ]
    tags = ", ".join(f"{_tag(tag, language)} ({count})" for tag, count in found.tags.items())
    facts = [(say(key, language), value) for key, value in export.facts_of(found, review, language)]
    return {
        "votes": found.votes.total, "verdict": export.verdict_line(found, language), "bars": bars,
        "rate": rate.value, "interval": list(rate.interval), "preferences": found.pairs.wins + found.pairs.losses,
        "facts": [*facts, *([(say("review.reasons", language), tags)] if tags else [])],
    }  # fmt: skip


def _tag(tag: str, language: str) -> str:
    return say(f"review.tag.{tag}", language) if f"review.tag.{tag}" in sentences(DEFAULT_LANGUAGE) else tag


def begin(workspace: Workspace, makers: Makers, language: str, query: dict[str, Any]) -> dict[str, Any]:
    """A new review of a run: its prompts from the test split, a file's text or what was typed."""
    run = workspace.run(str(query["run"]))
    settings = build_flat(
        RunConfig, {f"generation.{name}": query[name] for name in GenerationConfig.model_fields if name in query}
    ).generation
    source, prompts = _prompts(workspace, run, query)
    pairs = int(query.get("pairs") or DEFAULT_PAIRS)
    review = reviews.new_review(prompts, source, settings, pairs=pairs, seed=settings.seed)
    reviews.append(run.reviews, review)
    return look(workspace, makers, language, {**query, "review": review.id})


def _prompts(workspace: Workspace, run: Run, query: dict[str, Any]) -> tuple[str, list[Messages]]:
    text = str(query.get("text") or "")
    if query.get("source") == "typed":
        return "typed", reviews.typed_prompts(text)
    if query.get("source") == "file":
        name = Path(str(query.get("file") or "prompts.jsonl")).name
        if len(text) > MOST_FILE_CHARACTERS:
            raise DataError("review.file_too_large", source=name, limit=MOST_FILE_CHARACTERS)
        with tempfile.TemporaryDirectory(prefix="chatgui-") as folder:
            (file := Path(folder) / name).write_text(text, encoding="utf-8")
            return name, read_prompts(file)
    return "test", test_prompts(run.config, workspace.dataset(run.config.data))


def vote(workspace: Workspace, makers: Makers, language: str, query: dict[str, Any]) -> dict[str, Any]:
    """Keep a vote, and say what stood where. The vote is on the disk when this returns."""
    run, review, contents = _open(workspace, query)
    cast = reviews.cast_vote(
        run.reviews, contents, review, int(query["index"]), reviewer=str(query.get("reviewer") or ""),
        choice=str(query.get("choice")), tag=str(query.get("tag") or ""), comment=str(query.get("comment") or ""),
        id_=str(query.get("id") or ""),
    )  # fmt: skip
    row = look(workspace, makers, language, {**query, "review": review.id})
    return {**row, "kept": {"index": cast.index, "left": cast.left, "choice": cast.choice, "verdict": cast.verdict}}


def _open(workspace: Workspace, query: dict[str, Any]) -> tuple[Run, Review, Contents]:
    run = workspace.run(str(query.get("run")))
    contents = reviews.read(run.reviews)
    review = contents.review(str(query.get("review") or ""))
    if review is None:
        raise DataError("review.none", run=run.id)
    return run, review, contents


def exported(workspace: Workspace, language: str, query: dict[str, Any]) -> dict[str, Any]:
    """Name and text of a file with the votes: `csv`, `html`, `preference` or `kto`."""
    run, review, contents = _open(workspace, query)
    kind = str(query.get("as"))
    if kind == "html":
        return {"name": f"review-{run.id}.html", "text": export.to_html(contents, review, run.id, language)}
    if kind == "csv":  # the mark lets Excel read it as UTF-8
        return {"name": f"votes-{run.id}.csv", "text": "\ufeff" + export.to_csv(contents, review, run.id)}
    rows = export.to_judgements(contents, review) if kind == "kto" else export.to_preferences(contents, review)
    text = export.to_jsonl(rows)
    if not text:
        raise DataError("review.nothing_preferred", run=run.id)
    return {"name": f"{kind}-{run.id}.jsonl", "text": text}


def _hand_over(workspace: Workspace) -> Any:
    def listener(selection: Selection, event: gr.EventData, request: gr.Request) -> Any:
        asked = {"run": event.run, "review": event.review}
        return bind(hand_over, workspace)(request, selection, asked, event.to)

    return listener


def hand_over(
    workspace: Workspace, language: str, selection: Selection, query: dict[str, Any], to: str
) -> tuple[Selection, Any]:
    """The preferences as the data of the page; for `train` also the task that learns from them, on top of the run."""
    made = exported(workspace, language, {**query, "as": "preference"})
    run = workspace.run(str(query["run"]))
    with tempfile.TemporaryDirectory(prefix="chatgui-") as folder:
        (file := Path(folder) / made["name"]).write_text(made["text"], encoding="utf-8")
        kept = workspace.keep_upload(file)
    data = DataConfig(source=str(kept), format="preference")
    if to != "train":
        return replace(selection, data=data), gr.Tabs(selected="dataset")
    wish = {"task.kind": "preference", "model.name": str(run.result_folder()), **GENTLE}
    return replace(selection, data=data, wish=tuple(wish.items())), gr.Tabs(selected="train")


# ---- the scorecard ---------------------------------------------------------------------------------------------------


def score(workspace: Workspace, language: str, query: dict[str, Any]) -> dict[str, Any]:
    """Have the scorecard made, in a process that goes on whatever becomes of this page."""
    workspace.must_be_whole()
    run = workspace.run(str(query.get("run")))
    run.result_folder()
    start_scoring(run)
    return card(run, language, query)


def card(run: Run, language: str, query: dict[str, Any]) -> dict[str, Any]:
    """The scorecard in words, when it is another one than the page has (`query["card_at"]`), and whether it is made."""
    state = scoring(run)
    failure = say(state.failure["key"], language, **state.failure["values"]) if state.failure else ""
    making = say("scorecard.making", language, done=state.done, total=state.total) if state.working else failure
    made_at = f"{run.id}/{run.scorecard.stat().st_mtime_ns}" if run.scorecard.exists() else ""
    row: dict[str, Any] = {"scoring": state.working, "scoring_text": making, "card_at": made_at}
    kept = read_card(run) if made_at and made_at != query.get("card_at") else None
    if kept:
        row["card"] = card_row(kept, language)
    return row


# ---- for scripts -----------------------------------------------------------------------------------------------------


def _endpoint(workspace: Workspace, makers: Makers) -> Any:
    def vote(
        run: str,
        choice: str = "",
        pair: int = 0,
        reviewer: str = "script",
        tag: str = "",
        comment: str = "",
        review: str = "",
        request: gr.Request = None,  # type: ignore[assignment]  # Gradio fills it by its bare type
    ) -> dict[str, Any]:
        named = {"choice": choice, "pair": pair, "reviewer": reviewer, "tag": tag, "comment": comment}
        return bind(vote_once, workspace, makers)(request, run=run, review=review, **named)

    return vote


def vote_once(
    workspace: Workspace, makers: Makers, language: str, *, run: str, choice: str, pair: int, reviewer: str,
    review: str = "", **said: str,
) -> dict[str, Any]:  # fmt: skip
    """Vote on pair number `pair` (from 1), or on the next one; what stood where, and the pair that comes next."""
    query: dict[str, Any] = {"run": workspace.run(run).id, "review": review, "reviewer": reviewer}
    _open(workspace, query)
    row = look(workspace, makers, language, query)
    if choice:
        index = pair - 1 if pair else row["next"]["index"] if row["next"] else -1
        row = vote(workspace, makers, language, {**query, "choice": choice, "index": index, **said})
    kept = row.get("kept")
    following = row["next"]
    return {
        "run": row["run"], "review": row["review"], "total": row["total"], "voted": row["voted"], "done": row["done"],
        "vote": {**kept, "pair": kept["index"] + 1} if kept else None,
        "next": {**following, "pair": following["index"] + 1} if following else None,
    }  # fmt: skip
