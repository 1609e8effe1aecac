"""A float .tflite file as a FloatNetwork, so that our own quantizer makes it int8, without TensorFlow.

TensorFlow's converter starts from Keras and SavedModels alone; people have float .tflite files, too. The
operators are those that the int8 reader knows. Nothing in the file is trusted: what contradicts itself
shows when the network runs on a black image, operator by operator, against the shapes that the file states.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch

from mcu_nas.errors import ModelError, UnsupportedError
from mcu_nas.network import Network, Tensor
from mcu_nas.operators import (
    Add,
    Conv2D,
    DepthwiseConv2D,
    FullyConnected,
    Mean,
    Mul,
    Op,
    Reshape,
    Sub,
    TransposeConv,
    Weighted,
    layer_inputs,
)
from mcu_nas.quantize.execution import execute
from mcu_nas.quantize.float_network import FloatNetwork
from mcu_nas.quantize.folding import fold
from mcu_nas.tflite.faults import Place
from mcu_nas.tflite.movement import MOVEMENT, read_movement
from mcu_nas.tflite.operators import read_operator
from mcu_nas.tflite.raw import RawModel, RawOperator, decode
from mcu_nas.tflite.schema import DTYPE_NAMES, KIND_BY_CODE

_DTYPES = {"float32": np.dtype("<f4"), "int32": np.dtype("<i4")}
_MOST_VALUES = 1 << 24  # of a tensor: far beyond what any microcontroller holds
_LEFT_OUT = -1  # TFLite's number for an optional tensor that is not there


def parse_float_tflite(data: bytes, name: str, white: float = 1.0) -> FloatNetwork:
    """The float network in the bytes of a .tflite file that messages call ``name``.

    Raises:
        ModelError: the file is damaged or contradicts itself.
        UnsupportedError: it is quantized already, has several inputs or outputs, or something that has no
            int8 operator here.
    """
    raw = decode(data, name)
    _check_interface(raw, name)
    network = _Reading(raw, name).network(white)
    _check_shapes(network, name)
    return fold(network)


def _check_interface(raw: RawModel, name: str) -> None:
    for role, tensors in (("input", raw.inputs), ("output", raw.outputs)):
        if len(tensors) != 1:
            raise UnsupportedError(f"{name}: {len(tensors)} {role}s; a model with one can be quantized")
        if not 0 <= tensors[0] < len(raw.tensors):
            raise ModelError(f"{name}: {role} tensor {tensors[0]} does not exist")
        tensor = raw.tensors[tensors[0]]
        dtype = DTYPE_NAMES.get(tensor.type_code, "?")
        if dtype in ("int8", "uint8"):
            raise UnsupportedError(
                f"{name}: its {role} is {dtype}: quantized already, audit and compile take it"
            )
        if dtype != "float32":
            raise UnsupportedError(f"{name}: its {role} is {dtype}; float32 can be quantized")
    if len(raw.tensors[raw.inputs[0]].shape) != 4:
        raise UnsupportedError(f"{name}: its input is no image (1×H×W×C)")


class _Reading:
    """A file on its way to a FloatNetwork; tensors keep their numbers, constants get new ones per reader."""

    def __init__(self, raw: RawModel, name: str) -> None:
        self._raw = raw
        self._file = name
        self._tensors = [Tensor(t.name, _with_batch_1(t.shape)) for t in raw.tensors]
        self._constants: dict[int, np.ndarray] = {}

    def network(self, white: float) -> FloatNetwork:
        """The network as the file has it."""
        ops = [
            op
            for index, operator in enumerate(self._raw.operators)
            if not self._is_shape_arithmetic(operator)
            for op in self._operators(Place.of(self._file, self._raw, index), operator)
        ]
        graph = Network(
            tuple(self._tensors), tuple(ops), self._raw.inputs, self._raw.outputs, frozenset(self._constants)
        )
        return FloatNetwork(graph, self._constants, white)

    def _is_shape_arithmetic(self, operator: RawOperator) -> bool:
        """SHAPE, PACK and the like: integers that a RESHAPE's output shape says, too."""
        known = [self._raw.tensors[t] for t in operator.outputs if 0 <= t < len(self._raw.tensors)]
        return bool(known) and all(DTYPE_NAMES.get(t.type_code) in ("int32", "int64") for t in known)

    def _operators(self, place: Place, raw: RawOperator) -> Iterator[Op]:
        if raw.code not in KIND_BY_CODE:
            raise UnsupportedError(f"{place} is not supported: `mcu-nas compile --ops` lists those that are")
        for tensor in raw.inputs + raw.outputs:
            if tensor != _LEFT_OUT and not 0 <= tensor < len(self._raw.tensors):
                raise place.error(f"tensor {tensor} does not exist")
        if raw.code in MOVEMENT:
            if _LEFT_OUT in raw.inputs:
                raise place.unsupported("leaves out an optional tensor")
            read = read_movement(raw, place, self._raw)
        else:
            raw = replace(raw, inputs=_completed(raw))
            read = (read_operator(raw, place),)
        for op in read:
            inputs = (self._input(op, place, position, t) for position, t in enumerate(op.inputs))
            yield self._constant_last(replace(op, inputs=tuple(inputs)), place)

    def _input(self, op: Op, place: Place, position: int, tensor: int) -> int:
        """The number of an operator's input; a constant becomes the operator's own."""
        if tensor == _LEFT_OUT:
            if not isinstance(op, Weighted) or position != len(op.inputs) - 1:
                raise place.unsupported("leaves out an optional tensor")
            channels = self._raw.tensors[op.outputs[0]].shape[-1:]
            return self._constant("bias", np.zeros(channels, np.float32), "int32")
        raw = self._raw.tensors[tensor]
        if raw.data is None:
            return tensor
        dtype = DTYPE_NAMES.get(raw.type_code, "?")
        if dtype not in _DTYPES or raw.odd_feature or len(raw.data) != 4 * math.prod(raw.shape):
            raise place.unsupported(f"its constant {raw.name!r} is {dtype}, or not as large as its shape")
        values = raw.data.view(_DTYPES[dtype]).reshape(raw.shape)
        if not np.all(np.isfinite(values)):
            raise place.error(f"its constant {raw.name!r} holds what is no number")
        if isinstance(op, Mean):
            values = np.where(values < 0, values + 4, values).astype(np.int32)
        is_bias = isinstance(op, Weighted) and tensor == layer_inputs(op)[2]
        if dtype == "float32" and not isinstance(op, Weighted | Add | Sub | Mul):
            raise place.unsupported(f"takes the constant {raw.name!r}")
        return self._constant(raw.name, values, "int32" if is_bias or dtype == "int32" else "int8")

    def _constant(self, name: str, values: np.ndarray, dtype: str) -> int:
        self._tensors.append(Tensor(name, values.shape, dtype))
        self._constants[len(self._tensors) - 1] = values
        return len(self._tensors) - 1

    def _constant_last(self, op: Op, place: Place) -> Op:
        """A sum or product with a constant, which becomes its second input, one value a channel."""
        if not isinstance(op, Add | Sub | Mul) or not any(t in self._constants for t in op.inputs):
            return op
        first, second = op.inputs
        if first in self._constants:
            if isinstance(op, Sub) or second in self._constants:
                raise place.unsupported("subtracts from a constant")
            first, second = second, first
        values = self._constants[second]
        if values.size not in (1, values.shape[-1] if values.ndim else 1):
            raise place.unsupported(f"its constant has {values.size} values, not one a channel")
        return replace(
            op, inputs=(first, self._constant(f"{place.output}.constant", values.reshape(-1), "int8"))
        )


def _completed(raw: RawOperator) -> tuple[int, ...]:
    """An operator's inputs, a layer's bias marked as left out where the file does not even say so; of a
    RESHAPE the activation alone, whose output says the shape.
    """
    kind = KIND_BY_CODE[raw.code].op
    if kind is Reshape:
        return raw.inputs[:1]
    complete = {Conv2D: 3, DepthwiseConv2D: 3, FullyConnected: 3, TransposeConv: 4}.get(kind, 0)
    return (*raw.inputs, _LEFT_OUT) if len(raw.inputs) == complete - 1 else raw.inputs


def _with_batch_1(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A converter writes 1 or -1 for a batch of any size."""
    return (1, *shape[1:]) if shape and shape[0] == -1 else shape


def _check_shapes(network: FloatNetwork, name: str) -> None:
    """Runs the network once; every output must have the shape that the file states."""
    graph = network.network
    for tensor in graph.tensors:
        if any(size < 1 for size in tensor.shape) or math.prod(tensor.shape) > _MOST_VALUES:
            raise UnsupportedError(f"{name}: tensor {tensor.name!r} has shape {list(tensor.shape)}")

    def check(tensor: int, values: torch.Tensor) -> None:
        if tuple(values.shape) != graph.shape(tensor):
            found, stated = list(values.shape), list(graph.shape(tensor))
            raise ModelError(f"{name}: tensor {graph.tensors[tensor].name!r} should be {found}, is {stated}")

    try:
        execute(network, torch.zeros(graph.shape(graph.inputs[0])), check)
    except (RuntimeError, KeyError, IndexError, ValueError, TypeError) as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise ModelError(f"{name}: the file contradicts itself: {reason[0]}") from error
