"""What the user's own module says of images: the truth that its int8 form is compared with."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from mcu_nas.quantize.execution import pixels_of

_BATCH = 250


@torch.no_grad()
def module_outputs(module: nn.Module, images: np.ndarray, white: float) -> np.ndarray:
    """float32 (N, values) of a module in evaluation mode for uint8 images (N, H, W, C)."""
    parts = []
    for start in range(0, len(images), _BATCH):
        pixels = pixels_of(images[start : start + _BATCH], white).permute(0, 3, 1, 2)
        # In torch's usual order, as a data loader gives them: a view() in the module may depend on it.
        planes = torch.empty(pixels.shape).copy_(pixels)
        parts.append(module(planes).flatten(1).numpy())
    return np.concatenate(parts)
