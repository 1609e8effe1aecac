"""firmware/kernels/conv.c on the host: what a generated convolution has to equal."""

from __future__ import annotations

import ctypes
import functools
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from mcu_nas.compiler.generators.requantization import Requantization
from mcu_nas.resources import firmware_dir
from tests.kernels.kernel_driver import Axis


class _Axis(ctypes.Structure):
    """``struct mcu_axis``."""

    _fields_ = tuple(
        (name, ctypes.c_int32) for name in ("in_size", "out_size", "taps", "stride", "pad", "dilation")
    )


class _Conv(ctypes.Structure):
    """``struct mcu_conv_s8``."""

    _fields_ = (
        ("descending", ctypes.c_int32),
        ("y", _Axis),
        ("x", _Axis),
        *((name, ctypes.c_int32) for name in ("in_channels", "out_channels", "in_zero_point")),
        *((name, ctypes.c_int32) for name in ("zero_point", "min", "max")),
        *((name, ctypes.c_void_p) for name in ("weights", "bias", "interior_bias", "factors")),
    )


@functools.cache
def _library() -> Callable[..., None]:
    kernels = firmware_dir() / "kernels"
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder, "conv.so")
        command = ["gcc", "-O1", "-shared", "-fPIC", f"-I{kernels}", str(kernels / "conv.c"), "-o", library]
        subprocess.run(command, check=True)
        return ctypes.CDLL(str(library)).mcu_conv_s8


def portable_conv(
    image: np.ndarray,
    weights: np.ndarray,
    bias: np.ndarray,
    zero_point: int,
    requantization: Requantization,
    axes: tuple[Axis, Axis],
) -> np.ndarray:
    """int8 (height, width, channels), weights int8 (outputs, rows, columns, channels), bias without the
    zero point: int8 (out height, out width, outputs)."""
    y, x = (
        _Axis(axis.in_size, axis.out_size, axis.taps, axis.stride, axis.pad, axis.dilation) for axis in axes
    )
    weights, image = np.ascontiguousarray(weights, np.int8), np.ascontiguousarray(image, np.int8)
    sums = weights.sum(axis=(1, 2, 3), dtype=np.int64)
    biases = [np.asarray(each, np.int32) for each in (bias, bias - zero_point * sums)]
    factors = np.stack([requantization.multipliers, requantization.shifts], axis=1).astype(np.int32)
    out = np.zeros((y.out_size, x.out_size, len(weights)), np.int8)
    output = (requantization.zero_point, requantization.minimum, requantization.maximum)
    arrays = (weights, *biases, factors)
    layer = _Conv(
        0, y, x, weights.shape[3], len(weights), zero_point, *output, *(each.ctypes.data for each in arrays)
    )
    pointers = (each.ctypes.data_as(ctypes.c_void_p) for each in (image, out))
    _library()(ctypes.byref(layer), *pointers)
    return out
