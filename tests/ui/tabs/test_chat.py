import json
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from chatgui.adapters.lora import Lora
from chatgui.config import ModelConfig, RunConfig
from chatgui.data.load import DataConfig
from chatgui.errors import ConfigError, DataError, RunError
from chatgui.evaluation import reviews
from chatgui.fields import knobs
from chatgui.generation import compare
from chatgui.generation.transcript import Question, Transcript
from chatgui.runs.chats import Chats
from chatgui.runs.store import Run, create_run
from chatgui.runs.workspace import Workspace
from chatgui.ui.chat import asking, shelf
from chatgui.ui.chat.asking import Turn
from chatgui.ui.chat.endpoint import compare_once
from chatgui.ui.chat.people import speaker_choices
from chatgui.ui.chat.prompts import suggestions
from chatgui.ui.chat.screen import PANES, Screen, draw
from chatgui.ui.run_names import answering_runs
from chatgui.ui.session import Selection
from chatgui.ui.tabs import chat
from tests.generation.conftest import make_family

SETTINGS = {knob.name: knob.default for knob in knobs(RunConfig) if knob.group == "generation"}
HELLO = [{"role": "user", "content": "Hello?"}]
QUICK = {**SETTINGS, "generation.temperature": 0, "generation.max_new_tokens": 12}


@pytest.fixture
def workspace(home: Path) -> Workspace:
    return Workspace(home)


def finish_run(home: Path, model: Path, data: Path) -> Run:
    """A run that has finished with an adapter of random numbers."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    config = RunConfig(
        model=ModelConfig(name=str(model)), data=DataConfig(source=str(data), test_fraction=0.4), adapter=Lora(rank=4)
    )
    run = create_run(home, config, "finished")
    torch.manual_seed(1)
    adapter = LoraConfig(
        task_type="CAUSAL_LM", r=4, lora_alpha=32, target_modules="all-linear",
        fan_in_fan_out="gpt2" in model.name or model.name == "tiny",
        init_lora_weights=False,
    )  # fmt: skip
    get_peft_model(AutoModelForCausalLM.from_pretrained(model), adapter).save_pretrained(run.model_folder)
    AutoTokenizer.from_pretrained(model).save_pretrained(run.model_folder)
    return run


@pytest.fixture
def add_run(workspace: Workspace, tiny_model: Path, conversations: Path) -> Callable[[], Run]:
    return lambda: finish_run(workspace.home, tiny_model, conversations)


@pytest.fixture
def run(add_run: Callable[[], Run]) -> Run:
    return add_run()


def asked(talk: Transcript, message: str = "Hello?", **values: Any) -> Transcript:
    """The transcript after the message was sent."""
    named = {"shared": False, "system": "", **QUICK, **values}
    return asking.ask("en", talk=talk, turn=Turn(), message=message, **named).talk


def answered(workspace: Workspace, talk: Transcript) -> Screen:
    *_, last = asking.reply(workspace, "en", talk, Turn())
    return last


# ---- asking ----------------------------------------------------------------------------------------------------------


def test_a_message_is_shown_on_both_sides_before_the_models_answer() -> None:
    screen = asking.ask("en", talk=Transcript("r"), turn=Turn(), message="Hi", shared=False, system="", **SETTINGS)
    assert screen.message == ""
    base, tuned = (pane.chat["value"] for pane in screen.panes[:2])
    assert [message["content"] for message in base] == [message["content"] for message in tuned]
    assert base[0] == {"role": "user", "content": "Hi"}


@pytest.mark.parametrize("message", ["", "  \n"])
def test_an_empty_message_is_not_asked(message: str) -> None:
    named: dict[str, Any] = {"shared": False, "system": "", **SETTINGS}
    assert asking.ask("en", talk=Transcript("r"), turn=Turn(), message=message, **named) == Screen()


def test_a_second_message_waits_until_the_first_is_answered() -> None:
    named: dict[str, Any] = {"shared": False, "system": "", **SETTINGS}
    assert asking.ask("en", talk=asked(Transcript("r")), turn=Turn(), message="And?", **named) == Screen()


def test_a_setting_out_of_bounds_is_told_under_its_name() -> None:
    with pytest.raises(ConfigError, match=r"generation\.temperature: 9 is not allowed"):
        asked(Transcript("r"), **{**QUICK, "generation.temperature": 9})


def test_a_suggestion_brings_its_own_system_message() -> None:
    prompt = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
    screen = asking.ask_suggestion(
        0, "en", prompts=(prompt,), talk=Transcript("r"), turn=Turn(), shared=False, system="", **SETTINGS
    )
    assert (screen.system, screen.talk.asked.message, screen.talk.asked.system) == ("Be brief.", "Hi", "Be brief.")


# ---- answering -------------------------------------------------------------------------------------------------------


def test_both_replies_grow_and_end_with_a_receipt(workspace: Workspace, run: Run, monkeypatch: Any) -> None:
    monkeypatch.setattr(asking, "UPDATE_SECONDS", 0)
    *growing, last = asking.reply(workspace, "en", asked(Transcript(run.id)), Turn())
    assert "loading the model" in growing[0].note
    texts = [screen.panes[0].chat[1]["content"] for screen in growing[2:]]
    assert len(texts) >= 12
    assert all(later.startswith(earlier) for earlier, later in pairwise(texts[1:]) if earlier != "…")
    (exchange,) = last.talk.exchanges
    assert tuple(answer.receipt["adapter"] for answer in exchange.answers) == ("off", "on")
    assert exchange.answers[0].receipt["weights"] in last.panes[0].facts
    assert exchange.answers[1].end == "limit"


def test_the_page_is_not_redrawn_more_often_than_it_can_be_seen(
    workspace: Workspace, run: Run, monkeypatch: Any
) -> None:
    monkeypatch.setattr(asking, "UPDATE_SECONDS", 1000)
    screens = list(asking.reply(workspace, "en", asked(Transcript(run.id)), Turn()))
    assert len([screen for screen in screens if screen.panes != Screen().panes]) == 2  # the first token, and the end


def test_stop_keeps_what_was_said(workspace: Workspace, run: Run, monkeypatch: Any) -> None:
    monkeypatch.setattr(asking, "UPDATE_SECONDS", 0)
    turn, last = Turn(), Screen()
    for count, screen in enumerate(asking.reply(workspace, "en", asked(Transcript(run.id)), turn)):
        if count == 4:
            asking.stop_reply(workspace, "en", screen.talk, turn)
        last = screen
    (exchange,) = last.talk.exchanges
    assert [answer.end for answer in exchange.answers] == ["stopped", "stopped"]
    assert 0 < len(exchange.answers[0].ids) < 12


def test_stop_before_the_model_is_free_gives_the_message_back(workspace: Workspace, run: Run) -> None:
    talk, turn = asked(Transcript(run.id), "Wait for me"), Turn()
    screen = asking.stop_reply(workspace, "en", talk, turn)
    assert (screen.message, screen.talk.exchanges, screen.talk.asked) == ("Wait for me", (), None)
    assert list(asking.reply(workspace, "en", screen.talk, turn)) == [Screen()]


def test_a_prompt_too_long_is_told_and_its_message_comes_back(workspace: Workspace, run: Run) -> None:
    talk = asked(Transcript(run.id), "x" * 400)
    with pytest.raises(DataError, match="no room is left for a reply"):
        answered(workspace, talk)
    assert asking.withdraw(workspace, "en", talk, Turn()).message == "x" * 400


def test_a_run_that_is_gone_is_told(workspace: Workspace, run: Run) -> None:
    run.delete()
    with pytest.raises(RunError, match="there is no run"):
        answered(workspace, asked(Transcript(run.id)))


def test_each_side_goes_on_with_its_own_history_and_the_page_says_so(workspace: Workspace, run: Run) -> None:
    first = answered(workspace, asked(Transcript(run.id)))
    second = answered(workspace, asked(first.talk, "And?"))
    assert "From turn 2 on the prompts differ" in second.note
    shared = answered(workspace, asked(first.talk, "And?", shared=True))
    assert "From turn" not in shared.note
    assert shared.talk.exchanges[1].same_prompt


def test_retry_takes_the_next_seed_and_replaces_the_last_turn(workspace: Workspace, run: Run) -> None:
    talk = answered(workspace, asked(Transcript(run.id))).talk
    named: dict[str, Any] = {"talk": talk, "turn": Turn(), "shared": False, "system": "", **QUICK}
    screen = asking.ask_again("en", **named)
    assert (screen.seed, screen.talk.exchanges) == (1, ())
    assert screen.talk.asked == replace(
        talk.exchanges[0].question, settings=talk.exchanges[0].question.settings.model_copy(update={"seed": 1})
    )
    changed = asking.ask_again("en", **{**named, "system": "Be brief."})
    assert (changed.seed, changed.talk.asked.system) == (0, "Be brief.")


def named(talk: Transcript, **values: Any) -> dict[str, Any]:
    return {"talk": talk, "turn": Turn(), **QUICK, **values}


def test_one_side_alone_is_asked_again_with_the_next_seed(workspace: Workspace, run: Run) -> None:
    before = answered(workspace, asked(Transcript(run.id))).talk
    screen = asking.ask_one(1, "en", **named(before, **{"generation.temperature": 1.5}))
    last = answered(workspace, screen.talk)
    (old,), (new,) = before.exchanges, last.talk.exchanges
    assert new.answers[0] == old.answers[0]
    assert [answer.receipt["seed"] for answer in new.answers] == [0, 1]
    assert "drawn with different seeds" in last.note
    assert asking.ask_again("en", **named(last.talk, shared=False, system="")).seed == 0


def test_an_edited_turn_is_asked_again_and_what_follows_makes_room(workspace: Workspace, run: Run) -> None:
    talk = answered(workspace, asked(answered(workspace, asked(Transcript(run.id))).talk, "And?")).talk
    screen = asking.edit_turn("en", 0, "In other words", side=1, shared=False, system="", **named(talk))
    assert (screen.talk.asked.message, screen.talk.exchanges) == ("In other words", ())
    assert asking.withdraw(workspace, "en", screen.talk, Turn()).talk.exchanges == talk.exchanges
    (exchange,) = answered(workspace, screen.talk).talk.exchanges
    assert exchange.question.message == "In other words"


def test_the_last_turn_can_be_taken_back(workspace: Workspace, run: Run) -> None:
    talk = answered(workspace, asked(Transcript(run.id), "Hello?")).talk
    screen = asking.undo(workspace, "en", talk)
    assert (screen.message, screen.talk.exchanges) == ("Hello?", ())
    assert Chats(run).list() == []


def test_a_thumb_is_kept_with_the_run_and_with_the_conversation(workspace: Workspace, run: Run) -> None:
    talk = answered(workspace, asked(Transcript(run.id), system="Be brief.")).talk
    for liked in (True, False):
        talk = asking.thumb(workspace, "en", 1, liked, 1, talk).talk
    (judged,) = reviews.read(run.reviews).judged()
    assert (judged.good, judged.reply) == (False, talk.exchanges[0].answers[1].text)
    assert [message.content for message in judged.prompt] == ["Be brief.", "Hello?"]
    assert draw("en", Chats(run).read(talk.id)).panes[1].chat["feedback_value"] == ["Dislike"]
    assert asking.thumb(workspace, "en", 0, True, 1, talk) == Screen()  # a question has none


def test_probabilities_of_both_replies_are_shown_under_both_models(workspace: Workspace, run: Run) -> None:
    talk = answered(workspace, asked(Transcript(run.id))).talk
    *_, screen = chat.show_tokens(workspace, "en", talk)
    for pane in screen.panes[:2]:
        assert pane.tokens["value"].count('class="text"') == 2
        assert f"Base model of {run.id}" in pane.tokens["value"]
    assert "the likeliest" in screen.panes[1].tokens["value"]  # the reply is greedy


def test_any_model_can_stand_in_any_pane(workspace: Workspace, add_run: Callable[[], Run]) -> None:
    first, second = add_run(), add_run()
    choices = [value for _, value in speaker_choices(workspace, "en", first.id)]
    assert choices == [f"{first.id}/base", f"{first.id}/result", f"{second.id}/result"]  # one base for both
    talk = chat.choose(0, "en", choices[2], Transcript(first.id)).talk
    talk = chat.add_pane("en", talk).talk
    talk = chat.choose(2, "en", choices[0], talk).talk
    last = answered(workspace, asked(talk))
    (exchange,) = last.talk.exchanges
    assert [answer.receipt["speaker"] for answer in exchange.answers] == [choices[2], choices[1], choices[0]]
    assert [answer.receipt["adapter"] for answer in exchange.answers] == ["on", "on", "off"]
    assert f"Fine-tuned model of {second.id}" in last.panes[0].facts
    assert [pane.column["visible"] for pane in last.panes] == [True, True, True, False]
    assert chat.remove_pane("en", last.talk).talk.speakers == last.talk.speakers[:2]


def test_runs_of_different_bases_answer_side_by_side(
    workspace: Workspace, run: Run, tmp_path: Path, conversations: Path
) -> None:
    other = finish_run(workspace.home, make_family("llama", tmp_path / "llama"), conversations)
    talk = chat.choose(0, "en", f"{other.id}/result", Transcript(run.id)).talk
    (exchange,) = answered(workspace, asked(talk)).talk.exchanges
    for speaker, answer in zip(talk.speakers, exchange.answers, strict=True):
        *_, (reply,) = compare.speak(workspace.engine, [(workspace.voice(speaker), HELLO)], exchange.question.settings)
        assert answer.ids == tuple(reply.ids)


# ---- drawing ---------------------------------------------------------------------------------------------------------


def test_text_of_a_model_is_shown_as_text(workspace: Workspace, run: Run) -> None:
    talk = answered(workspace, asked(Transcript(run.id), "<img src=x> & <b>bold</b>")).talk
    assert draw("en", talk).panes[0].chat["value"][0]["content"] == "&lt;img src=x&gt; &amp; &lt;b&gt;bold&lt;/b&gt;"


def test_the_saved_file_is_the_transcript(workspace: Workspace, run: Run) -> None:
    screen = answered(workspace, asked(Transcript(run.id)))
    saved = json.loads(chat.save_talk("en", screen.talk))
    assert (saved["run"], saved["turns"][0]["message"]) == (run.id, "Hello?")


def test_a_new_conversation_is_empty_again(workspace: Workspace, run: Run) -> None:
    screen = shelf.clear_talk("en", answered(workspace, asked(Transcript(run.id))).talk)
    assert (screen.talk, screen.panes[0].chat["value"], screen.suggestions["visible"]) == (Transcript(run.id), [], True)


def test_every_way_a_reply_ends_has_words_in_every_language(workspace: Workspace, run: Run) -> None:
    (exchange,) = answered(workspace, asked(Transcript(run.id))).talk.exchanges
    for end in ("own", "limit", "context", "stopped"):
        for adapter in ("on", "off", "none"):
            first, second = exchange.answers
            answer = replace(first, end=end, receipt={**first.receipt, "adapter": adapter})
            talk = Transcript(run.id, (replace(exchange, answers=(answer, second)),))
            for language in ("en", "zh"):
                screen = draw(language, talk)
                assert "receipt." not in screen.panes[0].facts + screen.panes[0].receipt["label"]


# ---- runs ------------------------------------------------------------------------------------------------------------


def test_without_a_run_the_page_says_to_train_first(workspace: Workspace) -> None:
    chooser, _, empty, main, *_ = chat.refresh(workspace, "en", Selection(), None, None, Transcript())
    assert (chooser["value"], empty["visible"], main["visible"]) == (None, True, False)


def test_the_chat_follows_the_selection_once(workspace: Workspace, add_run: Callable[[], Run]) -> None:
    first, second = add_run().id, add_run().id
    selection = Selection(run=first)
    chooser, followed, *_ = chat.refresh(workspace, "en", selection, second, None, Transcript())
    assert (chooser["value"], followed) == (first, first)
    chooser, followed, *_ = chat.refresh(workspace, "en", selection, second, followed, Transcript())
    assert chooser["value"] == second  # chosen by hand since


def test_the_run_does_not_change_under_a_growing_reply(workspace: Workspace, add_run: Callable[[], Run]) -> None:
    first, second = add_run().id, add_run().id
    talk = Transcript(second, asked=Question("Hi"))
    assert chat.refresh(workspace, "en", Selection(run=first), second, None, talk)[0]["value"] == second


def test_runs_without_a_result_are_not_offered(workspace: Workspace, run: Run) -> None:
    create_run(workspace.home, run.config)
    assert [id_ for _, id_ in answering_runs(workspace, "en")] == [run.id]


def opened(workspace: Workspace, run: str, remembered: Any = None) -> Screen:
    """What the tab shows when a run is chosen, as far as it follows from the conversation."""
    _, *rest = chat.open_run(workspace, "en", run, Transcript(), remembered)
    panes, values = len(PANES) * 6, rest[chat.SUGGESTIONS + len(PANES) :]
    return Screen(Screen().panes, *values[panes:])


def test_a_reload_brings_the_conversation_back(workspace: Workspace, run: Run) -> None:
    before = answered(workspace, asked(Transcript(run.id)))
    talk = opened(workspace, run.id, before.remembered).talk
    assert talk.exchanges == before.talk.exchanges
    assert shelf.recall(workspace, "en", before.remembered, Transcript(run.id)).talk == talk
    assert opened(workspace, run.id, {}).talk == Transcript(run.id)


def test_what_the_browser_remembers_never_replaces_a_conversation(workspace: Workspace, run: Run) -> None:
    remembered = answered(workspace, asked(Transcript(run.id))).remembered
    assert shelf.recall(workspace, "en", remembered, asked(Transcript(run.id))) == Screen()


def test_a_question_that_a_killed_server_left_open_returns_to_the_box(workspace: Workspace, run: Run) -> None:
    before = answered(workspace, asked(Transcript(run.id)))
    replies = asking.reply(workspace, "en", asked(before.talk, "And then?"), Turn())
    next(replies)
    again = opened(Workspace(workspace.home), run.id, before.remembered)  # as another server finds it
    assert (again.message, again.talk.exchanges) == ("And then?", before.talk.exchanges)
    replies.close()


def test_a_page_that_goes_away_keeps_what_was_said_so_far(workspace: Workspace, run: Run, monkeypatch: Any) -> None:
    monkeypatch.setattr(asking, "UPDATE_SECONDS", 0)
    replies = asking.reply(workspace, "en", asked(Transcript(run.id)), Turn())
    for _ in range(5):
        next(replies)
    replies.close()
    (kept,) = Chats(run).list()
    (exchange,) = Chats(run).read(kept.id).exchanges
    assert [answer.end for answer in exchange.answers] == ["stopped", "stopped"]


def test_a_conversation_is_listed_renamed_reopened_and_deleted(workspace: Workspace, run: Run) -> None:
    first = answered(workspace, asked(Transcript(run.id), "The first one")).talk
    second = answered(workspace, asked(Transcript(run.id), "The second one")).talk
    shelf.named(workspace, "en", first, "  My   name ")
    listed, _ = shelf.listed(workspace, "en", second)
    assert {name.split(" · ")[0] for name, _ in listed["choices"]} == {"My name", "The second one"}
    assert shelf.reopen(workspace, "en", first.id, second).talk.exchanges == first.exchanges
    answered(workspace, asked(first, "And?"))  # keeps its name
    assert "My name" in {kept.name for kept in Chats(run).list()}
    assert shelf.delete_talk(workspace, "en", first).talk.exchanges == ()
    assert [kept.id for kept in Chats(run).list()] == [second.id]


def test_suggestions_are_test_prompts_in_the_readers_language(workspace: Workspace, run: Run) -> None:
    english, chinese = (suggestions(workspace, language, run.id) for language in ("en", "zh"))
    assert english[0][-1]["content"].isascii()
    assert not chinese[0][-1]["content"].isascii()


def test_data_that_has_moved_leaves_no_suggestions_and_no_error(workspace: Workspace, run: Run) -> None:
    config = run.folder / "config.yaml"
    config.write_text(config.read_text("utf-8").replace("conversations.jsonl", "gone.jsonl"), "utf-8")
    assert suggestions(workspace, "en", run.id) == []


def test_a_run_is_named_by_what_tells_it_from_others(workspace: Workspace, run: Run) -> None:
    ((name, _),) = answering_runs(workspace, "en")
    assert name.startswith("conversations · tiny · LoRA 4 · 20")


@pytest.mark.parametrize(("language", "word"), [("en", "The comparison holds."), ("zh", "对比可信。")])
def test_the_self_check_says_what_it_found(workspace: Workspace, run: Run, language: str, word: str) -> None:
    *_, found = chat.check_pair(workspace, language, run.id)
    pair = workspace.pair(run)
    assert word in found
    assert pair.base.weights in found and pair.tuned.weights in found


def test_every_reply_keeps_its_receipt(workspace: Workspace, run: Run) -> None:
    first = answered(workspace, asked(Transcript(run.id)))
    second = answered(workspace, asked(first.talk, "And?"))
    assert second.panes[0].facts.count("<dl>") == 2
    assert "one pass over one set of weights" in second.panes[0].facts


# ---- for scripts, and in a browser -----------------------------------------------------------------------------------


def test_a_script_gets_both_replies_with_their_receipts(workspace: Workspace, run: Run) -> None:
    settings = {"temperature": 0, "top_p": 1, "max_new_tokens": 5, "seed": 3}
    row = compare_once(workspace, "en", run="last", message="Hi", system="Be brief.", settings=settings)
    assert (row["run"], row["seed"], [turn["role"] for turn in row["prompt"]]) == (run.id, 3, ["system", "user"])
    assert (row["base"]["adapter"], row["tuned"]["adapter"], len(row["tuned"]["ids"])) == ("off", "on", 5)
    json.dumps(row)
