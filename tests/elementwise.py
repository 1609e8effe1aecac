"""Operators that work element by element, for GraphMaker: functions of one variable and binary operators."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

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
