"""Activation functions, and sums and products with each other and with constants."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from mcu_nas.network import shown
from mcu_nas.operators import (
    Add,
    HardSwish,
    LeakyRelu,
    Logistic,
    Mul,
    Op,
    Relu,
    Relu6,
    Softmax,
    Sub,
    Tanh,
)
from mcu_nas.quantize.torch_import.site import Site, Value

Builder = Callable[[Site], Any]


def unary(op: type[Relu | Relu6 | HardSwish | Logistic | Tanh]) -> Builder:
    """A function of each value that is one operator."""
    return lambda site: apply(site, site.value(_first(site)), op, "out")


def apply(site: Site, value: Value, op: Callable[..., Op], suffix: str) -> Value:
    """An operator of one input and unchanged shape."""
    result = site.append(lambda out: op((value.tensor,), (out,)), value.shape, suffix)
    return Value(result.tensor, value.shape, value.image)


def _first(site: Site) -> str:
    return next(iter(site.arguments))


def clamp(site: Site) -> Value:
    """clamp and hardtanh, where they are RELU or RELU6."""
    low, high = (
        site.arguments.get(new, site.arguments.get(old))
        for new, old in (("min", "min_val"), ("max", "max_val"))
    )
    if low != 0 or high not in (None, 6, math.inf):
        raise site.unsupported(f"it clamps to {low} and {high}: 0 and 6, or 0 alone, are supported")
    return apply(site, site.value("self"), Relu6 if high == 6 else Relu, "out")


def leaky_relu(site: Site) -> Value:
    """leaky_relu."""
    slope = float(site.arguments["negative_slope"])
    return apply(site, site.value("self"), lambda i, o: LeakyRelu(i, o, slope), "out")


def prelu(site: Site) -> Value:
    """prelu whose channels share one slope."""
    slopes = site.constant("weight")
    assert slopes is not None
    if np.ptp(slopes) > 0:
        raise site.unsupported("its channels have slopes of their own")
    slope = float(slopes.flat[0])
    return apply(site, site.value("self"), lambda i, o: LeakyRelu(i, o, slope), "out")


def silu(site: Site) -> Value:
    """x * sigmoid(x)."""
    source = site.value("self")
    return _binary(site, source, apply(site, source, Logistic, "sigmoid"), Mul, "out")


def hardsigmoid(site: Site) -> Value:
    """relu6(x + 3) / 6."""
    source = site.value("self")
    raised = with_constant(site, source, Add, np.array([3.0]), "raised")
    return with_constant(site, apply(site, raised, Relu6, "clamped"), Mul, np.array([1 / 6]), "out")


def softmax(site: Site) -> Value:
    """softmax over the values of a row."""
    source = site.value("self")
    if len(source.shape) != 1:
        raise site.unsupported(f"it takes {shown(source.shape)} values; a row is supported")
    if site.arguments["dim"] not in (1, -1):
        raise site.unsupported("it works along the batch: give dim=1")
    return apply(site, site.in_torch_order(source), Softmax, "out")


def add(site: Site) -> Value:
    """add, of two activations or an activation and a constant a channel."""
    return _sum(site, site.arguments["self"], site.arguments["other"], float(site.arguments["alpha"]))


def subtract(site: Site) -> Value:
    """sub."""
    first, second = site.arguments["self"], site.arguments["other"]
    if isinstance(first, Value) and isinstance(second, Value) and site.arguments["alpha"] == 1:
        return _binary(site, first, second, Sub, "out")
    return _sum(site, first, second, -float(site.arguments["alpha"]))


def reverse_subtract(site: Site) -> Value:
    """rsub: other - self."""
    return _sum(site, site.arguments["other"], site.arguments["self"], -float(site.arguments["alpha"]))


def _sum(site: Site, first: Any, second: Any, factor: float) -> Value:
    """first + factor * second, either of which may be constant."""
    if isinstance(second, Value):
        if factor != 1:
            second = with_constant(site, second, Mul, np.array([factor]), "scaled")
        if isinstance(first, Value):
            return _binary(site, first, second, Add, "out")
        return with_constant(site, second, Add, np.asarray(first, np.float64), "out")
    return with_constant(site, first, Add, factor * np.asarray(second, np.float64), "out")


def multiply(site: Site) -> Value:
    """mul, of two activations or an activation and a constant a channel."""
    first, second = site.arguments["self"], site.arguments["other"]
    if isinstance(first, Value) and isinstance(second, Value):
        return _binary(site, first, second, Mul, "out")
    value, constant = (first, second) if isinstance(first, Value) else (second, first)
    return with_constant(site, value, Mul, np.asarray(constant, np.float64), "out")


def divide(site: Site) -> Value:
    """div by a constant."""
    divisor = site.constant("other")
    if divisor is None or not np.all(divisor) or site.arguments.get("rounding_mode") is not None:
        raise site.unsupported("it divides by 0, or rounds")
    return with_constant(site, site.value("self"), Mul, 1.0 / divisor, "out")


def negate(site: Site) -> Value:
    """neg."""
    return with_constant(site, site.value("self"), Mul, np.array([-1.0]), "out")


def power(site: Site) -> Value:
    """pow with exponent 2, and square."""
    if site.arguments.get("exponent", 2) != 2:
        raise site.unsupported(f"its exponent is {site.arguments['exponent']}; 2 is supported")
    source = site.value("self")
    return _binary(site, source, source, Mul, "out")


def scaled_and_shifted(site: Site, value: Value, scale: np.ndarray, shift: np.ndarray) -> Value:
    """value * scale + shift, both (C,)."""
    scaled = with_constant(site, value, Mul, _along_channels(scale, value), "scaled")
    return with_constant(site, scaled, Add, _along_channels(shift, value), "out")


def _along_channels(values: np.ndarray, value: Value) -> np.ndarray:
    return values.reshape(-1, *(1,) * (len(value.shape) - 1))


def with_constant(site: Site, value: Value, op: type[Add | Mul], constant: np.ndarray, suffix: str) -> Value:
    """A sum or product with a constant of torch's shape: one number, or one a channel."""
    try:
        whole = np.broadcast_to(constant, (1, *value.shape))
    except ValueError:
        raise site.unsupported(
            f"its constant of {shown(constant.shape)} values is larger than the image"
        ) from None
    per_channel = whole[0].reshape(value.shape[0], -1)[:, 0]
    if not np.array_equal(whole, np.broadcast_to(_along_channels(per_channel, value), whole.shape)):
        raise site.unsupported("its constant differs from pixel to pixel; one value a channel is supported")
    if value.image:
        per_channel = per_channel.reshape(value.image).transpose(1, 2, 0).ravel()
    if op is Add and not per_channel.any():
        return value
    numbers = site.build.weights(f"{site.name}.{suffix}.constant", per_channel)
    return apply(site, value, lambda i, o: op((*i, numbers), o), suffix)


def _binary(site: Site, first: Value, second: Value, op: type[Add | Sub | Mul], suffix: str) -> Value:
    """An operator of two activations, one of which may be one pixel large, or one channel deep."""
    if first.image != second.image:
        first, second = site.in_torch_order(first), site.in_torch_order(second)
    if len(first.shape) != len(second.shape):
        raise site.unsupported(f"it combines {shown(first.shape)} and {shown(second.shape)} values")
    shape = tuple(np.broadcast_shapes(first.shape, second.shape))
    result = site.append(lambda out: op((first.tensor, second.tensor), (out,)), shape, suffix)
    return Value(result.tensor, shape, first.image)
