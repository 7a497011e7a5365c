from pathlib import Path

import pytest

from chatgui.tokens.example import Example, lengths_of
from chatgui.tokens.store import Stored, batch_of, write

EXAMPLES = [
    Example((5, 6, 7), (-100, 6, 7)),
    Example((1,), (-100,), cut_tokens=9, target=(1.0, 0.25)),
    Example((1, 2), (1, 2), rivals=(Example((3, 4, 5), (-100, 4, 5), 2), Example((8,), (8,), target=(0.5,)))),
    Example((), ()),
    Example((70000, 9), (-100, 9), cut_tokens=1),
]


@pytest.fixture
def stored(tmp_path: Path) -> Stored:
    path = tmp_path / "examples.arrow"
    write(path, [batch_of(EXAMPLES[:3]), batch_of([]), batch_of(EXAMPLES[3:])])
    return Stored(path)


def test_examples_are_read_as_they_were_written(stored: Stored) -> None:
    assert list(stored) == EXAMPLES == stored[:] and len(stored) == 5
    assert stored[-1] == EXAMPLES[-1] and stored[1:3] == EXAMPLES[1:3]
    assert isinstance(stored[0].input_ids[0], int) and isinstance(stored[1].target[0], float)
    with pytest.raises(IndexError):
        stored[5]


def test_lengths_and_cuts_are_known_without_reading(stored: Stored) -> None:
    assert lengths_of(stored) == stored.lengths == lengths_of(EXAMPLES) == [3, 1, 6, 0, 2]
    assert stored.cut == 2


def test_a_file_that_was_not_ended_is_no_file(tmp_path: Path) -> None:
    def breaks() -> object:
        yield batch_of(EXAMPLES)
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space"):
        write(tmp_path / "examples.arrow", breaks())  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_half_a_file_is_refused(tmp_path: Path, stored: Stored) -> None:
    half = tmp_path / "half.arrow"
    half.write_bytes(stored.path.read_bytes()[:-100])
    with pytest.raises(ValueError):
        Stored(half)


def test_no_examples_are_a_file_as_well(tmp_path: Path) -> None:
    write(tmp_path / "none.arrow", [])
    none = Stored(tmp_path / "none.arrow")
    assert len(none) == 0 and none.lengths == [] and none.cut == 0
