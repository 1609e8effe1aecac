"""What every pass owes: our C of its graph gives what tflite-micro gives for the graph it got."""

from __future__ import annotations

from mcu_nas.compiler.program import compile_graph
from mcu_nas.devices.host import HostModel
from mcu_nas.graph import Graph
from tests.reference import assert_same_outputs, reference_outputs, sample_inputs


def assert_same_program(given: Graph, passed: Graph) -> None:
    """Sanitized, on extremes and random inputs."""
    inputs = sample_inputs(given, 5, seed=1)
    got = HostModel(compile_graph(passed, "model", "0" * 16, as_given=True), sanitize=True).run(*inputs)
    assert_same_outputs(got, reference_outputs(given, *inputs), *inputs)


def names(graph: Graph) -> list[str]:
    """The operators by TFLite's names, in order."""
    return [op.tflite_name for op in graph.network.ops]


def assert_no_gaps(graph: Graph) -> None:
    """Every tensor is used, and constants, quantization and network agree on numbers."""
    network = graph.network
    used = {t for op in network.ops for t in op.inputs + op.outputs} | {*network.inputs, *network.outputs}
    assert used == set(range(len(network.tensors)))
    assert set(graph.constants) == network.constants
    assert set(graph.quantization) <= used
    for tensor, values in graph.constants.items():
        assert values.shape == network.shape(tensor)
