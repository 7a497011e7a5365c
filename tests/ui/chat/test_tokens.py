import math

from chatgui.generation.probabilities import TokenScore
from chatgui.ui.chat.tokens import Shade, reply_html, shades

BYTES = {1: b"\xe4\xba", 2: b"\x91", 3: b"Hi", 0: b""}


def decode(ids: list[int]) -> str:
    return b"".join(BYTES[each] for each in ids).decode(errors="replace")


def test_tokens_that_make_one_character_are_one_piece() -> None:
    scores = [
        TokenScore(id_, math.log(p), rank, id_) for id_, p, rank in ((3, 0.5, 1), (1, 0.5, 2), (2, 0.2, 1), (0, 1, 1))
    ]
    found = shades(scores, decode, "end")
    assert [(shade.text, round(shade.probability, 3), shade.rank) for shade in found] == [
        ("Hi", 0.5, 1), ("云", 0.1, 2), ("end", 1.0, 1),
    ]  # fmt: skip


def test_unlikely_pieces_are_marked_and_told_in_words_too() -> None:
    row = [Shade("<b>", 0.9, 1, "x"), Shade("so", 0.04, 3, "the")]
    made = reply_html("en", ["left", "right"], [row, None])
    assert '<span class="p0" title="90%, the likeliest">&lt;b&gt;</span>' in made
    assert '<span class="p2" title="4.0%, number 3; likeliest: the">so</span>' in made
    assert made.count("<td>") == 2
    assert "another tokenizer" in made
