"""Batch-norm statistics of one network, estimated anew.

The statistics of a subnet differ from those of every other subnet of its supernet, and training does not
track them: each network is recalibrated before it is scored or exported (MCUNet, NeurIPS 2020).
"""

from __future__ import annotations

import numpy as np
import torch

from mcu_nas.supernet.torch_network import TorchNetwork, to_pixels


@torch.no_grad()
def recalibrate(network: TorchNetwork, images: np.ndarray, batch: int = 256) -> None:
    """Sets the statistics to those of uint8 images (N, H, W, C), averaged over batches of equal size.

    A last batch that is not full is left out where there are full ones. Leaves the network in eval mode.
    """
    batch = min(batch, len(images))
    network.train()
    network.collect_statistics(True)
    for start in range(0, len(images) - batch + 1, batch):
        network(to_pixels(images[start : start + batch]))
    network.collect_statistics(False)
    network.eval()
