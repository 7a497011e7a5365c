"""How likely a model finds whole sequences: for preferences, and for asking a base model which of some answers fits."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from chatgui.tasks.loss import CHUNK_BYTES, has_plain_output
from chatgui.tokens.batches import Batch, collate, micro_batches
from chatgui.tokens.example import IGNORE_INDEX, Example

if TYPE_CHECKING:
    import torch


def sequence_log_probs(model: Any, batch: Batch) -> "torch.Tensor":
    """Log-probability of each row's labels (B), in nats, float32; rows must be padded, not laid end to end."""
    import torch
    from torch.utils.checkpoint import checkpoint

    causal = model.get_base_model() if hasattr(model, "get_base_model") else model
    targets = batch.labels[:, 1:]  # (B, T-1): position t predicts token t+1
    wanted = targets != IGNORE_INDEX
    rows = wanted.nonzero()[:, 0]
    if has_plain_output(causal):
        output = causal.get_output_embeddings()
        hidden = causal.get_decoder()(input_ids=batch.input_ids, use_cache=False).last_hidden_state
        hidden = hidden[:, :-1][wanted]  # (N, D): only where there is a label
        chunk = max(1, CHUNK_BYTES // (4 * output.weight.shape[0]))
        parts = zip(hidden.split(chunk), targets[wanted].split(chunk), strict=True)
        found = [checkpoint(_log_probs, output, *part, use_reentrant=False) for part in parts]
        log_probs = torch.cat(found) if found else hidden.new_zeros(0)
    else:
        logits = model(input_ids=batch.input_ids, use_cache=False).logits[:, :-1][wanted].float()
        log_probs = -torch.nn.functional.cross_entropy(logits, targets[wanted], reduction="none")
    return log_probs.new_zeros(len(targets)).index_add(0, rows, log_probs)


def _log_probs(output: Any, hidden: "torch.Tensor", targets: "torch.Tensor") -> "torch.Tensor":
    import torch

    return -torch.nn.functional.cross_entropy(output(hidden).float(), targets, reduction="none")


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
