"""Proof that both sides of a comparison are what they say: an adapter of zeros changes nothing, the real one does."""

from dataclasses import dataclass
from typing import Literal

from chatgui.config import GenerationConfig
from chatgui.generation.lowrank import zeros_like
from chatgui.generation.pair import Pair
from chatgui.generation.sampling import Token

CHECK_TOKENS = 16


@dataclass(frozen=True)
class SelfCheck:
    """What was found."""

    zero: Literal["equal", "differs", "none"]
    """The reply of an adapter of zeros against the base's, in ids and probabilities; `none` where there is no adapter
    that shares the base's weights."""
    weights_differ: bool
    """Whether the two sides carry different fingerprints."""
    answers_differ: bool
    """Whether their probabilities differ behind the same prompt."""

    @property
    def passed(self) -> bool:
        """Whether the comparison can be trusted."""
        return self.zero != "differs" and self.weights_differ and self.answers_differ


def self_check(pair: Pair, message: str = "Hello") -> SelfCheck:
    """Let an adapter of zeros, the base and the fine-tuned side answer in one batch, greedily, and compare.

    The zeros take the way of the real adapter: the same layers, the same pass, beside the same base.
    """
    loaded, name = pair.tuned.loaded, pair.tuned.name
    settings = GenerationConfig(temperature=0, max_new_tokens=CHECK_TOKENS)
    prompt = pair.template.prompt_ids([{"role": "user", "content": message}])
    requests = [voice.request(prompt, settings, top_logprobs=1) for voice in (pair.base, pair.tuned)]
    updates = loaded.updates(name) if pair.tuned.computed == "shared" else {}
    zero = f"{name}-zero"
    if updates:
        loaded.add_low_rank(zero, zeros_like(updates))
        requests.append(pair.tuned.request(prompt, settings, top_logprobs=1, name=zero))
    try:
        made: list[list[Token]] = [list(stream) for stream in pair.engine.ask(*requests)]
    finally:
        if updates:
            loaded.forget(zero)
    found: Literal["equal", "differs", "none"] = "none"
    if updates:
        found = "equal" if made[2] == made[0] else "differs"
    return SelfCheck(found, pair.base.weights != pair.tuned.weights, made[0] != made[1])
