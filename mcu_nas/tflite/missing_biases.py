"""A bias of zeros for each layer that a .tflite file leaves without one.

Kernels fold the input's zero point into a bias, so that they need one in any case: it costs nothing, and
everything right of the reader knows one form of a layer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from mcu_nas.operators import Conv2D, DepthwiseConv2D, FullyConnected, TransposeConv
from mcu_nas.tflite.raw import RawModel, RawOperator, RawTensor
from mcu_nas.tflite.schema import CHANNEL_AXIS, DTYPE_CODES, KIND_BY_CODE

# Where activation and bias stand among the inputs of a layer; its weights are number 1.
_POSITIONS: Mapping[type, tuple[int, int]] = {
    Conv2D: (0, 2),
    DepthwiseConv2D: (0, 2),
    FullyConnected: (0, 2),
    TransposeConv: (2, 3),
}
_LEFT_OUT = -1  # what a file may have in the place of an optional tensor
_FLOAT32 = np.finfo(np.float32)


def with_biases(raw: RawModel) -> RawModel:
    """The model with a bias tensor, int32 zeros, for each layer whose bias is absent or left out.

    Operators that refer to tensors which do not exist stay as they are, for the reader to refuse.
    """
    tensors, operators = list(raw.tensors), []
    for operator in raw.operators:
        kind = KIND_BY_CODE[operator.code].op if operator.code in KIND_BY_CODE else type(None)
        source, bias = _POSITIONS.get(kind, (0, 0))
        if bias and _lacks_bias(operator, bias, len(raw.tensors)):
            given = operator.inputs[:bias]
            tensors.append(_zeros(raw, operator, given[source], CHANNEL_AXIS[kind]))
            operator = replace(operator, inputs=(*given, len(tensors) - 1))
        operators.append(operator)
    return replace(raw, tensors=tuple(tensors), operators=tuple(operators))


def _lacks_bias(operator: RawOperator, position: int, tensor_count: int) -> bool:
    given, rest = operator.inputs[:position], operator.inputs[position:]
    exist = all(0 <= tensor < tensor_count for tensor in (*given, *operator.outputs))
    return len(given) == position and rest in ((), (_LEFT_OUT,)) and bool(operator.outputs) and exist


def _zeros(raw: RawModel, operator: RawOperator, source: int, axis: int) -> RawTensor:
    """A bias with scale s_in * s_w (TFLite int8 specification)."""
    weights, activation = raw.tensors[operator.inputs[1]], raw.tensors[source]
    # Shapes are checked later; none makes this larger than the file's own weights.
    most = 0 if weights.data is None else len(weights.data)
    channels = weights.shape[axis] if len(weights.shape) > axis and 0 < weights.shape[axis] <= most else 1
    products = np.array([scale * s_in for scale in weights.scales for s_in in activation.scales[:1]])
    scales = tuple(products.clip(_FLOAT32.tiny, _FLOAT32.max).astype(np.float32).tolist())
    return RawTensor(
        name=f"{raw.tensors[operator.outputs[0]].name}.bias",
        shape=(channels,),
        shape_signature=(),
        type_code=DTYPE_CODES["int32"],
        data=np.zeros(4 * channels, np.uint8),
        scales=scales,
        zero_points=(0,) * len(scales),
        axis=0,
        odd_feature="",
    )
