import zipfile
from pathlib import Path

import pytest

from chatgui.export import archive


def test_a_zip_holds_everything_and_tells_how_far_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "PIECE_BYTES", 100)
    folder = tmp_path / "result"
    (folder / "inner").mkdir(parents=True)
    (folder / "weights.safetensors").write_bytes(bytes(range(250)))
    (folder / "inner" / "note.txt").write_text("你好", encoding="utf-8")
    (folder / "empty.txt").touch()
    shares = list(archive.zip_folder(folder, tmp_path / "result.zip"))
    assert shares == sorted(shares)
    assert len(shares) == 4  # three pieces of the weights, one of the note
    assert shares[-1] == 1.0
    with zipfile.ZipFile(tmp_path / "result.zip") as made:
        assert made.testzip() is None
        assert sorted(made.namelist()) == ["result/empty.txt", "result/inner/note.txt", "result/weights.safetensors"]
        assert made.read("result/weights.safetensors") == bytes(range(250))
