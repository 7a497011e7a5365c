"""A folder as one zip file, told as it grows: weights are large, and whoever waits wants to know for how long."""

import zipfile
from collections.abc import Iterator
from pathlib import Path

PIECE_BYTES = 32 * 2**20


def zip_folder(folder: Path, file: Path) -> Iterator[float]:
    """Write everything below `folder`, under its name, into `file`; the share that is done after each piece.

    Nothing is compressed: weights do not get smaller, and it would take minutes.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    total, done = sum(path.stat().st_size for path in files) or 1, 0
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for path in files:
            name = (Path(folder.name) / path.relative_to(folder)).as_posix()
            with path.open("rb") as source, archive.open(name, "w", force_zip64=True) as copy:
                while piece := source.read(PIECE_BYTES):
                    copy.write(piece)
                    done += len(piece)
                    yield done / total
