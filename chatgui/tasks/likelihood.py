"""How likely a model finds whole sequences: for preferences, and for asking a base model which of some answers fits."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from chatgui.tokens.batches import Batch, collate, micro_batches
from chatgui.tokens.example import IGNORE_INDEX, Example

if TYPE_CHECKING:
    import torch


def label_log_probs(model: Any, input_ids: "torch.Tensor", labels: "torch.Tensor") -> "torch.Tensor":
    """Log-probability of each label (B, T-1), in nats, float32, 0 where there is none; rows are padded on the right.

    Logits are made only for the columns in which some row has a label: prompts cost none.
    """
    import torch

    targets = labels[:, 1:]  # (B, T-1): position t predicts token t+1
    wanted = targets != IGNORE_INDEX
    columns = wanted.any(dim=0).nonzero()[:, 0]
    logits = model(input_ids=input_ids, use_cache=False, logits_to_keep=columns).logits  # (B, C, V)
    kept = wanted[:, columns]
    found = -torch.nn.functional.cross_entropy(logits[kept].float(), targets[wanted], reduction="none")
    return found.new_zeros(targets.shape).masked_scatter(wanted, found)


def sequence_log_probs(model: Any, batch: Batch) -> "torch.Tensor":
    """Log-probability of all labels of each row (B), in nats."""
    return label_log_probs(model, batch.input_ids, batch.labels).sum(dim=1)


def option_scores(
    causal: Any, prompts: Sequence[Sequence[int]], options: Sequence[Sequence[int]], blank: Sequence[int],
    budget_tokens: int,
) -> list[list[float]]:  # fmt: skip
    """How well each of K options continues each of N prompts, (N, K), in nats per token of the option.

    What an option scores behind the `blank` prompt is taken off: a model that likes a word everywhere has said
    nothing by it (domain-conditional PMI: Holtzman et al. 2021, arXiv:2104.08315).
    """
    import torch

    examples = [_continued(prompt, option) for prompt in (*prompts, blank) for option in options]
    lengths = [len(example) for example in examples]
    device = next(causal.parameters()).device
    scores = [0.0] * len(examples)
    with torch.inference_mode():
        for part in micro_batches(range(len(examples)), lengths, budget_tokens):
            found = sequence_log_probs(causal, collate([examples[index] for index in part], device))
            for index, score in zip(part, found.tolist(), strict=True):
                scores[index] = score / len(options[index % len(options)])
    rows = [scores[start : start + len(options)] for start in range(0, len(scores), len(options))]
    return [[score - prior for score, prior in zip(row, rows[-1], strict=True)] for row in rows[:-1]]


def _continued(prompt: Sequence[int], option: Sequence[int]) -> Example:
    return Example((*prompt, *option), (*[IGNORE_INDEX] * len(prompt), *option))
