import math
from collections.abc import Callable
from typing import Any

import pytest
import torch

from chatgui.adapters.full import Full
from chatgui.adapters.lora import Lora
from chatgui.attention import can_pack
from chatgui.config import TrainingConfig
from chatgui.errors import ModelError
from chatgui.events import Evaluation, Event, Notice, Step
from chatgui.tasks.chat import Chat
from chatgui.tokens.example import Example
from chatgui.training.loop import Outcome, Snapshot, train
from chatgui.training.step import Gradients, set_dropout

Fresh = Callable[..., Any]


def run(
    model: Any, examples: list[Example], config: TrainingConfig, validation: int = 0, **options: Any
) -> tuple[list[Event], Outcome]:
    events: list[Event] = []
    outcome = train(model, Chat(), examples[validation:], examples[:validation], config, emit=events.append, **options)
    return events, outcome


def losses(events: list[Event]) -> list[float]:
    return [event.loss for event in events if isinstance(event, Step)]


def notices(events: list[Event]) -> list[tuple[str, dict[str, Any]]]:
    return [(event.key, event.values) for event in events if isinstance(event, Notice)]


def refuse_more_than(model: Any, tokens: int) -> None:
    """As a device does whose memory holds the activations of so many tokens."""

    def check(module: Any, inputs: Any, output: torch.Tensor) -> None:
        if module.training and output.shape[0] * output.shape[1] > tokens:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    model.get_input_embeddings().register_forward_hook(check)


@pytest.mark.parametrize("adapter", [Lora(dropout=0.1), Full()], ids=["lora", "full"])
def test_a_step_that_runs_out_of_memory_is_repeated_in_smaller_micro_batches(
    fresh_model: Fresh, examples: list[Example], adapter: Any
) -> None:
    limit = max(map(len, examples))
    small = TrainingConfig(max_steps=4, batch_size=8, micro_batch_tokens=limit)
    wanted = losses(run(fresh_model(adapter), examples, small)[0])
    model = fresh_model(adapter)
    refuse_more_than(model, 2 * limit)
    events, _ = run(model, examples, small.model_copy(update={"micro_batch_tokens": 4 * limit}))
    assert [key for key, _ in notices(events)] == ["training.smaller_batches"] * len(notices(events))
    assert 1 <= len(notices(events)) <= 2, "what was found out is kept for the rest of the run"
    if adapter.kind != "lora":  # without dropout the steps are those of the smaller micro-batches
        assert losses(events) == pytest.approx(wanted, rel=1e-5)
    assert len(losses(events)) == 4


def test_the_smaller_micro_batches_are_kept_by_a_resume(fresh_model: Fresh, examples: list[Example]) -> None:
    limit = max(map(len, examples))
    config = TrainingConfig(max_steps=6, batch_size=8, micro_batch_tokens=4 * limit, checkpoint_steps=3)
    straight = fresh_model(Full())
    refuse_more_than(straight, 2 * limit)
    kept: list[Snapshot] = []

    def keep(snapshot: Snapshot) -> None:
        import copy

        kept.append(copy.deepcopy(snapshot))

    events, _ = run(straight, examples, config, keep=keep)
    assert 0 < kept[0].budget_tokens < config.micro_batch_tokens
    later, _ = run(fresh_model(Full()), examples, config, resume=kept[0])
    assert losses(later) == losses(events)[3:]
    assert notices(later) == []


def test_a_single_example_that_does_not_fit_is_tried_with_gradient_checkpointing(
    fresh_model: Fresh, examples: list[Example]
) -> None:
    wanted = losses(run(fresh_model(Full()), examples, TrainingConfig(max_steps=2, batch_size=2))[0])
    model = fresh_model(Full())

    def check(module: Any, inputs: Any, output: torch.Tensor) -> None:
        if module.training and not model.transformer.h[0].gradient_checkpointing:
            raise torch.OutOfMemoryError("CUDA out of memory.")

    model.get_input_embeddings().register_forward_hook(check)
    events, _ = run(model, examples, TrainingConfig(max_steps=2, batch_size=2))
    assert notices(events)[-1] == ("training.checkpointing", {"step": 1})
    assert losses(events) == pytest.approx(wanted, rel=1e-6)
    assert not model.transformer.h[0].gradient_checkpointing


def test_what_does_not_fit_at_all_is_told_as_it_is(fresh_model: Fresh, examples: list[Example]) -> None:
    model = fresh_model(Full())
    refuse_more_than(model, 1)
    with pytest.raises(torch.OutOfMemoryError):
        run(model, examples, TrainingConfig(max_steps=2, batch_size=4))


def poison(model: Any, calls: set[int], value: float = math.inf) -> None:
    """Puts a number that is none into the embeddings of the n-th training passes."""
    count = 0

    def add(module: Any, inputs: Any, output: torch.Tensor) -> torch.Tensor | None:
        nonlocal count
        if not module.training:
            return None
        count += 1
        return output * value if count in calls else None

    model.get_input_embeddings().register_forward_hook(add)


@pytest.mark.parametrize("value", [math.inf, math.nan])
def test_a_batch_without_a_number_is_named_and_left_out(
    fresh_model: Fresh, examples: list[Example], value: float
) -> None:
    model = fresh_model(Full())
    poison(model, {2}, value)
    events, outcome = run(model, examples, TrainingConfig(max_steps=5, batch_size=3))
    assert [event.step for event in events if isinstance(event, Step)] == [1, 3, 4, 5]
    [(key, values)] = notices(events)
    assert (key, values["step"], len(values["rows"].split(", "))) == ("training.batch_skipped", 2, 3)
    assert all(math.isfinite(loss) for loss in losses(events))
    assert all(weight.isfinite().all() for weight in model.parameters())
    assert outcome.steps == 5


def test_three_such_batches_in_a_row_stop_the_run_at_the_last_good_step(
    fresh_model: Fresh, examples: list[Example]
) -> None:
    good = fresh_model(Full())
    run(good, examples, TrainingConfig(max_steps=6, batch_size=3), should_stop=lambda: True)
    model = fresh_model(Full())
    poison(model, {2, 3, 4})
    with pytest.raises(ModelError, match="step 4"):
        run(model, examples, TrainingConfig(max_steps=6, batch_size=3))
    for weight, wanted in zip(model.parameters(), good.parameters(), strict=True):
        assert torch.equal(weight, wanted)


def test_two_such_batches_and_then_a_good_one_are_forgiven(fresh_model: Fresh, examples: list[Example]) -> None:
    model = fresh_model(Full())
    poison(model, {1, 2, 4, 5})
    events, _ = run(model, examples, TrainingConfig(max_steps=6, batch_size=3))
    assert len(losses(events)) == 2


def test_patience_ends_a_run_that_no_longer_gains(fresh_model: Fresh, examples: list[Example]) -> None:
    config = TrainingConfig(
        max_steps=40, batch_size=4, evaluation_steps=2, patience=2, minimum_gain=10.0, learning_rate=1e-3
    )
    events, outcome = run(fresh_model(Full()), examples, config, validation=4)
    assert (outcome.steps, outcome.stopped) == (4, False)
    assert notices(events)[-1] == ("training.stopped_early", {"step": 4, "best": 4, "looks": 2})


def test_the_best_weights_are_the_result_where_they_are_asked_for(fresh_model: Fresh, examples: list[Example]) -> None:
    config = TrainingConfig(max_steps=30, batch_size=4, evaluation_steps=3, learning_rate=0.1, result="best")
    model = fresh_model(Full())
    events, outcome = run(model, examples, config, validation=4)
    looks = {event.step: event.loss for event in events if isinstance(event, Evaluation)}
    best = min(looks, key=lambda step: looks[step])
    assert best != 30, "at this rate it gets worse again"
    assert (outcome.result_step, outcome.validation_loss) == (best, looks[best])
    again: list[Event] = []
    train(model, Chat(), examples, examples[:4], config.model_copy(update={"max_steps": 1}), emit=again.append)
    assert isinstance(again[0], Evaluation) and again[0].loss == pytest.approx(looks[best], rel=1e-6)


def gradients(model: Any, examples: list[Example], **settings: Any) -> dict[str, torch.Tensor]:
    config = TrainingConfig(max_grad_norm=1e9, **settings)
    with Gradients(model, Chat(), examples, config, say=lambda notice: None) as computing:
        computing.compute(range(len(examples)), 1)
    return {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}


def test_neftune_adds_noise_only_while_training(fresh_model: Fresh, examples: list[Example]) -> None:
    model = fresh_model(Full())
    plain = gradients(model, examples[:4])
    model.zero_grad()
    noisy = gradients(model, examples[:4], neftune_alpha=5.0)
    assert not torch.allclose(plain["transformer.wte.weight"], noisy["transformer.wte.weight"])
    model.zero_grad()
    assert torch.equal(gradients(model, examples[:4])["transformer.wte.weight"], plain["transformer.wte.weight"])


def test_noise_has_the_size_the_paper_gives(fresh_model: Fresh) -> None:
    model = fresh_model(Full())
    example = Example(tuple(range(50)), tuple(range(50)))
    seen: list[torch.Tensor] = []
    with Gradients(model, Chat(), [example], TrainingConfig(neftune_alpha=5.0), say=lambda notice: None) as computing:
        model.transformer.drop.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0].detach()))
        computing.compute([0], 1)
    position_ids = torch.arange(50)
    noise = seen[-1][0] - model.transformer.wte.weight[:50] - model.transformer.wpe(position_ids)
    size = 5.0 / math.sqrt(50 * 32)
    assert 0.98 * size < noise.abs().max() <= size * (1 + 1e-4)


def test_label_smoothing_changes_what_is_learnt_and_not_what_is_reported_of_validation(
    fresh_model: Fresh, examples: list[Example]
) -> None:
    plain, _ = run(fresh_model(Full()), examples, TrainingConfig(max_steps=1), validation=4)
    smooth, _ = run(fresh_model(Full()), examples, TrainingConfig(max_steps=1, label_smoothing=0.2), validation=4)
    assert plain[0] == smooth[0]
    assert losses(plain) != losses(smooth)


def test_dropout_of_the_base_can_be_set_and_an_adapters_own_stays(fresh_model: Fresh, examples: list[Example]) -> None:
    model = fresh_model(Lora(dropout=0.3))
    undo = set_dropout(model, 0.2)
    shares = {name: module.p for name, module in model.named_modules() if isinstance(module, torch.nn.Dropout)}
    assert {share for name, share in shares.items() if "lora_" in name} == {0.3}
    assert {share for name, share in shares.items() if "lora_" not in name} == {0.2}
    for back in undo:
        back()
    assert model.base_model.model.transformer.drop.p == 0.0


@pytest.mark.parametrize("adapter", [Lora(), Full()], ids=["lora", "full"])
def test_checkpointing_gives_the_same_gradients(fresh_model: Fresh, examples: list[Example], adapter: Any) -> None:
    plain = gradients(fresh_model(adapter), examples[:4])
    again = gradients(fresh_model(adapter), examples[:4], gradient_checkpointing="on")
    assert plain.keys() == again.keys()
    for name, gradient in plain.items():
        assert torch.allclose(gradient, again[name], rtol=1e-5, atol=1e-8), name


def test_bfloat16_can_be_asked_for_on_any_device(fresh_model: Fresh, examples: list[Example]) -> None:
    exact, _ = run(fresh_model(Full()), examples, TrainingConfig(max_steps=2))
    half, _ = run(fresh_model(Full()), examples, TrainingConfig(max_steps=2, precision="bfloat16"))
    assert losses(half) != losses(exact)
    assert losses(half) == pytest.approx(losses(exact), rel=0.02)


def test_the_tiny_model_is_trained_without_padding(fresh_model: Fresh) -> None:
    assert can_pack(fresh_model(Lora()))


@pytest.mark.parametrize("adapter", [Lora(), Full()], ids=["lora", "full"])
def test_eight_times_one_example_is_one_time_eight(fresh_model: Fresh, examples: list[Example], adapter: Any) -> None:
    one, eight = (gradients(fresh_model(adapter), examples[:8], micro_batch_tokens=budget) for budget in (64, 100_000))
    assert min(map(len, examples[:8])) > 32, "else two would share a micro-batch"
    for name, gradient in eight.items():
        assert (one[name] - gradient).norm() <= 1e-5 * gradient.norm() + 1e-9, name


def test_the_loss_is_the_mean_over_the_labels_the_preview_shows(fresh_model: Fresh, examples: list[Example]) -> None:
    model = fresh_model(Full())
    config = TrainingConfig(micro_batch_tokens=200)
    with Gradients(model, Chat(), examples[:8], config, say=lambda notice: None) as computing:
        computed = computing.compute(range(8), 1)
    total, count = 0.0, 0
    for example in examples[:8]:
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([example.input_ids])).logits[0, :-1]
        labels = torch.tensor(example.labels[1:])
        total += torch.nn.functional.cross_entropy(logits, labels, reduction="sum").item()
        count += int((labels != -100).sum())
    assert count == sum(example.supervised for example in examples[:8])
    assert computed.loss == pytest.approx(total / count, rel=1e-5)
    assert computed.tokens == sum(map(len, examples[:8]))
