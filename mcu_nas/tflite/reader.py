"""The .tflite file to a Graph, trusting nothing in it.

Whatever a file holds, the answer is a Graph that satisfies the TFLite int8 specification as far as this
project compiles it, or one line that names file, operator and tensor.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from mcu_nas.errors import ModelError, UnsupportedError
from mcu_nas.graph import Graph, Quantization
from mcu_nas.network import Network, Tensor, shown
from mcu_nas.operators import Op, renumbered
from mcu_nas.tflite.checks.operator import check_operator
from mcu_nas.tflite.faults import Place
from mcu_nas.tflite.interface import int8_interface
from mcu_nas.tflite.missing_biases import with_biases
from mcu_nas.tflite.operators import read_operators
from mcu_nas.tflite.raw import RawModel, RawTensor, decode
from mcu_nas.tflite.schema import CHANNEL_AXIS, DTYPE_NAMES, KIND_BY_CODE

MAX_FILE_BYTES = 1 << 28  # 256 MiB: no microcontroller holds more
_MAX_TENSOR_BYTES = 1 << 30
_MAX_OPERATORS = 1_024  # the parts of a SPLIT count; bounds the time that passes and planner take
_MAX_INTERFACE = 256  # inputs, or outputs
_DTYPES: dict[str, np.dtype] = {"int8": np.dtype("<i1"), "int32": np.dtype("<i4")}
_FLOATS = ("float32", "float16", "float64", "bfloat16")


def read_tflite(path: Path) -> Graph:
    """The graph in a .tflite file.

    Raises:
        ModelError: the file is missing, unreadable, truncated, damaged or inconsistent.
        UnsupportedError: a sound model with an operator, type or attribute that is not compiled.
    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ModelError(f"{path}: larger than {MAX_FILE_BYTES >> 20} MiB, no microcontroller holds that")
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {(error.strerror or str(error)).lower()}") from error
    return parse_tflite(data, str(path))


def parse_tflite(data: bytes, name: str) -> Graph:
    """The graph in the bytes of a .tflite file that messages call ``name``.

    Tensors keep their order; those that no operator uses are dropped. The quantization axis of weights is
    the operator's channel axis, every other axis is 0. A layer without bias has one of zeros. An interface
    of float32 or uint8 is brought to int8 (interface.py). Constants are views of ``data`` where they can
    be. SPLIT becomes an operator for each part (slices.py), so that an
    operator may have another index here than in the file; messages have the file's.

    Raises:
        ModelError: truncated, damaged or inconsistent.
        UnsupportedError: a sound model with an operator, type or attribute that is not compiled.
    """
    as_written = decode(data, name)
    interface = int8_interface(as_written)
    places = [Place.of(name, as_written, number) for number in interface.numbers]
    raw = with_biases(interface.raw)
    _check_interface(raw, name)
    for place, operator in zip(places, raw.operators, strict=True):
        if operator.name == "DEQUANTIZE":
            raise place.unsupported("gives float32 inside the model")
        if operator.code not in KIND_BY_CODE:
            raise UnsupportedError(f"{place} is not supported: `mcu-nas compile --ops` lists those that are")
        _check_references(raw, place, operator.inputs + operator.outputs)
    ops, places = _read_operators(raw, places)
    if len(ops) > _MAX_OPERATORS:
        raise UnsupportedError(f"{name}: {len(ops):,} operators, at most {_MAX_OPERATORS:,} are supported")
    graph = replace(
        _assemble(raw, ops, places, name),
        uint8_inputs=interface.uint8_inputs,
        uint8_outputs=interface.uint8_outputs,
    )
    _check_order(graph.network, places)
    _check_inputs(graph, name)
    for op, place in zip(graph.network.ops, places, strict=True):
        check_operator(graph, op, place)
    _check_labels(graph, name)
    return graph


def _read_operators(raw: RawModel, places: list[Place]) -> tuple[list[Op], list[Place]]:
    """The operators, and where in the file each comes from."""
    ops, origins = [], []
    for operator, place in zip(raw.operators, places, strict=True):
        for op in read_operators(operator, place, raw):
            ops.append(op)
            origins.append(replace(place, output=raw.tensors[op.outputs[0]].name))
    return ops, origins


def _check_interface(raw: RawModel, name: str) -> None:
    if not raw.operators or not raw.inputs or not raw.outputs:
        raise ModelError(f"{name}: the model has no operators, no input or no output")
    for role, tensors in (("input", raw.inputs), ("output", raw.outputs)):
        if len(tensors) > _MAX_INTERFACE:
            raise UnsupportedError(f"{name}: {len(tensors)} {role}s, at most {_MAX_INTERFACE} are supported")
        if len(set(tensors)) != len(tensors):
            raise ModelError(f"{name}: an {role} is listed twice")
        for index in tensors:
            if not 0 <= index < len(raw.tensors):
                raise ModelError(f"{name}: {role} tensor {index} does not exist")
            tensor = raw.tensors[index]
            if (dtype := _dtype_name(tensor)) in _FLOATS:
                raise UnsupportedError(
                    f"{name}: {role} {tensor.name!r} is {dtype}: the model is not fully quantized, "
                    "convert it with int8 input and output"
                )
            if dtype == "uint8":
                raise UnsupportedError(
                    f"{name}: {role} {tensor.name!r} is uint8 and no QUANTIZE at the border: models of uint8 "
                    "throughout (TensorFlow 1) are not supported, convert it with int8"
                )
            if tensor.data is not None:
                raise ModelError(f"{name}: {role} {tensor.name!r} is a constant")


def _check_references(raw: RawModel, place: Place, tensors: tuple[int, ...]) -> None:
    for index in tensors:
        if index == -1:
            raise place.unsupported("leaves out an optional tensor")
        if not 0 <= index < len(raw.tensors):
            raise place.error(f"tensor {index} does not exist")


def _assemble(raw: RawModel, ops: list[Op], places: list[Place], name: str) -> Graph:
    """The graph of the tensors in use, renumbered without gaps."""
    used = sorted({t for op in ops for t in op.inputs + op.outputs} | {*raw.inputs, *raw.outputs})
    number = {old: new for new, old in enumerate(used)}
    axes = {op.inputs[1]: CHANNEL_AXIS[type(op)] for op in ops if type(op) in CHANNEL_AXIS}
    tensors: list[Tensor] = []
    constants: dict[int, np.ndarray] = {}
    quantization: dict[int, Quantization] = {}
    for old in used:
        tensor = raw.tensors[old]
        where = f"{name}: {_user(ops, places, old)}tensor {tensor.name!r}"
        tensors.append(_tensor(tensor, where))
        if tensor.data is not None:
            constants[number[old]] = _values(tensor, tensors[-1], where)
        if tensor.scales:
            quantization[number[old]] = _quantization(tensor, axes.get(old, 0), where)
    network = Network(
        tuple(tensors),
        tuple(renumbered(op, number) for op in ops),
        tuple(number[t] for t in raw.inputs),
        tuple(number[t] for t in raw.outputs),
        frozenset(constants),
    )
    return Graph(network, constants, quantization, raw.labels, image_input=raw.image_input)


def _user(ops: list[Op], places: list[Place], tensor: int) -> str:
    """``op 3 ADD, `` for the first operator that touches a tensor."""
    for op, place in zip(ops, places, strict=True):
        if tensor in op.inputs + op.outputs:
            return f"op {place.index} {place.operator}, "
    return ""


def _dtype_name(tensor: RawTensor) -> str:
    return DTYPE_NAMES.get(tensor.type_code, f"of type number {tensor.type_code}")


def _tensor(tensor: RawTensor, where: str) -> Tensor:
    dtype = _dtype_name(tensor)
    if tensor.odd_feature:
        raise UnsupportedError(f"{where} is {tensor.odd_feature}: not supported")
    if dtype not in _DTYPES:
        raise UnsupportedError(f"{where} is {dtype}: only int8 models with int32 biases are supported")
    if len(tensor.shape) > 4:
        raise UnsupportedError(f"{where} has {len(tensor.shape)} dimensions, at most 4 are supported")
    # Converters write -1 for the batch of a model that runs with any; the shape then says 1.
    if any(size < 0 for size in (*tensor.shape, *tensor.shape_signature[1:])):
        raise UnsupportedError(f"{where} has a dynamic shape {shown(tensor.shape_signature or tensor.shape)}")
    if 0 in tensor.shape:
        raise ModelError(f"{where} is empty: shape {shown(tensor.shape)}")
    result = Tensor(tensor.name, tensor.shape, dtype)
    if result.bytes > _MAX_TENSOR_BYTES:
        raise ModelError(f"{where} would take {result.bytes:,} bytes: shape {shown(tensor.shape)}")
    if tensor.data is None and (not tensor.shape or dtype != "int8"):
        raise UnsupportedError(
            f"{where} is an activation of {dtype} {shown(tensor.shape)}: only int8 with a batch is supported"
        )
    if tensor.data is None and tensor.shape[0] != 1:
        raise UnsupportedError(f"{where} has a batch of {tensor.shape[0]}: only 1 is supported")
    return result


def _values(tensor: RawTensor, declared: Tensor, where: str) -> np.ndarray:
    assert tensor.data is not None
    if len(tensor.data) != declared.bytes:
        raise ModelError(
            f"{where} has {len(tensor.data):,} bytes of data, its shape {shown(tensor.shape)} "
            f"needs {declared.bytes:,}"
        )
    values = tensor.data.view(_DTYPES[declared.dtype]).reshape(declared.shape)
    values.flags.writeable = False
    return values


def _quantization(tensor: RawTensor, axis: int, where: str) -> Quantization:
    zero_points = tensor.zero_points
    if len(zero_points) == 1:
        zero_points *= len(tensor.scales)
    if len(zero_points) != len(tensor.scales):
        raise ModelError(f"{where} has {len(tensor.scales)} scales but {len(zero_points)} zero points")
    if not all(0 < scale < float("inf") for scale in tensor.scales):
        raise ModelError(f"{where} has a scale that is not a positive number")
    if len(tensor.scales) > 1 and tensor.axis != axis:
        raise ModelError(f"{where} is quantized along axis {tensor.axis}, its channels lie along axis {axis}")
    return Quantization(tensor.scales, zero_points, axis)


def _check_order(network: Network, places: list[Place]) -> None:
    """Every activation is written once, before it is read, and never a constant or an input."""
    written = set(network.inputs)
    for op, place in zip(network.ops, places, strict=True):
        for tensor in network.activations_in(op):
            if tensor not in written:
                raise place.error(f"reads {network.tensors[tensor].name!r} before any operator wrote it")
        for tensor in op.outputs:
            if tensor in written or tensor in network.constants:
                raise place.error(f"writes {network.tensors[tensor].name!r}, which already has a value")
            written.add(tensor)
    for tensor in network.outputs:
        if tensor not in written:
            raise ModelError(f"{places[0].file}: no operator writes output {network.tensors[tensor].name!r}")


def _check_inputs(graph: Graph, name: str) -> None:
    """Every input has one scale and zero point; operators ask for their own, and may leave an input alone."""
    for tensor in graph.network.inputs:
        quantization = graph.quantization.get(tensor)
        if quantization is None or len(quantization.scales) != 1 or not -128 <= quantization.zero_point < 128:
            named = graph.network.tensors[tensor].name
            raise ModelError(f"{name}: input {named!r} has not one scale and a zero point within int8")


def _check_labels(graph: Graph, name: str) -> None:
    classes = graph.network.shape(graph.network.outputs[0])[-1]
    if graph.labels and len(graph.labels) != classes:
        raise ModelError(f"{name}: {len(graph.labels)} labels for {classes} classes")
