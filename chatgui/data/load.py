"""From a source to rows: a bundled sample, a file, a folder or a name on the hub.

Rows that cannot be used are kept with their line and reason; a source that cannot be read at all is one DataError.
Does not split and knows no tokenizer.
"""

import re
from collections.abc import Callable, Sequence
from collections.abc import Mapping as Dictionary
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Field

from chatgui.data import files
from chatgui.data.conversation import Conversation, Row
from chatgui.data.formats import AUTO, BY_NAME, SAMPLE_ROWS, Recognition, bind, recognise, tried
from chatgui.data.formats.columns import names
from chatgui.data.mapping import Mapping, check, read_columns, read_label_names
from chatgui.data.quality.remedies import Remedies
from chatgui.data.rows import Dropped, DroppedRows, Part, Progress, Rows, Scan, first_rows, remembered_scan, scan
from chatgui.data.tables import Cache, Table
from chatgui.errors import DataError
from chatgui.fields import Config, Elsewhere
from chatgui.home import home_folder

SAMPLES = Path(__file__).parents[2] / "assets" / "samples"
SPLIT_NAMES = {
    "train": "train", "validation": "validation", "valid": "validation", "val": "validation", "dev": "validation",
    "test": "test",
}  # fmt: skip

IDENTIFIER = re.compile(r"(?i)(\b|_|[a-z])id$")
"""Name of a column that says which user, film or order a row is about."""

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
    """Which column each field of the format is read from, such as text=review, label=stars; empty goes by the names,
    and context="" leaves out a field that would be found by its name."""
    label_names: Annotated[str, Elsewhere()] = ""
    """Names of labels or tags that the file gives as numbers: separated by commas, in order from 0."""
    subset: Annotated[str | None, Elsewhere()] = None
    """Configuration of a hub dataset that has several."""
    revision: Annotated[str | None, Elsewhere()] = None
    """Branch, tag or commit of a hub dataset; a commit makes the run repeatable."""
    hub_split: Annotated[str | None, Elsewhere()] = None
    """Read only this split of a hub dataset, such as train_sft; empty reads all of them."""
    validation_fraction: Annotated[float, Elsewhere()] = Field(0.05, ge=0, le=0.5)
    """Share watched during training to see when it starts to learn by heart; 0 turns the second curve off."""
    test_fraction: Annotated[float, Elsewhere()] = Field(0.1, ge=0, le=0.5)
    """Share put aside and never trained on; both models are judged on it. Used when the source has no test split."""
    split_seed: Annotated[int, Elsewhere()] = Field(0, ge=0)
    """The same seed gives the same split."""
    split_by: Annotated[Literal["auto", "random", "column", "group", "label", "time"], Elsewhere()] = "auto"
    """How rows are divided: by chance; as a column says; groups of a column kept whole; the same share of each label;
    or the newest rows held back. "auto" holds back the newest where users are offered things (without times: whole
    users), so that the future does not leak, and draws by chance elsewhere."""
    split_column: Annotated[str | None, Elsewhere()] = None
    """Column of the source that names the split, the group or the time."""
    edits: Annotated[str | None, Elsewhere()] = None
    """Journal of corrections made by hand, named by its fingerprint; the source itself is never changed."""
    remedies: Annotated[Remedies, Elsewhere()] = Remedies()
    """What is done about the findings of the report."""


@dataclass(frozen=True)
class Dataset:
    """Everything that was read: usable rows in the order of the source, and the others with their reasons.

    Both are sequences whose length is known and whose rows are read when they are asked for: by number, by slice, or
    one after the other. Iterate rather than collect: there may be more rows than fit into memory.
    """

    name: str
    format: str
    encoding: str
    rows: Sequence[Row]
    dropped: Sequence[Dropped]
    recognised: tuple[Recognition, ...] = ()
    """For each file that holds rows: its format, the columns it is read from, and how many rows speak for it."""
    whole: bool = True
    """False for a first look at a long source: it has more rows than these."""

    @property
    def read(self) -> int:
        """Rows found, used or not."""
        return len(self.rows) + len(self.dropped)


def samples() -> tuple[str, ...]:
    """Names of the bundled samples."""
    return tuple(sorted(path.name for path in SAMPLES.iterdir() if path.is_dir())) if SAMPLES.is_dir() else ()


def load(config: DataConfig, cache: Path | None = None, tell: Progress | None = None) -> Dataset:
    """Read a source whole: every row is tried once, none is kept in memory when they are many.

    `tell(done, total)` hears how far it is, in rows of the current file; what it raises ends the reading. What was
    found out about a large file is remembered in the folder `cache` (of the home, unless given).
    Raises DataError that says which file, what was found in it and what is allowed; also when not one row is usable.
    """
    tables = _tables(config, cache)
    store = Cache(cache or home_folder() / "cache" / "data")
    return _dataset(config, tables, lambda table, mapping: remembered_scan(table, mapping, store, tell))


def peek(config: DataConfig, count: int = SAMPLE_ROWS) -> Dataset:
    """The first rows of a source, within seconds however long it is; `whole` tells whether these are all.

    Raises DataError as `load` does. A hub dataset is downloaded first.
    """
    path = find(config.source)
    found = _head(path, count)
    if path is None or found is None:
        return load(config)
    dataset = _dataset(config, [found], scan)
    return replace(dataset, whole=path.is_file() and len(found.rows) < count)


def raw_rows(config: DataConfig, cache: Path | None = None) -> list[dict[str, object]]:
    """The first rows of a source as they stand there, whether a format fits them or not, for a mapping to be tried on.

    Raises DataError when the source cannot be read.
    """
    found = _head(find(config.source), SAMPLE_ROWS)
    if found is not None and (rows := first_rows(found)):
        return rows
    return next((rows for table in _tables(config, cache) if (rows := first_rows(table))), [])


def _head(path: Path | None, count: int) -> Table | None:
    """The first rows of the first file; None for what can only be opened whole."""
    if path is None or (path / "state.json").is_file() or (path / "dataset_dict.json").is_file():
        return None
    return files.head(path if path.is_file() else files.data_files(path)[0], count)


def _dataset(config: DataConfig, tables: list[Table], scan_: Callable[[Table, Mapping], Scan]) -> Dataset:
    recognised: list[Recognition] = []
    parts: list[Part] = []
    set_aside: list[Dropped] = []
    for table in tables:
        try:
            if table.problem is not None:
                raise table.problem
            found = reading(first_rows(table), config, table.name) if first_rows(table) else None
        except DataError as error:
            if len(tables) == 1:
                raise
            set_aside.append(Dropped(table.name, 1, error))
            continue
        mapping = mapping_of(found, config) if found is not None else Mapping("")
        recognised += [found] if found is not None else []
        part = Part(table, mapping, _split_of(table.name) if len(tables) > 1 else None, *scan_(table, mapping))
        parts.append(part)
    rows, dropped = Rows(parts), DroppedRows(parts, set_aside)
    if not rows:
        raise _to_be_joined(config, tables) or _nothing(config, dropped)
    _must_agree(config, parts)
    name = Path(config.source).name or config.source
    encodings = dict.fromkeys(part.table.encoding for part in parts)
    formats_found = dict.fromkeys(each.format for each in recognised)
    return Dataset(name, ", ".join(formats_found), ", ".join(encodings), rows, dropped, tuple(recognised))


def _nothing(config: DataConfig, dropped: DroppedRows) -> DataError:
    if not dropped:
        return DataError("data.empty_file", source=config.source)
    first = dropped[0]
    return DataError(
        "data.nothing_usable", source=config.source, rows=len(dropped), line=first.line, reason=first.reason
    )


def _must_agree(config: DataConfig, parts: Sequence[Part]) -> None:
    """Raises DataError when the files of a source are for different tasks: no run could learn from all of them."""
    kinds = {part.table.name: (type(Rows([part])[0].item), part.mapping.format) for part in parts if len(part.good)}
    if {kind for kind, _ in kinds.values()} == {Conversation}:  # however they are written
        return
    if len({kind for kind, _ in kinds.values()}) > 1:
        listed = ", ".join(f"{name} ({format_})" for name, (_, format_) in list(kinds.items())[:12])
        mixed = DataError("data.mixed_files", source=config.source, files=listed)
        raise _to_be_joined(config, [part.table for part in parts]) or mixed


def _to_be_joined(config: DataConfig, tables: Sequence[Table]) -> DataError | None:
    """Of files that share a number of something (MovieLens' ratings and titles, say): that they are one table in two.

    None when no two of them do.
    """
    columns = {table.name: names(first_rows(table)) for table in tables if first_rows(table)}
    for (one, own), (other, others) in combinations(columns.items(), 2):
        if shared := next((name for name in own if IDENTIFIER.search(name) and name in others), None):
            return DataError("data.to_be_joined", source=config.source, one=one, other=other, column=shared)
    return None


def _split_of(name: str) -> str | None:
    """The split that a file among several is named after, or its folder."""
    parts = [re.split(r"[-_.]", part.lower())[0] for part in reversed(Path(name).parts)]
    return next((SPLIT_NAMES[part] for part in parts[:2] if part in SPLIT_NAMES), None)


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
            merged = {name: column for name, column in {**bind(format_, rows), **given}.items() if column}
            mapping = check(Mapping(format_.NAME, merged), columns, source)
            found.append(tried(format_, rows, mapping.columns))
        except DataError as error:
            refusals.append(error)
    if not found:
        raise refusals[0] if len(refusals) == 1 else DataError("data.mapping_needs_format", source=source)
    return max(found, key=lambda each: each.confidence)


def mapping_of(found: Recognition, config: DataConfig) -> Mapping:
    """What `apply` makes items with."""
    return Mapping(found.format, found.columns, read_label_names(config.label_names))


def _tables(config: DataConfig, cache: Path | None) -> list[Table]:
    path = find(config.source)
    if path is None:
        return files.read_hub(config.source, config.subset, config.revision, config.hub_split, cache)
    if path.is_dir():
        return files.read_folder(path, cache)
    return files.read_files(path, cache)


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
