"""From a source to rows: a bundled sample, a file, a folder or a name on the hub.

Rows that cannot be used are kept with their line and reason; a source that cannot be read at all is one DataError.
Does not split and knows no tokenizer.
"""

from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Mapping as Dictionary
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Field

from chatgui.data import files
from chatgui.data.conversation import Row
from chatgui.data.formats import AUTO, BY_NAME, SAMPLE_ROWS, Recognition, bind, recognise, tried
from chatgui.data.formats.columns import names
from chatgui.data.mapping import Mapping, apply, check, read_columns
from chatgui.data.quality.remedies import Remedies
from chatgui.errors import ChatGuiError, DataError
from chatgui.fields import Config, Elsewhere

SAMPLES = Path(__file__).parents[2] / "assets" / "samples"
SPLIT_NAMES = {
    "train": "train", "validation": "validation", "valid": "validation", "val": "validation", "dev": "validation",
    "test": "test",
}  # fmt: skip

if TYPE_CHECKING:
    FormatName = str
else:
    FormatName = Literal[(AUTO, *BY_NAME)]


def _checked_columns(text: str) -> str:
    read_columns(text)
    return text


class DataConfig(Config):
    """What to learn from and how it is divided."""

    source: Annotated[str, Elsewhere()] = "support"
    """A bundled sample, a file, a folder, or the name of a dataset on the hub."""
    format: Annotated[FormatName, Elsewhere()] = AUTO
    """How the rows are written; "auto" finds it out from the rows."""
    columns: Annotated[str, AfterValidator(_checked_columns), Elsewhere()] = ""
    """Which column each field of the format is read from, such as text=review, label=stars; empty goes by the names."""
    label_names: Annotated[str, Elsewhere()] = ""
    """Names of labels or tags that the file gives as numbers: separated by commas, in order from 0."""
    subset: Annotated[str | None, Elsewhere()] = None
    """Configuration of a hub dataset that has several."""
    revision: Annotated[str | None, Elsewhere()] = None
    """Branch, tag or commit of a hub dataset; a commit makes the run repeatable."""
    validation_fraction: Annotated[float, Elsewhere()] = Field(0.05, ge=0, le=0.5)
    """Share watched during training to see when it starts to learn by heart; 0 turns the second curve off."""
    test_fraction: Annotated[float, Elsewhere()] = Field(0.1, ge=0, le=0.5)
    """Share put aside and never trained on; both models are judged on it. Used when the source has no test split."""
    split_seed: Annotated[int, Elsewhere()] = Field(0, ge=0)
    """The same seed gives the same split."""
    split_by: Annotated[Literal["random", "column", "group", "label", "time"], Elsewhere()] = "random"
    """How rows are divided: by chance; as a column says; groups of a column kept whole; the same share of each label;
    or the newest rows held back."""
    split_column: Annotated[str | None, Elsewhere()] = None
    """Column of the source that names the split, the group or the time."""
    edits: Annotated[str | None, Elsewhere()] = None
    """Journal of corrections made by hand, named by its fingerprint; the source itself is never changed."""
    remedies: Annotated[Remedies, Elsewhere()] = Remedies()
    """What is done about the findings of the report."""


@dataclass(frozen=True)
class Dropped:
    """A row that cannot be used, and why."""

    origin: str
    line: int
    reason: ChatGuiError


@dataclass(frozen=True)
class Dataset:
    """Everything that was read: usable rows in the order of the source, and the others with their reasons."""

    name: str
    format: str
    encoding: str
    rows: tuple[Row, ...]
    dropped: tuple[Dropped, ...]
    recognised: tuple[Recognition, ...] = ()
    """For each file that holds rows: its format, the columns it is read from, and how many rows speak for it."""

    @property
    def read(self) -> int:
        """Rows found, used or not."""
        return len(self.rows) + len(self.dropped)


def samples() -> tuple[str, ...]:
    """Names of the bundled samples."""
    return tuple(sorted(path.name for path in SAMPLES.iterdir() if path.is_dir())) if SAMPLES.is_dir() else ()


def load(config: DataConfig) -> Dataset:
    """Read a source whole.

    Raises DataError that says which file, what was found in it and what is allowed; also when not one row is usable.
    """
    tables = list(_tables(config))
    recognised: list[Recognition] = []
    rows: list[Row] = []
    dropped: list[Dropped] = []
    for table in tables:
        errors = [Dropped(table.name, line, row) for line, row in table.rows if isinstance(row, ChatGuiError)]
        if len(errors) == len(table.rows):  # no row from which a format could be told
            dropped += errors
            continue
        good = [row for _, row in table.rows if not isinstance(row, ChatGuiError)]
        found = reading(good[:SAMPLE_ROWS], config, table.name)
        recognised.append(found)
        for result in _convert(table, mapping_of(found, config), named=len(tables) > 1):
            if isinstance(result, Row):
                rows.append(result)
            else:
                dropped.append(result)
    if not rows and not dropped:
        raise DataError("data.empty_file", source=config.source)
    if not rows:
        raise DataError(
            "data.nothing_usable", source=config.source, rows=len(dropped), line=dropped[0].line,
            reason=dropped[0].reason,
        )  # fmt: skip
    name = Path(config.source).name or config.source
    encodings = dict.fromkeys(table.encoding for table in tables)
    formats_found = dict.fromkeys(each.format for each in recognised)
    return Dataset(name, ", ".join(formats_found), ", ".join(encodings), tuple(rows), tuple(dropped), tuple(recognised))


def reading(rows: Sequence[Dictionary[str, Any]], config: DataConfig, source: str) -> Recognition:
    """How the rows of a file are read: found out, or as the config says.

    Raises DataError when no format fits, or when the chosen one lacks a column.
    """
    given = read_columns(config.columns)
    if config.format == AUTO and not given:
        return recognise(rows, source)
    chosen = [BY_NAME[config.format]] if config.format != AUTO else list(BY_NAME.values())
    columns = names(rows)
    found: list[Recognition] = []
    refusals: list[DataError] = []
    for format_ in chosen:
        try:
            mapping = check(Mapping(format_.NAME, {**bind(format_, rows), **given}), columns, source)
            found.append(tried(format_, rows, mapping.columns))
        except DataError as error:
            refusals.append(error)
    if not found:
        raise refusals[0] if len(refusals) == 1 else DataError("data.mapping_needs_format", source=source)
    return max(found, key=lambda each: each.confidence)


def mapping_of(found: Recognition, config: DataConfig) -> Mapping:
    """What `apply` makes items with."""
    label_names = tuple(name.strip() for name in config.label_names.split(",") if name.strip())
    return Mapping(found.format, found.columns, label_names)


def _convert(table: files.Table, mapping: Mapping, named: bool) -> Iterator[Row | Dropped]:
    """Rows of one table. File names are splits only among several: a file alone is all there is, whatever its name."""
    split = SPLIT_NAMES.get(Path(table.name).stem.lower().split("-")[0]) if named else None
    for line, content in table.rows:
        if isinstance(content, ChatGuiError):
            yield Dropped(table.name, line, content)
            continue
        try:
            yield Row(apply(mapping, content), table.name, line, split, content)
        except DataError as error:
            yield Dropped(table.name, line, error)


def _tables(config: DataConfig) -> Iterable[files.Table]:
    path = find(config.source)
    if path is None:
        return files.read_hub(config.source, config.subset, config.revision)
    if path.is_dir():
        return files.read_folder(path)
    return [files.read_file(path)]


def find(source: str) -> Path | None:
    """The file or folder a source means, or None when it can only be a name on the hub.

    Raises DataError when it is written like a path but nothing is there.
    """
    if not source.strip():
        raise DataError("data.not_found", source=source, samples=", ".join(samples()))
    if source in samples():
        return SAMPLES / source
    try:
        path = Path(source).expanduser()
        if path.exists():
            return path
    except (OSError, RuntimeError) as error:  # a name no file system takes, or the home of nobody
        raise DataError("data.not_found", source=source, samples=", ".join(samples())) from error
    looks_like_path = source.startswith((".", "/", "~")) or source.count("/") > 1 or path.suffix in files.SUFFIXES
    if looks_like_path:
        raise DataError("data.not_found", source=source, samples=", ".join(samples()))
    return None
