"""The checking build: what the plan calls dead is overwritten while a model runs, and results stay."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings

from mcu_nas.compiler.program import Program, compile_graph
from mcu_nas.devices.host import HostModel
from mcu_nas.devices.poison import PoisonTable, destroyed_inputs, poison_table
from mcu_nas.errors import JobError
from mcu_nas.graph import Graph
from mcu_nas.operators import MaxPool2D
from tests.graphs import GraphMaker, graphs

KERNELS = ("pointwise_s8", "conv_s8", "depthwise_s8", "average_pool_s8", "max_pool_s8")


def compiled(graph: Graph) -> Program:
    return compile_graph(graph, "model", "0" * 16)


def samples(program: Program, count: int = 4) -> list[np.ndarray]:
    network, rng = program.graph.network, np.random.default_rng(0)
    shapes = [(count, *network.shape(tensor)[1:]) for tensor in network.inputs]
    return [rng.integers(-128, 128, shape, dtype=np.int8) for shape in shapes]


def one_layer(kernel: str) -> Program:
    """One operator on 7×6 pixels that ``kernel`` runs."""
    maker = GraphMaker(1)
    x = maker.activation("pixels", (1, 7, 6, 4))
    match kernel:
        case "pointwise_s8":
            y = maker.conv(x, 5, (1, 1))
        case "conv_s8":
            y = maker.conv(x, 5, (3, 2), stride=(1, 2))
        case "depthwise_s8":
            y = maker.depthwise(x, 1, (3, 3), dilation=(1, 2))
        case "average_pool_s8":
            y = maker.pool(x, (2, 3), (2, 1))
        case _:
            y = maker.pool(x, (3, 3), (2, 2), kind=MaxPool2D)
    program = compiled(maker.graph((x,), (y,)))
    assert [call.kernel.name for call in program.calls] == [kernel]
    return program


def overlapped(program: Program, distance: int, descending: bool) -> Program:
    """A one-layer program with its output ``distance`` bytes above its input."""
    network = program.graph.network
    ends = {t: max(0, s) for t, s in ((network.inputs[0], -distance), (network.outputs[0], distance))}
    arena = max(offset + network.tensors[tensor].bytes for tensor, offset in ends.items())
    plan = dataclasses.replace(program.plan, arena_bytes=arena, offsets=ends)
    (call,) = program.calls
    call = dataclasses.replace(call, fields={**call.fields, "descending": int(descending)})
    return dataclasses.replace(program, plan=plan, calls=(call,))


def closest(program: Program, descending: bool) -> Program:
    """The program whose output overlaps its input as far as ``destroyed_inputs`` allows."""
    network = program.graph.network
    sizes = [network.tensors[tensor].bytes for tensor in (*network.inputs, *network.outputs)]
    distances = range(sizes[0], -1, -1) if descending else range(-sizes[1], 1)
    programs = [overlapped(program, distance, descending) for distance in distances]
    first_wrong = next(i for i, each in enumerate(programs) if any(destroyed_inputs(each)))
    return programs[first_wrong - 1]


@given(graphs())
def test_no_operator_of_a_plan_writes_over_what_is_still_to_be_read(graph: Graph) -> None:
    assert not list(destroyed_inputs(compiled(graph)))


@settings(max_examples=8)
@given(graphs())
def test_overwriting_dead_bytes_changes_no_result(graph: Graph) -> None:
    program = compiled(graph)
    inputs = samples(program)
    np.testing.assert_array_equal(
        HostModel(program, poison=True).run(*inputs), HostModel(program).run(*inputs)
    )


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("kernel", KERNELS)
def test_an_output_that_overlaps_its_input_as_far_as_allowed_is_right(kernel: str, descending: bool) -> None:
    program = one_layer(kernel)
    inputs = samples(program)
    close = closest(program, descending)
    assert close.arena_bytes < sum(program.graph.network.tensors[t].bytes for t in close.plan.offsets)
    np.testing.assert_array_equal(HostModel(close, poison=True).run(*inputs), HostModel(program).run(*inputs))


@pytest.mark.parametrize("kernel", KERNELS)
def test_every_event_of_the_table_takes_place(kernel: str) -> None:
    """The whole arena is overwritten at one event only, and the results differ."""
    program = one_layer(kernel)
    inputs = samples(program)
    model, expected = HostModel(program, poison=True), HostModel(program).run(*inputs)
    table = poison_table(program)
    for event in range(len(table.events) - 1):
        everything = np.array([[0, program.arena_bytes]], np.uint32)
        events = (np.arange(len(table.events)) > event).astype(np.uint32)
        model.poison = PoisonTable(everything, events, table.layers)
        assert (model.run(*inputs) != expected).any(), f"event {event}"


def test_kernel_that_reports_other_steps_than_expected_is_an_error() -> None:
    program = one_layer("conv_s8")
    model = HostModel(program, poison=True)
    table = poison_table(program)
    events = np.append(table.events, table.events[-1])  # one more, so that a longer table is within bounds
    for last in (table.layers[1] - 1, table.layers[1] + 1):
        model.poison = dataclasses.replace(table, layers=np.array([0, last], np.uint32), events=events)
        with pytest.raises(JobError, match="layer 0 reports unexpected steps"):
            model.run(*samples(program))


def test_a_layer_that_writes_over_a_tensor_needed_later_is_found() -> None:
    maker = GraphMaker(2)
    x = maker.activation("pixels", (1, 4, 4, 3))
    y = maker.conv(x, 3, (1, 1))
    z = maker.conv(y, 3, (3, 3))
    program = compiled(maker.graph((x,), (maker.add(x, z),)))
    wrong = dataclasses.replace(program.plan, offsets={**program.plan.offsets, z: program.plan.offsets[x]})
    assert [number for number, _ in destroyed_inputs(dataclasses.replace(program, plan=wrong))] == [1]


def test_overwriting_an_input_that_is_to_be_kept_is_found() -> None:
    kept = compile_graph(one_layer("conv_s8").graph, "model", "0" * 16, keep_inputs=True)
    assert not list(destroyed_inputs(kept))
    overwritten = closest(one_layer("conv_s8"), descending=False)
    assert list(destroyed_inputs(dataclasses.replace(overwritten, keeps_inputs=True)))


def planar() -> Program:
    """A depthwise convolution whose window is large enough that a plane of scratch is the smaller price."""
    maker = GraphMaker(3)
    x = maker.activation("pixels", (1, 9, 9, 6))
    program = compiled(maker.graph((x,), (maker.depthwise(x, 1, (5, 5)),)))
    assert [call.kernel.name for call in program.calls] == ["depthwise_planar_s8"]
    return program


def test_planar_depthwise_in_place_is_right_while_dead_bytes_are_overwritten() -> None:
    program = planar()
    (source,), (output,) = program.graph.network.inputs, program.graph.network.outputs
    size = program.graph.network.tensors[source].bytes
    assert program.plan.offsets[source] == program.plan.offsets[output]
    apart = dataclasses.replace(
        program.plan, arena_bytes=3 * size, offsets={source: 0, output: size}, scratch={0: 2 * size}
    )
    (x,) = samples(program)
    expected = HostModel(dataclasses.replace(program, plan=apart)).run(x)
    np.testing.assert_array_equal(HostModel(program, poison=True).run(x), expected)


def test_scratch_that_lies_on_an_input_is_found() -> None:
    program = planar()
    assert not list(destroyed_inputs(program))
    wrong = dataclasses.replace(
        program.plan, scratch={0: program.plan.offsets[program.graph.network.inputs[0]]}
    )
    assert list(destroyed_inputs(dataclasses.replace(program, plan=wrong)))
