"""Which ATen function becomes what: the one table of the PyTorch import."""

from __future__ import annotations

from collections.abc import Mapping

from mcu_nas.operators import HardSwish, Logistic, Relu, Relu6, Tanh
from mcu_nas.quantize.torch_import import elementwise, movement, pooling, weighted
from mcu_nas.quantize.torch_import.elementwise import Builder, unary

BUILDERS: Mapping[str, Builder] = {
    "conv2d": weighted.convolution,
    "conv_transpose2d": weighted.transposed_convolution,
    "linear": weighted.linear,
    "batch_norm": weighted.batch_norm,
    "_native_batch_norm_legit_no_training": weighted.batch_norm,
    "relu": unary(Relu),
    "relu6": unary(Relu6),
    "hardswish": unary(HardSwish),
    "sigmoid": unary(Logistic),
    "tanh": unary(Tanh),
    "hardtanh": elementwise.clamp,
    "clamp": elementwise.clamp,
    "clamp_min": elementwise.clamp,
    "leaky_relu": elementwise.leaky_relu,
    "prelu": elementwise.prelu,
    "_prelu_kernel": elementwise.prelu,
    "silu": elementwise.silu,
    "hardsigmoid": elementwise.hardsigmoid,
    "softmax": elementwise.softmax,
    "_softmax": elementwise.softmax,
    "add": elementwise.add,
    "sub": elementwise.subtract,
    "rsub": elementwise.reverse_subtract,
    "mul": elementwise.multiply,
    "div": elementwise.divide,
    "neg": elementwise.negate,
    "pow": elementwise.power,
    "square": elementwise.power,
    "mean": pooling.mean,
    "adaptive_avg_pool2d": pooling.adaptive_average,
    "_adaptive_avg_pool2d": pooling.adaptive_average,
    "adaptive_max_pool2d": pooling.adaptive_max,
    "amax": pooling.largest,
    "max_pool2d": pooling.max_pool,
    "avg_pool2d": pooling.average_pool,
    "view": movement.view,
    "reshape": movement.view,
    "_unsafe_view": movement.view,
    "flatten": movement.view,
    "squeeze": movement.view,
    "unsqueeze": movement.view,
    "permute": movement.permute,
    "transpose": movement.permute,
    "cat": movement.concatenate,
    "slice": movement.part,
    "split": movement.split,
    "split_with_sizes": movement.split,
    "chunk": movement.split,
    "getitem": movement.item,
    "pad": movement.pad,
    "constant_pad_nd": movement.pad,
    "upsample_nearest2d": movement.enlarge,
    "expand": movement.expand,
    "to": movement.cast,
    "_to_copy": movement.cast,
    "clone": movement.unchanged,
    "contiguous": movement.unchanged,
    "dropout": movement.unchanged,
    "detach": movement.unchanged,
    "alias": movement.unchanged,
    "lift_fresh_copy": movement.unchanged,
}


def supported_functions() -> list[str]:
    """The functions of torch that can be quantized, by ATen's names, in alphabetical order."""
    return sorted(name for name in BUILDERS if not name.startswith("_") and name != "getitem")
