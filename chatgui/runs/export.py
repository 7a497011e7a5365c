"""A run's way out: gathers what the formats in `export/` need from its folder and writes one of them."""

import json
import shutil
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from chatgui.errors import ModelError, RunError
from chatgui.evaluation import reviews
from chatgui.evaluation.tally import tally
from chatgui.export import card
from chatgui.export.card import Facts
from chatgui.export.options import ExportConfig
from chatgui.runs.fusion import RECORD
from chatgui.runs.store import Run

Tell = Callable[[str], None]
"""Called with the key of a sentence as each part of the work begins."""


def export_run(run: Run, options: ExportConfig, out: Path, tell: Tell = lambda key: None) -> dict[str, Any]:
    """Write the result of `run` into the folder `out`, which must be empty or new; whole or not at all.

    Returns what `--json` prints. Raises RunError for a run without a result or a folder in use, ModelError for a
    result that the format cannot hold.
    """
    folder = run.result_folder()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise RunError("export.folder_in_use", path=str(out))
    temporary = out.with_name(f".{out.name}.part")
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        told = _write(run, folder, options, temporary, tell)
        if out.exists():
            out.rmdir()
        temporary.rename(out)
    except OSError as error:
        if isinstance(error, RunError) or not error.strerror:
            raise
        raise RunError("run.cannot_write", path=str(out), reason=error.strerror) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    files = sorted(str(file.relative_to(out)) for file in out.rglob("*") if file.is_file())
    size = sum((out / file).stat().st_size for file in files)
    return {"run": run.id, "format": options.format, "path": str(out), "files": files, "bytes": size, **told}


def push_run(
    run: Run, options: ExportConfig, name: str, token: str | None, *, private: bool = True, update: bool = False,
    tell: Tell = lambda key: None,
) -> dict[str, Any]:  # fmt: skip
    """Write the result of `run` and upload it as the repository `name`, with its model card.

    Returns what `--json` prints: that of `export_run`, with the repository's address. Raises as `export_run` and
    `export.push.push` do.
    """
    from chatgui.export.push import push

    with tempfile.TemporaryDirectory(prefix="chatgui-push-") as folder:
        told = export_run(run, options, Path(folder) / run.id, tell)
        tell("hub.uploading")
        address = push(Path(folder) / run.id, name, token, private=private, update=update)
    return {**told, "path": address}


def _write(run: Run, folder: Path, options: ExportConfig, out: Path, tell: Tell) -> dict[str, Any]:
    from chatgui.export import gguf_file, merged
    from chatgui.export.template import modelfile
    from chatgui.models import stop_ids

    config = run.config
    if options.format == "gguf" and config.task.HEAD != "AutoModelForCausalLM":
        raise ModelError("export.gguf_task", task=config.task.kind)
    difference: float | None = None
    if options.format == "adapter":
        tell("export.copying")
        merged.copy_adapter(config, folder, out)
    else:
        tell("export.merging")
        whole = merged.whole(config, folder)
        difference = whole.largest_logit_difference
        tell("export.writing")
        if options.format == "merged":
            merged.write(whole, out, options)
        else:
            name = f"{run.id}-{options.quantization}.gguf"
            gguf_file.write(whole.model, whole.template, out / name, options, run.id)
            words = [whole.template.tokenizer.decode([id_]) for id_ in sorted(stop_ids(whole.model, whole.template))]
            text = modelfile(
                name, whole.template, words, whole.model.config.max_position_embeddings, config.generation.temperature
            )
            (out / "Modelfile").write_text(text, encoding="utf-8")
    told = facts(run)
    picture = card.curves(told.events)
    if picture:
        (out / card.CURVES).write_bytes(picture)
    text = card.card(
        told, options.format, logit_difference=difference, with_curves=bool(picture), licence=options.licence
    )
    (out / "README.md").write_text(text, encoding="utf-8")
    return {} if difference is None else {"largest_logit_difference": difference}


def facts(run: Run) -> Facts:
    """What the run's folder knows of itself."""
    return Facts(
        run.id, run.config, run.events(), run.state().result, _json(run.folder / "splits.json"),
        _json(run.scorecard), votes(run), _json(run.folder / RECORD),
    )  # fmt: skip


def votes(run: Run) -> dict[str, int]:
    """All verdicts of the blind reviews of this run; nothing when nobody voted."""
    counted = tally(vote.verdict for vote in reviews.read(run.reviews).votes)
    named = {
        "fine-tuned was better": counted.wins, "tie": counted.ties, "both bad": counted.both_bad,
        "base was better": counted.losses,
    }  # fmt: skip
    return named if counted.total else {}


def _json(file: Path) -> Mapping[str, Any]:
    """A file that may not be there, or be half a file of an older version: then nothing."""
    with suppress(OSError, ValueError):
        values = json.loads(file.read_text(encoding="utf-8"))
        if isinstance(values, dict):
            return values
    return {}
