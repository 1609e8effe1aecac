"""Where networks are trained and evaluated: on a GPU where torch finds one, else on the CPU.

Everything else is told by a tensor's own device. On a GPU torch's own operators run, not the kernels of
supernet/native, and results are not promised to the bit.
"""

from __future__ import annotations

from functools import lru_cache

import torch


@lru_cache(maxsize=1)
def compute_device() -> torch.device:
    """The device that weights and images are put on."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
