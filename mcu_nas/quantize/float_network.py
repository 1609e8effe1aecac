"""A trained network before quantization: the operators of its int8 Graph, with float weights.

What comes from a supernet, from a PyTorch module or from a float .tflite meets here; calibration and
quantization know nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from mcu_nas.network import Network, Tensor
from mcu_nas.operators import Op


@dataclass(frozen=True)
class FloatNetwork:
    """``network`` as its Graph will have it (int8 activations and weights, int32 biases, NHWC, batch 1) and
    the values of its constants in TFLite's layouts: float32 where they will be quantized, else int32.

    An ADD, SUB or MUL may have a float constant as its second input, (C,) or (1,): folding.py takes it away.
    The input's value is pixel / 255 * ``white``.
    """

    network: Network
    constants: Mapping[int, np.ndarray] = field(repr=False)
    white: float = 1.0


class FloatNetworkBuilder:
    """Lays out a FloatNetwork operator by operator."""

    def __init__(self) -> None:
        self._tensors: list[Tensor] = []
        self._ops: list[Op] = []
        self._constants: dict[int, np.ndarray] = {}

    def activation(self, name: str, shape: tuple[int, ...]) -> int:
        """A new activation's number."""
        self._tensors.append(Tensor(name, shape))
        return len(self._tensors) - 1

    def weights(self, name: str, values: np.ndarray) -> int:
        """The number of a constant that becomes int8."""
        return self._constant(name, values.astype(np.float32), "int8")

    def bias(self, name: str, values: np.ndarray) -> int:
        """The number of a constant that becomes int32 at the scale of input times weights."""
        return self._constant(name, values.astype(np.float32), "int32")

    def integers(self, name: str, values: Sequence[int] | Sequence[Sequence[int]]) -> int:
        """The number of an int32 constant: axes, shapes, amounts."""
        return self._constant(name, np.asarray(values, np.int32), "int32")

    def append(self, op: Callable[[int], Op], name: str, shape: tuple[int, ...]) -> int:
        """Appends the operator made from its output's number, which is returned."""
        output = self.activation(name, shape)
        self._ops.append(op(output))
        return output

    def shape(self, tensor: int) -> tuple[int, ...]:
        """Shape of a tensor laid out so far."""
        return self._tensors[tensor].shape

    def written_by(self, tensor: int, *kinds: type[Op]) -> bool:
        """Whether an operator of one of these kinds writes a tensor."""
        return any(isinstance(op, kinds) for op in self._ops if tensor in op.outputs)

    def build(self, source: int, output: int, white: float) -> FloatNetwork:
        """The finished network from one input to one output."""
        network = Network(
            tuple(self._tensors), tuple(self._ops), (source,), (output,), frozenset(self._constants)
        )
        return FloatNetwork(network, dict(self._constants), white)

    def _constant(self, name: str, values: np.ndarray, dtype: str) -> int:
        self._tensors.append(Tensor(name, values.shape, dtype))
        self._constants[len(self._tensors) - 1] = values
        return len(self._tensors) - 1
