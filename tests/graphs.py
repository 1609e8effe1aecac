"""Random small int8 graphs, and equality of graphs, for tests that need any model, not a real one."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from mcu_nas.graph import PROBABILITIES, Graph, Quantization
from mcu_nas.network import Network, Tensor, output_size
from mcu_nas.operators import (
    Activation,
    Add,
    AveragePool2D,
    Conv2D,
    DepthwiseConv2D,
    FullyConnected,
    MaxPool2D,
    Mean,
    Op,
    Padding,
    Reshape,
    Softmax,
)


class GraphMaker:
    """Appends operators with random constants; scales are such that outputs use the int8 range."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self.tensors: list[Tensor] = []
        self.ops: list[Op] = []
        self.constants: dict[int, np.ndarray] = {}
        self.quantization: dict[int, Quantization] = {}

    def activation(self, name: str, shape: tuple[int, ...], like: int | None = None) -> int:
        """A new activation, with the quantization of ``like`` or a random one."""
        self.tensors.append(Tensor(name, shape))
        index = len(self.tensors) - 1
        if like is None:
            scale = float(np.float32(2.0 ** self._rng.uniform(-7, -3)))
            self.quantization[index] = Quantization((scale,), (int(self._rng.integers(-128, 128)),))
        else:
            self.quantization[index] = self.quantization[like]
        return index

    def conv(
        self,
        x: int,
        channels: int,
        kernel: tuple[int, int],
        stride: tuple[int, int] = (1, 1),
        padding: Padding = Padding.SAME,
        activation: Activation = Activation.NONE,
        dilation: tuple[int, int] = (1, 1),
    ) -> int:
        """A convolution with per-channel weights."""
        size = self._window_size(x, kernel, stride, padding, dilation)
        weights = (channels, *kernel, self.tensors[x].shape[3])
        out, constants = self.layer(x, weights, 0, (1, *size, channels))
        self.ops.append(Conv2D((x, *constants), (out,), stride, padding, activation, dilation))
        return out

    def depthwise(
        self,
        x: int,
        multiplier: int,
        kernel: tuple[int, int],
        stride: tuple[int, int] = (1, 1),
        padding: Padding = Padding.SAME,
        activation: Activation = Activation.NONE,
        dilation: tuple[int, int] = (1, 1),
    ) -> int:
        """A depthwise convolution with per-channel weights."""
        size = self._window_size(x, kernel, stride, padding, dilation)
        channels = self.tensors[x].shape[3] * multiplier
        out, constants = self.layer(x, (1, *kernel, channels), 3, (1, *size, channels))
        self.ops.append(DepthwiseConv2D((x, *constants), (out,), stride, padding, activation, dilation))
        return out

    def fully_connected(self, x: int, features: int, per_channel: bool = False) -> int:
        """A fully connected layer."""
        taken = int(np.prod(self.tensors[x].shape))
        out, constants = self.layer(x, (features, taken), 0, (1, features), per_channel)
        self.ops.append(FullyConnected((x, *constants), (out,)))
        return out

    def add(self, a: int, b: int, activation: Activation = Activation.NONE) -> int:
        """The sum of two activations."""
        out = self.activation(f"add{len(self.ops)}", self.tensors[a].shape)
        self.ops.append(Add((a, b), (out,), activation))
        return out

    def mean(self, x: int, keep_dims: bool = False) -> int:
        """The mean over height and width."""
        axes = self.constant("axes", np.array([1, 2], np.int32))
        channels = self.tensors[x].shape[3]
        out = self.activation(f"mean{len(self.ops)}", (1, 1, 1, channels) if keep_dims else (1, channels))
        self.ops.append(Mean((x, axes), (out,), keep_dims))
        return out

    def pool(
        self,
        x: int,
        window: tuple[int, int],
        stride: tuple[int, int] = (1, 1),
        padding: Padding = Padding.VALID,
        activation: Activation = Activation.NONE,
        kind: type[AveragePool2D] | type[MaxPool2D] = AveragePool2D,
    ) -> int:
        """Average pooling, or the other ``kind``."""
        size = self._window_size(x, window, stride, padding, (1, 1))
        shape = (1, *size, self.tensors[x].shape[3])
        out = self.activation(f"pool{len(self.ops)}", shape, like=x)
        self.ops.append(kind((x,), (out,), window, stride, padding, activation))
        return out

    def reshape(self, x: int, shape: tuple[int, ...], stated: bool = True) -> int:
        """The same values under another shape, ``stated`` in a constant (batch as -1) or in the attribute."""
        out = self.activation(f"reshape{len(self.ops)}", shape, like=x)
        states = (self.constant("shape", np.array([-1, *shape[1:]], np.int32)),) if stated else ()
        self.ops.append(Reshape((x, *states), (out,)))
        return out

    def softmax(self, x: int) -> int:
        """The softmax of a row."""
        out = self.activation(f"softmax{len(self.ops)}", self.tensors[x].shape)
        self.quantization[out] = PROBABILITIES
        self.ops.append(Softmax((x,), (out,)))
        return out

    def graph(self, inputs: tuple[int, ...], outputs: tuple[int, ...], labels: tuple[str, ...] = ()) -> Graph:
        """The finished graph."""
        network = Network(tuple(self.tensors), tuple(self.ops), inputs, outputs, frozenset(self.constants))
        return Graph(network, self.constants, self.quantization, labels)

    def constant(self, role: str, values: np.ndarray) -> int:
        """A new constant tensor."""
        self.tensors.append(Tensor(f"op{len(self.ops)}.{role}", values.shape, str(values.dtype)))
        self.constants[len(self.tensors) - 1] = values
        return len(self.tensors) - 1

    def layer(
        self, x: int, shape: tuple[int, ...], axis: int, output: tuple[int, ...], per_channel: bool = True
    ) -> tuple[int, tuple[int, int]]:
        """A layer's output, and its weights of ``shape`` (output channels along ``axis``) and bias."""
        channels = shape[axis]
        weights = self.constant("weights", self._rng.integers(-127, 128, shape, dtype=np.int8))
        bias = self.constant("bias", self._rng.integers(-2000, 2000, channels, dtype=np.int32))
        out = self.activation(f"out{len(self.ops)}", output)
        # Random weights give sums of about 74² * sqrt(taps); 60 of 127 steps is a healthy spread.
        taps = int(np.prod(shape)) // channels
        scale_in = self.quantization[x].scale
        gain = 60 / (74.0**2 * np.sqrt(taps)) * self.quantization[out].scale / scale_in
        spread = self._rng.uniform(0.5, 1.5, channels if per_channel else 1)
        scales = (gain * spread).astype(np.float32)
        zeros = (0,) * len(scales)
        self.quantization[weights] = Quantization(tuple(scales.tolist()), zeros, axis)
        bias_scales = np.float32(scale_in) * scales
        self.quantization[bias] = Quantization(tuple(bias_scales.tolist()), zeros)
        return out, (weights, bias)

    def _window_size(
        self,
        x: int,
        kernel: tuple[int, int],
        stride: tuple[int, int],
        padding: Padding,
        dilation: tuple[int, int],
    ) -> tuple[int, ...]:
        sides = zip(self.tensors[x].shape[1:3], kernel, stride, dilation, strict=True)
        return tuple(output_size(padding, *side) for side in sides)


_PAIRS = st.tuples(st.integers(1, 3), st.integers(1, 3))
_LABELS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)


@st.composite
def graphs(draw: st.DrawFn, branched: bool = True, max_ops: int = 6) -> Graph:
    """A random graph of up to ``max_ops`` operators on an image; residual ADDs where ``branched``."""
    maker = GraphMaker(draw(st.integers(0, 2**32 - 1)))
    shape = (1, draw(st.integers(1, 9)), draw(st.integers(1, 9)), draw(st.integers(1, 5)))
    x = source = maker.activation("pixels", shape)
    for _ in range(draw(st.integers(1, max_ops))):
        x = _append(draw, maker, x, branched)
        if len(maker.tensors[x].shape) == 2:
            if draw(st.booleans()):
                x = maker.softmax(x)
            break
    labels = ()
    if draw(st.booleans()):
        classes = maker.tensors[x].shape[-1]
        labels = tuple(draw(st.lists(_LABELS, min_size=classes, max_size=classes)))
    return maker.graph((source,), (x,), labels)


def _append(draw: st.DrawFn, maker: GraphMaker, x: int, branched: bool) -> int:
    """One more operator after ``x``; its output."""
    height, width = maker.tensors[x].shape[1:3]
    written = [t for op in maker.ops for t in (op.inputs[0], op.outputs[0])]
    partners = [t for t in written if maker.tensors[t].shape == maker.tensors[x].shape]
    kinds = ["conv", "pointwise", "depthwise", "pool", "mean", "fully_connected", "reshape"]
    kind = draw(st.sampled_from(kinds + ["add"] * (branched and bool(partners)) * 3))
    activation = draw(st.sampled_from(Activation))
    stride = draw(_PAIRS)
    match kind:
        case "add":
            return maker.add(x, draw(st.sampled_from(partners)), activation)
        case "reshape":
            channels = maker.tensors[x].shape[3]
            shapes = [
                (1, height * width * channels),
                (1, width, height, channels),
                (1, 1, 1, height * width * channels),
            ]
            return maker.reshape(x, draw(st.sampled_from(shapes)), draw(st.booleans()))
        case "mean":
            return maker.mean(x, draw(st.booleans()))
        case "fully_connected":
            return maker.fully_connected(x, draw(st.integers(1, 9)), draw(st.booleans()))
        case "pointwise":
            return maker.conv(x, draw(st.integers(1, 9)), (1, 1), activation=activation)
    padding = draw(st.sampled_from(Padding))
    kernel = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    if padding is Padding.VALID:
        kernel = (min(kernel[0], height), min(kernel[1], width))
    if kind == "pool":
        pool = draw(st.sampled_from([AveragePool2D, MaxPool2D]))
        return maker.pool(x, kernel, stride, padding, activation, pool)
    dilation = draw(_PAIRS) if padding is Padding.SAME and stride == (1, 1) else (1, 1)
    if kind == "conv":
        return maker.conv(x, draw(st.integers(1, 9)), kernel, stride, padding, activation, dilation)
    multiplier = draw(st.integers(1, 2))
    return maker.depthwise(x, multiplier, kernel, stride, padding, activation, dilation)


def assert_same_graph(got: Graph, expected: Graph) -> None:
    """Networks, constants with their dtypes, quantization and labels are equal."""
    assert got.network == expected.network
    assert got.labels == expected.labels
    assert dict(got.quantization) == dict(expected.quantization)
    assert got.constants.keys() == expected.constants.keys()
    for tensor, values in expected.constants.items():
        assert got.constants[tensor].dtype == values.dtype
        np.testing.assert_array_equal(got.constants[tensor], values)
