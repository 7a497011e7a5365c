"""Who may import whom, read from the source, and what stays unloaded until it is needed."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "chatgui"
FILES = sorted(PACKAGE.rglob("*.py"))
HEAVY = ("torch", "transformers", "peft", "datasets", "accelerate")
NEEDS_TORCH = {"kernels.py", "training/muon.py", "adapters/modules.py", "generation/rows.py"}
"""Define subclasses of what the libraries define, so they are themselves imported inside functions only."""


def name_of(file: Path) -> str:
    return file.relative_to(PACKAGE).as_posix()


def at_module_level(tree: ast.Module) -> Iterator[ast.Import | ast.ImportFrom]:
    for node in tree.body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield node


def everywhere(tree: ast.Module) -> Iterator[ast.Import | ast.ImportFrom]:
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield node


def modules(nodes: Iterator[ast.Import | ast.ImportFrom]) -> set[str]:
    """Dotted names; `from a import b` counts as `a` and as `a.b`, since `b` may be a module."""
    names: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        else:
            assert node.level == 0, "relative imports hide who imports whom"
            names |= {str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def begins(names: set[str], *packages: str) -> set[str]:
    return {name for name in names if any(name == package or name.startswith(f"{package}.") for package in packages)}


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_a_file_imports_only_what_its_place_allows(file: Path) -> None:
    name = name_of(file)
    tree = ast.parse(file.read_text(encoding="utf-8"))
    all_names, eager = modules(everywhere(tree)), modules(at_module_level(tree))
    if not name.startswith("ui/"):
        assert begins(all_names, "gradio") == set(), "only ui/ imports gradio"
    if name.startswith("ui/"):
        assert begins(all_names, "chatgui.cli") == set(), "ui never imports cli"
    elif name != "cli/__init__.py":
        assert begins(all_names, "chatgui.ui") == set(), "nothing below the page knows the page"
    if name.startswith("ui/tabs/"):
        assert begins(all_names, "chatgui.ui.tabs") == set(), "no tab imports a tab"
    if name.startswith("cli/"):
        assert begins(eager, "chatgui.ui") == set(), "the command line opens without the page"
    if name not in NEEDS_TORCH:
        assert begins(eager, *HEAVY) == set(), "heavy libraries are imported inside functions"
    else:
        assert "torch" in begins(eager, *HEAVY)


@pytest.mark.parametrize("needs_torch", sorted(NEEDS_TORCH))
def test_what_defines_torch_classes_is_imported_inside_functions_only(needs_torch: str) -> None:
    module = f"chatgui.{needs_torch.removesuffix('.py').replace('/', '.')}"
    importers = {
        name_of(file)
        for file in FILES
        if begins(modules(at_module_level(ast.parse(file.read_text(encoding="utf-8")))), module)
    }
    assert importers == set()


@pytest.mark.parametrize("module", ["chatgui.config", "chatgui.cli", "chatgui.runs.worker", "chatgui.runs.workspace"])
def test_it_opens_without_the_heavy_libraries(module: str) -> None:
    code = f"import sys, {module}; print([name for name in {(*HEAVY, 'gradio')} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
