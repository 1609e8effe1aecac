"""Optional packages: named in one line where they are missing."""

from __future__ import annotations

from importlib.util import find_spec

from mcu_nas.errors import ToolError


def require_torch(what: str) -> None:
    """Before a command imports what needs PyTorch.

    Raises:
        ToolError: PyTorch is not installed.
    """
    if find_spec("torch") is None:
        raise ToolError(f"{what} needs PyTorch, which is not installed: pip install 'mcu-nas[search]'")


def require_tensorflow(what: str) -> None:
    """Before a command imports what needs TensorFlow.

    Raises:
        ToolError: TensorFlow is not installed.
    """
    if find_spec("tensorflow") is None:
        raise ToolError(f"{what} needs TensorFlow, which is not installed: pip install 'mcu-nas[tensorflow]'")


def require_matplotlib(what: str) -> None:
    """Before a command imports what draws pictures.

    Raises:
        ToolError: matplotlib is not installed.
    """
    if find_spec("matplotlib") is None:
        raise ToolError(f"{what} needs matplotlib, which is not installed: pip install 'mcu-nas[pictures]'")


def require_ray(what: str) -> None:
    """Before a command imports what evaluates on Ray.

    Raises:
        ToolError: Ray is not installed.
    """
    if find_spec("ray") is None:
        raise ToolError(f"{what} needs Ray, which is not installed: pip install 'mcu-nas[search,ray]'")


def require_pymoo(what: str) -> None:
    """Before a search whose sorting is pymoo's.

    Raises:
        ToolError: pymoo is not installed.
    """
    if find_spec("pymoo") is None:
        raise ToolError(f"{what} needs pymoo, which is not installed: pip install 'mcu-nas[search]'")
