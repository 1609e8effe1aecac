"""Operators that work element by element, for GraphMaker: functions of one variable and binary operators."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import strategies as st

from mcu_nas.graph import PROBABILITIES, SIGNED_UNIT, Graph, Quantization
from mcu_nas.operators import (
    Activation,
    Add,
    Elementwise,
    HardSwish,
    LeakyRelu,
    Logistic,
    Mul,
    Quantize,
    Relu,
    Relu6,
    Sub,
    Tanh,
)
from tests.graphs import GraphMaker

UNARY: tuple[type[Elementwise], ...] = (Relu, Relu6, LeakyRelu, HardSwish, Logistic, Tanh, Quantize)
BINARY: tuple[type[Add] | type[Sub] | type[Mul], ...] = (Add, Sub, Mul)
FIXED_OUTPUT = {Logistic: PROBABILITIES, Tanh: SIGNED_UNIT}


def quantized(scale: float, zero_point: int) -> Quantization:
    """A quantization whose scale is a float32."""
    return Quantization((float(np.float32(scale)),), (zero_point,))


def unary(
    maker: GraphMaker, kind: type[Elementwise], x: int, output: Quantization | None = None, alpha: float = 0.1
) -> int:
    """A function of one variable; ``output`` is its quantization, like the input's where it is None."""
    out = maker.activation(f"out{len(maker.ops)}", maker.tensors[x].shape, like=x)
    maker.quantization[out] = FIXED_OUTPUT.get(kind, output or maker.quantization[x])
    op = kind((x,), (out,))
    maker.ops.append(replace(op, alpha=float(np.float32(alpha))) if isinstance(op, LeakyRelu) else op)
    return out


def binary(
    maker: GraphMaker,
    kind: type[Add] | type[Sub] | type[Mul],
    a: int,
    b: int,
    activation: Activation = Activation.NONE,
) -> int:
    """A binary operator; operands of different shapes broadcast."""
    shape = np.broadcast_shapes(maker.tensors[a].shape, maker.tensors[b].shape)
    out = maker.activation(f"out{len(maker.ops)}", shape)
    maker.ops.append(kind((a, b), (out,), activation))
    return out


def constant(maker: GraphMaker, values: np.ndarray, quantization: Quantization) -> int:
    """An int8 constant with a quantization, for an operand."""
    tensor = maker.constant("operand", values.astype(np.int8))
    maker.quantization[tensor] = quantization
    return tensor


def function_of_every_input(
    kind: type[Elementwise], source: Quantization, output: Quantization, alpha: float = 0.1
) -> Graph:
    """One function of one variable on 256 values."""
    maker = GraphMaker(0)
    x = maker.activation("x", (1, 256))
    maker.quantization[x] = source
    return maker.graph((x,), (unary(maker, kind, x, output, alpha),))


@st.composite
def chains(draw: st.DrawFn) -> Graph:
    """An image through convolutions and operators of one or two operands; rows and older images take part."""
    maker = GraphMaker(draw(st.integers(0, 2**32 - 1)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = (1, draw(st.integers(1, 6)), draw(st.integers(1, 6)), draw(st.integers(1, 5)))
    x = source = maker.activation("pixels", shape)
    images = [x]
    for _ in range(draw(st.integers(2, 6))):
        match draw(st.sampled_from(["conv", "unary", "image", "row", "constant"])):
            case "conv":
                x = maker.conv(x, shape[3], (3, 3))
            case "unary":
                kind = draw(st.sampled_from(UNARY))
                scale = maker.quantization[x].scale * 2.0 ** draw(st.floats(-1, 2))
                same = kind is Relu6
                output = None if same else quantized(scale, draw(st.integers(-128, 127)))
                x = unary(maker, kind, x, output)
            case "image":
                x = _either_way(draw, maker, x, draw(st.sampled_from(images)))
            case "row":
                x = _either_way(draw, maker, x, maker.mean(x, keep_dims=draw(st.booleans())))
            case _:
                size = draw(st.sampled_from([(), shape[3:], shape]))
                operand = constant(maker, rng.integers(-128, 128, size), quantized(0.03, 5))
                x = _either_way(draw, maker, x, operand)
        images.append(x)
    return maker.graph((source,), (x,))


def _either_way(draw: st.DrawFn, maker: GraphMaker, a: int, b: int) -> int:
    """A binary operator on two operands in one order or the other, its result within int8."""
    first, second = draw(st.permutations([a, b]))
    kind = draw(st.sampled_from(BINARY))
    out = binary(maker, kind, first, second, draw(st.sampled_from(Activation)))
    scales = maker.quantization[a].scale, maker.quantization[b].scale
    scale = scales[0] * scales[1] * 100 if kind is Mul else sum(scales)
    maker.quantization[out] = quantized(scale, draw(st.integers(-128, 127)))
    return out
