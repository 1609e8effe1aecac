"""When a kernel reads and writes each byte of its tensors, from the arguments it is called with.

For the kernels whose output may overlap their input (firmware/kernels/pixel_order.h). This is the rule as
the kernels' headers state it, worked out from windows alone; the catalogue, whose claims it serves to
check, has no part in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np

from mcu_nas.compiler.kernel_calls import KernelCall
from mcu_nas.network import Network

WINDOW_KERNELS = frozenset({"conv_s8", "depthwise_s8", "average_pool_s8", "max_pool_s8"})


@dataclass(frozen=True)
class Progress:
    """Moments, counted from 0, at which bytes are last read and written.

    A moment is an output pixel in running order, or a channel of a planar kernel. The kernel reports
    ``steps`` (MCU_ROW_DONE in firmware/kernels/row_done.h) of ``moments`` each. Within a moment a kernel
    ``by_channel`` reads all of a channel before it writes that channel, others write as they read.
    """

    steps: int
    moments: int
    reads: np.ndarray  # int64 (input bytes,): the last moment that reads the byte, -1: none
    writes: np.ndarray  # int64 (output bytes,)
    by_channel: bool
    scratch_bytes: int = 0


def kernel_progress(network: Network, call: KernelCall, *, descending: bool) -> Progress | None:
    """How ``call`` goes through its tensors; None for kernels that report no steps."""
    in_shape, out_shape = network.shape(call.inputs[0]), network.shape(call.output)
    in_channels, out_channels = in_shape[-1], out_shape[-1]
    if call.kernel.name == "pointwise_s8":
        pixels = cast(int, call.fields["pixels"])
        order = _in_order(np.arange(pixels), pixels, descending)
        return Progress(pixels, 1, order.repeat(in_channels), order.repeat(out_channels), by_channel=False)
    if call.kernel.name == "depthwise_planar_s8":
        channels = np.arange(in_channels)
        reads, writes = (np.tile(channels, shape[1] * shape[2]) for shape in (in_shape, out_shape))
        return Progress(in_channels, 1, reads, writes, True, scratch_bytes=out_shape[1] * out_shape[2])
    if call.kernel.name not in WINDOW_KERNELS:
        return None
    y, x = (cast(Mapping[str, int], call.fields[axis]) for axis in "yx")
    rows, columns = _last_readers(y, descending)[:, None], _last_readers(x, descending)[None, :]
    reads = np.where((rows < 0) | (columns < 0), -1, rows * x["out_size"] + columns)
    pixels = y["out_size"] * x["out_size"]
    writes = _in_order(np.arange(pixels), pixels, descending)
    return Progress(
        y["out_size"],
        x["out_size"],
        reads.reshape(-1).repeat(in_channels),
        writes.repeat(out_channels),
        by_channel=call.kernel.name != "conv_s8" and in_channels == out_channels,
    )


def _in_order(indices: np.ndarray, count: int, descending: bool) -> np.ndarray:
    """Numbers in running order."""
    return count - 1 - indices if descending else indices


def _last_readers(axis: Mapping[str, int], descending: bool) -> np.ndarray:
    """Per input index of one axis: the last output, as a number in running order, that reads it; or -1."""
    last = np.full(axis["in_size"], -1)
    outputs = _in_order(np.arange(axis["out_size"]), axis["out_size"], descending)
    for number, output in enumerate(outputs):
        taps = output * axis["stride"] - axis["pad"] + np.arange(axis["taps"]) * axis["dilation"]
        last[taps[(taps >= 0) & (taps < axis["in_size"])]] = number
    return last
