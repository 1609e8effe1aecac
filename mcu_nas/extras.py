"""Optional packages: named in one line where they are missing."""

from __future__ import annotations

from importlib.util import find_spec

from mcu_nas.errors import ToolError

# Module -> what it is called, and the extras of mcu_nas that bring it.
_PACKAGES = {
    "torch": ("PyTorch", "search"),
    "tensorflow": ("TensorFlow", "tensorflow"),
    "matplotlib": ("matplotlib", "pictures"),
    "ray": ("Ray", "search,ray"),
    "pymoo": ("pymoo", "search"),
}


def require(module: str, what: str) -> None:
    """Before a command imports what needs an optional package; ``what`` is what the user asked for.

    Raises:
        ToolError: the package is not installed.
    """
    name, extras = _PACKAGES[module]
    if find_spec(module) is None:
        raise ToolError(f"{what} needs {name}, which is not installed: pip install 'mcu-nas[{extras}]'")
