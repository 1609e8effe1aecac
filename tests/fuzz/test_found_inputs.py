"""What fuzzing found, and what it cannot reach by flipping bytes: large and wide graphs, huge shapes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mcu_nas.errors import McuNasError
from mcu_nas.graph import Quantization
from mcu_nas.operators import DepthwiseConv2D, Relu, Relu6
from mcu_nas.tflite.writer import serialize_tflite
from tests.elementwise import unary
from tests.fuzz.examination import compiled, examine, faults_in_c
from tests.fuzz.models import valid_models
from tests.graphs import GraphMaker
from tests.weighted_graphs import with_quantization


def refusal(data: bytes) -> str:
    with pytest.raises(McuNasError) as caught:
        compiled(data)
    return str(caught.value)


@pytest.mark.parametrize("scales", [(), (0.1, 0.2)])
def test_input_that_no_operator_reads_needs_one_scale(scales: tuple[float, ...]) -> None:
    maker = GraphMaker(0)
    x, idle = maker.activation("x", (1, 4)), maker.activation("idle", (1, 4))
    graph = maker.graph((x, idle), (unary(maker, Relu, x),))
    data = serialize_tflite(with_quantization(graph, {idle: Quantization(scales, (0,) * len(scales))}))
    assert refusal(data) == "fuzzed.tflite: input 'idle' has not one scale and a zero point within int8"


def test_weights_of_two_kinds_of_layers_compile_where_they_have_one_scale() -> None:
    maker = GraphMaker(0)
    x = maker.activation("x", (1, 5, 5, 1))
    y = maker.conv(x, 1, (3, 3))
    weights, bias = maker.ops[0].inputs[1:]
    out = maker.activation("out", (1, 5, 5, 1))
    maker.ops.append(DepthwiseConv2D((x, weights, bias), (out,)))
    assert examine(serialize_tflite(maker.graph((x,), (y, out)))).fault == ""


def fan(count: int) -> bytes:
    """Half of the operators read the input, the others sum their results up."""
    maker = GraphMaker(0)
    source = maker.activation("x", (1, 24))
    arms = [unary(maker, Relu6, source) for _ in range(count // 2)]
    x = arms[0]
    for arm in arms[1:]:
        x = maker.add(x, arm)
    return serialize_tflite(maker.graph((source,), (x,)))


def chain_of_reshapes(count: int) -> bytes:
    maker = GraphMaker(0)
    x = source = maker.activation("x", (1, 4, 6))
    for number in range(count):
        x = maker.reshape(x, (1, 24) if number % 2 else (1, 2, 12), stated=False)
    return serialize_tflite(maker.graph((source,), (x,)))


def chain_of_sums(count: int) -> bytes:
    maker = GraphMaker(0)
    x = source = maker.activation("x", (1, 24))
    for _ in range(count):
        x = maker.add(x, source)
    return serialize_tflite(maker.graph((source,), (x,)))


@pytest.mark.parametrize("model", [fan, chain_of_reshapes, chain_of_sums])
def test_a_thousand_operators_compile_in_bounded_time(model: Callable[[int], bytes]) -> None:
    examined = examine(model(1_000))
    assert examined.fault == ""
    assert examined.program is not None


@pytest.mark.parametrize("model", [fan, chain_of_reshapes, chain_of_sums])
def test_more_operators_are_refused(model: Callable[[int], bytes]) -> None:
    assert refusal(model(1_100)).endswith("operators, at most 1,024 are supported")


def test_huge_channels_take_no_memory() -> None:
    maker = GraphMaker(0)
    x = maker.activation("x", (1, 1, 1, 10_000_000))
    assert examine(serialize_tflite(maker.graph((x,), (unary(maker, Relu, x),)))).fault == ""


def test_name_that_goes_on_beyond_the_end_is_refused() -> None:
    data = bytearray(valid_models()["RELU"])
    name = data.rindex(b"out0")  # the first is in the signature, which is not read
    data[name - 4 : name] = (100_000).to_bytes(4, "little")
    assert refusal(bytes(data)) == "fuzzed.tflite: truncated or damaged: a name goes on beyond the file's end"


@pytest.mark.parametrize("name", valid_models())
def test_models_that_are_damaged_are_sound_before(name: str, tmp_path) -> None:
    program = compiled(valid_models()[name])
    assert faults_in_c(program, tmp_path) == ""
