"""An operator record of a .tflite file to an operator of network.py: counts of tensors, attributes."""

from __future__ import annotations

from typing import Any

from mcu_nas.operators import (
    Activation,
    Add,
    AveragePool2D,
    Conv2D,
    DepthwiseConv2D,
    FullyConnected,
    HardSwish,
    LeakyRelu,
    Logistic,
    MaxPool2D,
    Mean,
    Mul,
    Op,
    Padding,
    Quantize,
    Relu,
    Relu6,
    Reshape,
    Softmax,
    Sub,
    Tanh,
    TransposeConv,
)
from mcu_nas.tflite.faults import Place
from mcu_nas.tflite.movement import MOVEMENT, read_movement
from mcu_nas.tflite.raw import RawModel, RawOperator
from mcu_nas.tflite.schema import ACTIVATION_CODES, ACTIVATION_NAMES, KIND_BY_CODE, PADDING_CODES

_INPUT_COUNTS: dict[type, tuple[int, ...]] = {
    Conv2D: (3,),
    DepthwiseConv2D: (3,),
    FullyConnected: (3,),
    TransposeConv: (4,),
    Add: (2,),
    Sub: (2,),
    Mul: (2,),
    Relu: (1,),
    Relu6: (1,),
    LeakyRelu: (1,),
    HardSwish: (1,),
    Logistic: (1,),
    Tanh: (1,),
    Quantize: (1,),
    Mean: (2,),
    AveragePool2D: (1,),
    MaxPool2D: (1,),
    Reshape: (1, 2),
    Softmax: (1,),
}
_WITHOUT_ATTRIBUTES: tuple[type[Op], ...] = (Relu, Relu6, HardSwish, Logistic, Tanh, Quantize)
_MAX_STEP = 4096  # strides, dilations, windows; images are limited to the same (checks/check.py)


def read_operators(raw: RawOperator, place: Place, model: RawModel) -> tuple[Op, ...]:
    """What an operator of ``model`` becomes, its tensors still numbered as in the file: several operators
    where it has several outputs. What operators of movement.py say of shapes is checked, others' is later.

    Raises:
        ModelError: a wrong number of tensors, or attributes that are missing or out of range.
        UnsupportedError: an attribute's value that this version cannot compile.
    """
    return read_movement(raw, place, model) if raw.code in MOVEMENT else (read_operator(raw, place),)


def read_operator(raw: RawOperator, place: Place) -> Op:
    """The operator, its tensors still numbered as in the file. Shapes are checked later.

    Raises:
        ModelError: a wrong number of tensors, or attributes that are missing or out of range.
        UnsupportedError: an attribute's value that this version cannot compile.
    """
    kind = KIND_BY_CODE[raw.code].op
    inputs, outputs, options = raw.inputs, raw.outputs, raw.options
    if len(inputs) not in _INPUT_COUNTS[kind] or len(outputs) != 1:
        expected = " or ".join(map(str, _INPUT_COUNTS[kind]))
        counts = f"{len(inputs)} inputs and {len(outputs)} outputs, not {expected} and 1"
        raise place.unsupported(f"has {counts}")
    if kind is Reshape:  # the output's shape says it all; what attribute or constant say is redundant
        return Reshape(inputs, outputs)
    if kind in _WITHOUT_ATTRIBUTES:
        return kind(inputs, outputs)
    if options is None:
        raise place.error("its attributes are missing or belong to another operator")
    if kind is Conv2D or kind is DepthwiseConv2D:
        window_op = Conv2D if kind is Conv2D else DepthwiseConv2D
        return window_op(
            inputs,
            outputs,
            _pair(options.strideH, options.strideW, "stride", place),
            _padding(options, place),
            _activation(options, place),
            _pair(options.dilationHFactor, options.dilationWFactor, "dilation", place),
        )
    if kind is FullyConnected:
        if options.weightsFormat != 0:
            raise place.unsupported("has shuffled weights")
        return FullyConnected(inputs, outputs, _activation(options, place), bool(options.keepNumDims))
    if kind is TransposeConv:
        stride = _pair(options.strideH, options.strideW, "stride", place)
        return TransposeConv(inputs, outputs, stride, _padding(options, place), _activation(options, place))
    if kind is Add or kind is Sub or kind is Mul:
        return kind(inputs, outputs, _activation(options, place))
    if kind is LeakyRelu:
        if not 0 <= options.alpha < float("inf"):
            raise place.unsupported(f"has alpha {options.alpha:g}")
        return LeakyRelu(inputs, outputs, options.alpha)
    if kind is Mean:
        return Mean(inputs, outputs, bool(options.keepDims))
    if kind is Softmax:
        if options.beta != 1.0:
            raise place.unsupported(f"has beta {options.beta:g}, not 1")
        return Softmax(inputs, outputs)
    pool = MaxPool2D if kind is MaxPool2D else AveragePool2D
    return pool(
        inputs,
        outputs,
        _pair(options.filterHeight, options.filterWidth, "window", place),
        _pair(options.strideH, options.strideW, "stride", place),
        _padding(options, place),
        _activation(options, place),
    )


def _pair(vertical: int, horizontal: int, what: str, place: Place) -> tuple[int, int]:
    if not (1 <= vertical <= _MAX_STEP and 1 <= horizontal <= _MAX_STEP):
        raise place.error(f"has a {what} of {vertical}×{horizontal}")
    return vertical, horizontal


def _padding(options: Any, place: Place) -> Padding:
    for padding, code in PADDING_CODES.items():
        if options.padding == code:
            return padding
    raise place.error(f"has padding number {options.padding}")


def _activation(options: Any, place: Place) -> Activation:
    code = options.fusedActivationFunction
    for activation, known in ACTIVATION_CODES.items():
        if code == known:
            return activation
    raise place.unsupported(f"has fused activation {ACTIVATION_NAMES.get(code, f'number {code}')}")
