"""How likely a model found a reply that is already there, token by token: one pass, no sampling."""

from collections.abc import Sequence
from dataclasses import dataclass

from chatgui.generation.pair import Voice


@dataclass(frozen=True)
class TokenScore:
    """One token of a reply under one model, at temperature 1 and without a cut by top-p or top-k."""

    id: int
    logprob: float
    """Natural logarithm of its probability behind the tokens before it."""
    rank: int
    """1 when no token was likelier."""
    likeliest: int
    """Id of the token that was."""


def score_reply(voice: Voice, prompt: Sequence[int], reply: Sequence[int]) -> list[TokenScore]:
    """A score for each id of `reply` behind `prompt`, as `voice` sees it. The model must know every id."""
    import torch

    from chatgui.models import precision

    if not reply:
        return []
    device = torch.device(voice.device)
    ids = torch.tensor([[*prompt, *reply]], device=device)
    with voice.active(), torch.inference_mode(), precision(device):
        logits = voice.model(input_ids=ids, use_cache=False).logits
    logits = logits[0, -len(reply) - 1 : -1].float()  # (R, V); from the end: an adapter may have put tokens in front
    logprobs = logits.log_softmax(-1)
    own = logprobs.gather(1, torch.tensor(reply, device=device)[:, None])
    ranks = (logprobs > own).sum(-1) + 1
    rows = zip(reply, own[:, 0].tolist(), ranks.tolist(), logits.argmax(-1).tolist(), strict=True)
    return [TokenScore(*row) for row in rows]


def speak_alike(left: Voice, right: Voice) -> bool:
    """Whether both models mean the same text by the same ids, so that one's reply can be shown to the other."""
    return left.template is right.template or (
        left.template.tokenizer.get_vocab() == right.template.tokenizer.get_vocab()
    )
