"""The versions that a result depends on besides what was asked."""

from __future__ import annotations

import platform

import numpy as np
import torch

from mcu_nas import __version__
from mcu_nas.supernet.device import compute_device


def versions() -> dict[str, str]:
    """Section ``versions`` of run.json."""
    return {
        "mcu_nas": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "device": compute_device().type,
        "numpy": np.__version__,
    }
