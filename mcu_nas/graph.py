"""Graph: a Network with its constants and quantization, which is what an int8 .tflite holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from mcu_nas.network import Network
from mcu_nas.operators import Mean


@dataclass(frozen=True, slots=True)
class Quantization:
    """real = scale * (q - zero_point); per tensor (one scale) or per output channel along ``axis``.

    Scales are float32 values as the file holds them, kept in Python floats. TFLite int8 specification:
    activations per tensor, weights symmetric (zero point 0) per channel, bias int32 with s_in * s_w.
    """

    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    axis: int = 0

    @property
    def scale(self) -> float:
        """The only scale of a per-tensor quantization."""
        (scale,) = self.scales
        return scale

    @property
    def zero_point(self) -> int:
        """The only zero point of a per-tensor quantization."""
        (zero_point,) = self.zero_points
        return zero_point


# Pixels 0 to 255 go in as they are, int8 = pixel - 128, and mean pixel / 255.
PIXELS = Quantization((float(np.float32(1 / 255)),), (-128,))

# What SOFTMAX and LOGISTIC give, and what TANH gives, always (TFLite int8 specification).
PROBABILITIES = Quantization((1 / 256,), (-128,))
SIGNED_UNIT = Quantization((1 / 128,), (0,))


def holds_pixels(quantization: Quantization) -> bool:
    """Whether int8 = pixel - 128, and the real value is pixel / 255 or the pixel itself."""
    known = (abs(quantization.scale / of_pixels - 1) < 1e-6 for of_pixels in (PIXELS.scale, 1.0))
    return any(known) and quantization.zero_point == PIXELS.zero_point


@dataclass(frozen=True)
class ImageInput:
    """What the pixels of the first input are, for those who feed it: ``channel_order`` is grey or RGB,
    ``preparation`` tells how the images were made that the model was trained on.
    """

    channel_order: str
    preparation: str


@dataclass(frozen=True)
class Graph:
    """A network, the value of each constant tensor by id, and the quantization of each quantized tensor.

    ``uint8_inputs`` and ``uint8_outputs``, by position: who uses the model sends and expects the int8 value
    plus 128 there, i.e. the byte XOR 0x80.
    """

    network: Network
    constants: Mapping[int, np.ndarray] = field(repr=False)
    quantization: Mapping[int, Quantization] = field(repr=False)
    labels: tuple[str, ...] = ()
    uint8_inputs: frozenset[int] = frozenset()
    uint8_outputs: frozenset[int] = frozenset()
    image_input: ImageInput | None = None


def mean_axes(graph: Graph, op: Mean) -> tuple[int, ...]:
    """The axes that a MEAN averages over, counted from the front, each once, in order."""
    rank = len(graph.network.shape(op.inputs[0]))
    return tuple(sorted({axis % rank for axis in graph.constants[op.inputs[1]].reshape(-1).tolist()}))
