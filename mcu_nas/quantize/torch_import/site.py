"""What a builder of one ATen call has at hand: its arguments, the network so far, and both layouts.

A torch image (N, C, H, W) is the network's (1, H, W, C), a torch row (N, F) its (1, F). The values of a row
that was an image lie in the network's order until something needs torch's: ``Value.image`` remembers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mcu_nas.errors import UnsupportedError
from mcu_nas.network import shown
from mcu_nas.operators import Op, Pad, Reshape, Transpose
from mcu_nas.quantize.float_network import FloatNetworkBuilder
from mcu_nas.quantize.torch_import.trace import BATCH, Call

_TORCH_DIM_OF_AXIS = (0, 2, 3, 1)  # of an image: our axis 3 is torch's dimension 1
_AXIS_OF_TORCH_DIM = (0, 3, 1, 2)


@dataclass(frozen=True)
class Value:
    """An activation: its tensor, and torch's shape (C, H, W) or (F,), the batch left out.

    ``image``: the (C, H, W) that a row was flattened from, where its order is still the network's.
    """

    tensor: int
    shape: tuple[int, ...]
    image: tuple[int, int, int] | None = None


class Site:
    """One ATen call, about to become operators."""

    def __init__(self, call: Call, arguments: dict[str, Any], build: FloatNetworkBuilder, name: str) -> None:
        self.call = call
        self.arguments = arguments
        self.build = build
        self.name = name

    def unsupported(self, reason: str) -> UnsupportedError:
        """The call cannot be expressed, because of ``reason``."""
        return self.call.unsupported(reason)

    def part(self, name: str) -> Site:
        """The same call for a part of its operators, named after it."""
        return Site(self.call, self.arguments, self.build, f"{self.name}.{name}")

    @property
    def shape(self) -> tuple[int, ...]:
        """Torch's shape of the result, the batch left out."""
        if not self.call.shape or self.call.shape[0] != BATCH:
            raise self.unsupported("it mixes the images of a batch: keep dimension 0 as it is")
        return self.call.shape[1:]

    def value(self, argument: str) -> Value:
        """The activation given as an argument."""
        given = self.arguments[argument]
        if not isinstance(given, Value):
            raise self.unsupported(f"its {argument} is a constant")
        return given

    def image(self, argument: str) -> Value:
        """The activation given as an argument, which must be an image."""
        given = self.value(argument)
        if len(given.shape) != 3:
            raise self.unsupported(f"it takes {shown(given.shape)} values; images (C×H×W) are supported")
        return given

    def constant(self, argument: str) -> np.ndarray | None:
        """The constant given as an argument, float64, or None."""
        given = self.arguments[argument]
        if isinstance(given, Value):
            raise self.unsupported(f"its {argument} is computed from the image")
        return None if given is None else np.asarray(given, np.float64)

    def pair(self, argument: str) -> tuple[int, int]:
        """One or two whole numbers as (vertical, horizontal)."""
        given = self.arguments[argument]
        numbers = list(given) if isinstance(given, list | tuple) else [given]
        vertical, horizontal = numbers * 2 if len(numbers) == 1 else numbers
        return int(vertical), int(horizontal)

    def append(self, op: Callable[[int], Op], shape: tuple[int, ...], suffix: str = "out") -> Value:
        """An operator whose result has torch's shape ``shape``."""
        return Value(self.build.append(op, f"{self.name}.{suffix}", self.ours(shape)), shape)

    def ours(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Torch's shape without batch as the network's, with it."""
        if len(shape) == 3:
            return (1, shape[1], shape[2], shape[0])
        if len(shape) == 1:
            return (1, *shape)
        raise self.unsupported(f"it gives {shown(shape)} values; images (C×H×W) and rows (F) are supported")

    def axis(self, dimension: int, rank: int) -> int:
        """Torch's dimension, the batch counted, as the network's axis."""
        dimension %= rank
        if dimension == 0:
            raise self.unsupported("it works along the batch")
        return _AXIS_OF_TORCH_DIM[dimension] if rank == 4 else dimension

    def in_torch_order(self, value: Value) -> Value:
        """The row with its values in torch's order."""
        if value.image is None:
            return value
        channels, height, width = value.image
        image = self._reshaped(value.tensor, (1, height, width, channels), "image")
        return Value(self._reshaped(self._to_planes(image), (1, *value.shape), "row"), value.shape)

    def reshaped(self, value: Value, shape: tuple[int, ...]) -> Value:
        """The same values under another of torch's shapes."""
        if shape == value.shape:
            return value
        ours = self.ours(shape)
        if len(shape) == 1 and len(value.shape) == 3:
            image = value.shape if _order_differs(value.shape) else None
            return Value(self._reshaped(value.tensor, ours), shape, image)
        if len(value.shape) == 3:
            value = self.reshaped(value, (math.prod(shape),))
        if value.image == shape or (value.image is None and not _order_differs(shape)):
            return Value(self._reshaped(value.tensor, ours), shape)
        planes = self._reshaped(self.in_torch_order(value).tensor, (1, *shape), "planes")
        return self.append(self._permutation(planes, _TORCH_DIM_OF_AXIS), shape)

    def padded(self, image: Value, top: int, bottom: int, left: int, right: int) -> Value:
        """An image with zeros around it."""
        if not any((top, bottom, left, right)):
            return image
        amounts = ((0, 0), (top, bottom), (left, right), (0, 0))
        channels, height, width = image.shape
        shape = (channels, height + top + bottom, width + left + right)
        return self.append(lambda out: Pad((image.tensor,), (out,), amounts), shape, "padded")

    def permuted(self, image: Value, order: tuple[int, ...]) -> Value:
        """An image's dimensions (batch, C, H, W) in another order."""
        ours = tuple(_AXIS_OF_TORCH_DIM[order[dimension]] for dimension in _TORCH_DIM_OF_AXIS)
        shape = tuple((BATCH, *image.shape)[dimension] for dimension in order)[1:]
        return self.append(self._permutation(image.tensor, ours), shape)

    def _reshaped(self, tensor: int, shape: tuple[int, ...], suffix: str = "out") -> int:
        return self.build.append(lambda out: Reshape((tensor,), (out,)), f"{self.name}.{suffix}", shape)

    def _to_planes(self, image: int) -> int:
        _, height, width, channels = self.build.shape(image)
        permutation = self._permutation(image, _AXIS_OF_TORCH_DIM)
        return self.build.append(permutation, f"{self.name}.planes", (1, channels, height, width))

    @staticmethod
    def _permutation(tensor: int, order: tuple[int, ...]) -> Callable[[int], Op]:
        return lambda out: Transpose((tensor,), (out,), order)


def _order_differs(image: tuple[int, ...]) -> bool:
    """Whether an image's values (C, H, W) lie in another order in (H, W, C)."""
    channels, height, width = image
    return channels > 1 and height * width > 1
