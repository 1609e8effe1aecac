"""NetworkBuilder: lays out a Network layer by layer, naming tensors after layers."""

from __future__ import annotations

from collections.abc import Callable

from mcu_nas.network import Network, Tensor, output_size
from mcu_nas.operators import Activation, Add, Conv2D, DepthwiseConv2D, FullyConnected, Mean, Op, Padding


class NetworkBuilder:
    """Appends layers to a network; each method returns the id of its output tensor.

    The weights of layer ``stem`` are the tensor ``stem.weights``, its bias ``stem.bias``, its output
    ``stem.out``: by these names the supernet finds what belongs to a layer.
    """

    def __init__(self) -> None:
        self._tensors: list[Tensor] = []
        self._ops: list[Op] = []
        self._constants: set[int] = set()
        self._inputs: list[int] = []

    def input(self, name: str, shape: tuple[int, ...]) -> int:
        """A network input (1, H, W, C)."""
        self._inputs.append(self._tensor(name, shape))
        return self._inputs[-1]

    def conv(
        self, layer: str, x: int, channels: int, kernel: int, stride: int, activation: Activation
    ) -> int:
        """Convolution with SAME padding."""
        shape = self._tensors[x].shape
        weights = self.constant(f"{layer}.weights", (channels, kernel, kernel, shape[3]))
        bias = self.constant(f"{layer}.bias", (channels,), "int32")
        out = self._window_output(layer, shape, channels, kernel, stride)
        self._ops.append(Conv2D((x, weights, bias), (out,), (stride, stride), Padding.SAME, activation))
        return out

    def depthwise(self, layer: str, x: int, kernel: int, stride: int, activation: Activation) -> int:
        """Depthwise convolution with SAME padding."""
        shape = self._tensors[x].shape
        weights = self.constant(f"{layer}.weights", (1, kernel, kernel, shape[3]))
        bias = self.constant(f"{layer}.bias", (shape[3],), "int32")
        out = self._window_output(layer, shape, shape[3], kernel, stride)
        self._ops.append(
            DepthwiseConv2D((x, weights, bias), (out,), (stride, stride), Padding.SAME, activation)
        )
        return out

    def add(self, layer: str, a: int, b: int) -> int:
        """Sum of two activations of one shape."""
        out = self._tensor(f"{layer}.out", self._tensors[a].shape)
        self._ops.append(Add((a, b), (out,)))
        return out

    def mean(self, layer: str, x: int) -> int:
        """Mean over height and width."""
        axes = self.constant(f"{layer}.axes", (2,), "int32")
        out = self._tensor(f"{layer}.out", (1, self._tensors[x].shape[3]))
        self._ops.append(Mean((x, axes), (out,)))
        return out

    def fully_connected(self, layer: str, x: int, features: int) -> int:
        """Fully connected layer without activation."""
        weights = self.constant(f"{layer}.weights", (features, self._tensors[x].shape[1]))
        bias = self.constant(f"{layer}.bias", (features,), "int32")
        out = self._tensor(f"{layer}.out", (1, features))
        self._ops.append(FullyConnected((x, weights, bias), (out,)))
        return out

    def append(self, op: Callable[[int], Op], output: Tensor) -> int:
        """Any other operator, made from the id of its output."""
        out = self._tensor(output.name, output.shape, output.dtype)
        self._ops.append(op(out))
        return out

    def shape(self, tensor: int) -> tuple[int, ...]:
        """Shape of a tensor laid out so far."""
        return self._tensors[tensor].shape

    def build(self, output: int) -> Network:
        """The finished network."""
        return Network(
            tuple(self._tensors),
            tuple(self._ops),
            tuple(self._inputs),
            (output,),
            frozenset(self._constants),
        )

    def _tensor(self, name: str, shape: tuple[int, ...], dtype: str = "int8") -> int:
        self._tensors.append(Tensor(name, shape, dtype))
        return len(self._tensors) - 1

    def constant(self, name: str, shape: tuple[int, ...], dtype: str = "int8") -> int:
        """A tensor whose values come with the Graph."""
        self._constants.add(self._tensor(name, shape, dtype))
        return len(self._tensors) - 1

    def _window_output(
        self, layer: str, shape: tuple[int, ...], channels: int, kernel: int, stride: int
    ) -> int:
        height, width = (output_size(Padding.SAME, size, kernel, stride) for size in shape[1:3])
        return self._tensor(f"{layer}.out", (1, height, width, channels))
