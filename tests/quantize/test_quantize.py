"""Float to int8: what the specification fixes, and that little is lost."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest

from mcu_nas.compiler.requantize import weighted_multipliers
from mcu_nas.graph import Graph
from mcu_nas.network import Network
from mcu_nas.operators import Activation, Conv2D, DepthwiseConv2D, FullyConnected
from mcu_nas.quantize.calibration import quantize_range
from mcu_nas.quantize.quantize import quantize_network
from mcu_nas.spaces.builder import NetworkBuilder
from mcu_nas.supernet.batch_norm import recalibrate
from mcu_nas.supernet.layers import Layer
from mcu_nas.supernet.torch_network import TorchNetwork, predict
from tests.fashion import fashion, needs_fashion_mnist
from tests.quantize.trained_network import calibration_images, images, trained
from tests.reference import reference_outputs

pytestmark = needs_fashion_mnist


@lru_cache(maxsize=1)
def quantized() -> Graph:
    return quantize_network(trained(), calibration_images(), fashion().labels)


def logits(graph: Graph, pixels: np.ndarray) -> np.ndarray:
    """The reference's logits (N, classes) for uint8 images."""
    outputs = reference_outputs(graph, (pixels.astype(np.int16) - 128).astype(np.int8))
    scale = graph.quantization[graph.network.outputs[0]]
    return (outputs.astype(np.float64) - scale.zero_point) * scale.scale


def test_int8_network_decides_as_the_float_network_does() -> None:
    pixels = images(400)
    exact, rounded = predict(trained(), pixels).numpy(), logits(quantized(), pixels)
    labels = fashion().test_labels[:400]
    right = [(found.argmax(1) == labels).mean() for found in (exact, rounded)]
    assert right[0] > 0.6
    assert abs(right[0] - right[1]) <= 0.02
    assert (exact.argmax(1) == rounded.argmax(1)).mean() > 0.95


def test_pixels_go_in_as_bytes() -> None:
    quantization = quantized().quantization[quantized().network.inputs[0]]
    assert quantization.zero_point == -128
    assert quantization.scale == float(np.float32(1 / 255))


def test_rectified_outputs_use_all_of_int8() -> None:
    graph = quantized()
    for op in graph.network.ops:
        if getattr(op, "activation", Activation.NONE) is Activation.RELU6:
            found = graph.quantization[op.outputs[0]]
            assert found.zero_point == -128
            assert found.scale <= float(np.float32(6 / 255)) * 1.01


def test_weights_are_symmetric_per_output_channel_and_biases_follow() -> None:
    graph = quantized()
    for op in graph.network.ops:
        if isinstance(op, Conv2D | DepthwiseConv2D | FullyConnected):
            source, weights, bias = (graph.quantization[tensor] for tensor in op.inputs)
            channels = graph.network.shape(op.inputs[2])[0]
            assert len(weights.scales) == (1 if isinstance(op, FullyConnected) else channels)
            assert set(weights.zero_points) == set(bias.zero_points) == {0}
            assert graph.constants[op.inputs[1]].min() >= -127
            expected = np.float32(source.scale) * np.array(weights.scales, np.float32)
            np.testing.assert_array_equal(np.array(bias.scales, np.float32), expected)


def test_quantization_is_repeatable() -> None:
    again = quantize_network(trained(), calibration_images(), fashion().labels)
    assert again.quantization == quantized().quantization
    for tensor, values in quantized().constants.items():
        np.testing.assert_array_equal(again.constants[tensor], values)


def damage(layer: Layer, how: str) -> None:
    """Every second channel of a layer becomes a degenerate case."""
    match how:
        case "dead weights":
            layer.weight.data[::2] = 0.0
        case "dead gain":
            layer.gain.data[::2] = 0.0
        case "dead gain, large shift":
            layer.gain.data[::2] = 1e-9
            layer.shift.data[::2] = 50.0
        case "no variance":
            layer.variance[::2] = 0.0
        case "everything dead":
            layer.gain.data.zero_()
            layer.shift.data.zero_()


@pytest.mark.parametrize(
    "how", ["dead weights", "dead gain", "dead gain, large shift", "no variance", "everything dead"]
)
@pytest.mark.parametrize("name", ["stage2/block1/expand", "stage2/block1/depthwise", "stage2/block2/project"])
def test_degenerate_channels_keep_multipliers_and_biases_sound(name: str, how: str) -> None:
    network = TorchNetwork(trained().network, seed=None)
    network.load_state_dict(trained().state_dict())
    layer = network.eval().layers[name]
    assert isinstance(layer, Layer)
    damage(layer, how)
    graph = quantize_network(network, images(32))
    for op in graph.network.ops:
        if isinstance(op, Conv2D | DepthwiseConv2D | FullyConnected):
            source, weights, _ = (graph.quantization[tensor] for tensor in op.inputs)
            bias = graph.constants[op.inputs[2]]
            assert np.abs(bias.astype(np.int64)).max() <= 1.01 * 2**28  # float32 scales
            factors = weighted_multipliers(
                source,
                weights,
                graph.quantization[op.outputs[0]],
                len(bias),
                fully_connected=isinstance(op, FullyConnected),
            )
            assert all(factor.shift < 8 for factor in factors)
    exact, rounded = predict(network, images(32)).numpy(), logits(graph, images(32))
    spread = max(float(exact.std()), 0.1)
    assert np.abs(exact - rounded).mean() < 0.5 * spread


def window_network(size: int, kernel: int, stride: int) -> Network:
    builder = NetworkBuilder()
    x = builder.input("pixels", (1, size, size, 1))
    x = builder.conv("full", x, 8, kernel, stride, Activation.RELU6)
    return builder.build(builder.depthwise("depthwise", x, kernel, stride, Activation.NONE))


@pytest.mark.parametrize("size", [9, 12, 13])
@pytest.mark.parametrize("kernel", [3, 5, 7])
@pytest.mark.parametrize("stride", [1, 2])
def test_padding_of_torch_and_tflite_is_one(size: int, kernel: int, stride: int) -> None:
    network = TorchNetwork(window_network(size, kernel, stride))
    recalibrate(network, images(64, size))
    graph = quantize_network(network, images(64, size))
    exact = predict(network, images(8, size)).permute(0, 2, 3, 1).numpy()
    rounded = logits(graph, images(8, size))
    assert np.abs(exact - rounded).max() < 0.12 * np.abs(exact).max()
    assert np.abs(exact - rounded).mean() < 0.02 * np.abs(exact).max()


@pytest.mark.parametrize(("low", "high"), [(0.0, 0.0), (0.0, 6.0), (-3.0, 0.0), (-1.0, 2.0), (-1e-9, 1e-9)])
def test_zero_is_exact_and_scales_are_never_tiny(low: float, high: float) -> None:
    found = quantize_range(low, high)
    assert -128 <= found.zero_point <= 127
    assert found.scale >= 1e-6
    assert (-128 - found.zero_point) * found.scale <= low + found.scale
    assert (127 - found.zero_point) * found.scale >= high - found.scale
