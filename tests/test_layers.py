"""The package's layers: who may import whom, and what importing the command line must not load."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import mcu_nas

PACKAGE = Path(mcu_nas.__file__).parent

# Low to high, as in the design: a module may import from its own rank and below.
LAYERS = (
    {"cores", "errors", "resources", "files", "units", "extras"},
    {"operators"},
    {"network"},
    {"graph", "board_tables", "boards"},
    {"tflite", "compiler"},
    {"cost"},
    {"spaces"},
    {"datasets", "supernet", "quantize"},
    {"devices"},
    {"search"},
    {"report"},
    {"cli"},
)
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
TORCH_LIVES_IN = {"supernet", "quantize", "search"}

MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def layer_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of every import of a file, those inside functions included."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute here"
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def module_id(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


@pytest.mark.parametrize("path", MODULES, ids=module_id)
def test_module_imports_nothing_above_its_layer(path: Path) -> None:
    own = layer_of(path)
    upward = [
        f"{path.name}:{line} imports {name}"
        for line, name in imported(path)
        if name.startswith("mcu_nas.") and (above := name.split(".")[1]) in RANK and RANK[above] > RANK[own]
    ]
    assert not upward


@pytest.mark.parametrize("path", MODULES, ids=module_id)
def test_torch_is_imported_only_where_networks_are_trained(path: Path) -> None:
    users = [f"{path.name}:{line}" for line, name in imported(path) if name.split(".")[0] == "torch"]
    assert not users or layer_of(path) in TORCH_LIVES_IN


def test_every_folder_and_module_of_the_package_has_a_layer() -> None:
    assert {layer_of(path) for path in MODULES} <= set(RANK)


def test_importing_the_command_line_loads_no_heavy_library() -> None:
    heavy = ("torch", "numpy", "ai_edge_litert", "tflite_micro")
    code = f"import sys, mcu_nas.cli; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
