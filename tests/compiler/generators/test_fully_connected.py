"""Generated fully connected kernels on a simulated Cortex-M7 equal firmware/kernels/fully_connected.c."""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.kernels.arm_function import ArmFunction, Call
from mcu_nas.compiler.generators.fully_connected import fully_connected
from mcu_nas.compiler.generators.fully_connected_weights import FullyConnectedLayer
from mcu_nas.compiler.generators.generated import Refusal
from mcu_nas.compiler.generators.requantization import Requantization
from mcu_nas.compiler.target import WeightStorage
from mcu_nas.resources import firmware_dir

FORMATS = pytest.mark.parametrize("weight_storage", WeightStorage)
Portable = Callable[[FullyConnectedLayer, np.ndarray], np.ndarray]


class PortableLayer(ctypes.Structure):
    """``struct mcu_fully_connected_s8``."""

    _fields_ = (
        *((name, ctypes.c_int32) for name in ("rows", "in_channels", "out_channels")),
        *((name, ctypes.c_int32) for name in ("zero_point", "min", "max")),
        *((name, ctypes.c_void_p) for name in ("weights", "bias", "factors")),
    )


@pytest.fixture(scope="module")
def portable(tmp_path_factory: pytest.TempPathFactory) -> Portable:
    """The portable C kernel on the host."""
    kernels = firmware_dir() / "kernels"
    library = tmp_path_factory.mktemp("portable") / "fully_connected.so"
    source = Path(kernels, "fully_connected.c")
    subprocess.run(["gcc", "-O1", "-shared", "-fPIC", f"-I{kernels}", source, "-o", library], check=True)
    function = ctypes.CDLL(str(library)).mcu_fully_connected_s8

    def run(layer: FullyConnectedLayer, inputs: np.ndarray) -> np.ndarray:
        outputs, width = layer.weights.shape
        weights = np.ascontiguousarray(layer.weights, np.int8)
        folded = layer.bias - layer.input_zero_point * layer.weights.sum(axis=1, dtype=np.int64)
        bias = folded.astype(np.int32)
        scaling = layer.requantization
        factors = np.stack([scaling.multipliers, scaling.shifts], axis=1).astype(np.int32)
        out = np.zeros(outputs, np.int8)
        arrays = (weights.ctypes.data, bias.ctypes.data, factors.ctypes.data)
        clamp = (scaling.zero_point, scaling.minimum, scaling.maximum)
        fields = PortableLayer(1, width, outputs, *clamp, *arrays)
        function(
            ctypes.byref(fields), inputs.ctypes.data_as(ctypes.c_void_p), out.ctypes.data_as(ctypes.c_void_p)
        )
        return out

    return run


def layer_of(inputs: int, outputs: int, weight_storage: WeightStorage, seed: int = 0) -> FullyConnectedLayer:
    """Random weights, one factor, outputs that fill int8."""
    rng = np.random.default_rng(seed)
    shift = -round(np.log2(74.0 * 74.0 * inputs**0.5 / 50.0))
    return FullyConnectedLayer(
        weights=rng.integers(-127, 128, (outputs, inputs)).astype(np.int8),
        bias=rng.integers(-3000, 3000, outputs),
        input_zero_point=int(rng.integers(-128, 128)),
        requantization=Requantization(
            multipliers=np.full(outputs, rng.integers(2**30, 2**31)),
            shifts=np.full(outputs, min(shift, 0)),
            zero_point=int(rng.integers(-128, 128)),
        ),
        weight_storage=weight_storage,
    )


def runner(layer: FullyConnectedLayer) -> Callable[..., Call]:
    """Calls the generated kernel with an input."""
    kernel = fully_connected(layer, "layer")
    function = ArmFunction(kernel.assembly, "layer")

    def run(inputs: np.ndarray, in_align: int = 1, out_align: int = 1) -> Call:
        out = np.full(len(layer.weights), 99, np.int8)
        scratch = np.full(kernel.scratch_bytes, 0xEE, np.uint8)
        call = function(inputs, out, kernel.constants, scratch, align=(in_align, out_align, 4, 8))
        assert call.stack_bytes == kernel.stack_bytes
        return call

    return run


def check(layer: FullyConnectedLayer, portable: Portable, *more: np.ndarray) -> None:
    """Zeros, single ones, extremes and random inputs."""
    width = layer.weights.shape[1]
    rng = np.random.default_rng(1)
    inputs = [
        np.zeros(width),
        np.full(width, -128),
        np.full(width, 127),
        *rng.integers(-128, 128, (3, width)),
    ]
    inputs += [np.eye(width)[position] for position in {0, width // 2, width - 1}]
    signs = np.where(layer.weights[-1] < 0, -128, 127)
    run = runner(layer)
    for given_input in (*inputs, signs, ~signs, *more):
        x = given_input.astype(np.int8)
        np.testing.assert_array_equal(run(x).arrays[1], portable(layer, x), err_msg=str(x))


@FORMATS
@pytest.mark.parametrize("outputs", [1, 2, 3, 4, 5, 6, 7, 8, 13])
@pytest.mark.parametrize("inputs", [1, 2, 3, 4, 5, 8, 15, 16, 17, 36, 70, 83])
def test_every_remainder_of_inputs_and_outputs(inputs, outputs, weight_storage, portable):
    layer = layer_of(inputs, outputs, weight_storage, seed=inputs)
    x = np.random.default_rng(2).integers(-128, 128, inputs).astype(np.int8)
    np.testing.assert_array_equal(runner(layer)(x).arrays[1], portable(layer, x))


@FORMATS
@pytest.mark.parametrize("inputs", [19, 128])
def test_zeros_single_ones_and_extremes(inputs, weight_storage, portable):
    check(layer_of(inputs, 7, weight_storage), portable)


@FORMATS
@given(
    st.integers(1, 90),
    st.integers(1, 11),
    st.integers(0, 2**32 - 1),
    st.sampled_from([(-128, 127), (-128, 70), (-90, 127), (-3, 100)]),
)
@settings(max_examples=25, deadline=None)
def test_a_factor_for_each_output_and_any_clamp(weight_storage, portable, inputs, outputs, seed, clamp):
    rng = np.random.default_rng(seed)
    scaling = Requantization(
        multipliers=rng.integers(2**30, 2**31, outputs) * (rng.random(outputs) < 0.9),
        shifts=-rng.integers(1, 12, outputs),
        zero_point=int(rng.choice([clamp[0], rng.integers(-128, 128)])),
        minimum=clamp[0],
        maximum=clamp[1],
    )
    layer = replace(layer_of(inputs, outputs, weight_storage, seed), requantization=scaling)
    x = rng.integers(-128, 128, inputs).astype(np.int8)
    np.testing.assert_array_equal(runner(layer)(x).arrays[1], portable(layer, x))


@FORMATS
@pytest.mark.parametrize("shift", [0, -1, -2, -9, -20])
@pytest.mark.parametrize(("zero_point", "minimum"), [(-5, -128), (-1, -1)])
def test_ties_round_as_the_portable_kernel_rounds_them(weight_storage, shift, zero_point, minimum, portable):
    layer = replace(
        layer_of(4, 6, weight_storage),
        weights=np.array(
            [[1, 0, 0, 0], [2, 0, 0, 0], [0, 3, 0, 0], [0, 0, -1, 0], [5, -2, 0, 0], [0, 0, 0, 7]]
        ),
        bias=np.array([0, 1, -1, 2, -3, 0]) << max(-shift - 6, 0),
        input_zero_point=0,
        requantization=Requantization(np.full(6, 2**30), np.full(6, shift), zero_point, minimum),
    )
    run = runner(layer)
    for value in range(-40, 40):
        x = np.full(4, value, np.int8)
        np.testing.assert_array_equal(run(x).arrays[1], portable(layer, x), err_msg=str(value))


@FORMATS
@pytest.mark.parametrize("offset", [1, 2, 3])
def test_input_and_output_may_lie_anywhere(weight_storage, offset, portable):
    """``align=1`` puts arrays at odd addresses; a longer array shifts them by its length."""
    layer = layer_of(19 + offset, 5, weight_storage)
    x = np.arange(19 + offset).astype(np.int8)
    for align in (1, 2, 4):
        call = runner(layer)(x, in_align=align, out_align=align)
        np.testing.assert_array_equal(call.arrays[1], portable(layer, x))
        np.testing.assert_array_equal(call.arrays[0], x)


@FORMATS
def test_output_may_lie_on_the_input(weight_storage, portable):
    layer = layer_of(24, 6, weight_storage)
    kernel = fully_connected(layer, "layer")
    caller = ".syntax unified\n.thumb\n.text\n.global both\n.thumb_func\nboth:\n    mov r1, r0\n    b layer\n"
    x = np.random.default_rng(0).integers(-128, 128, 24).astype(np.int8)
    scratch = np.zeros(kernel.scratch_bytes, np.uint8)
    function = ArmFunction(caller + str(kernel.assembly), "both")
    call = function(x, 0, kernel.constants, scratch, align=(1, 4, 8))
    np.testing.assert_array_equal(call.arrays[0][:6], portable(layer, x))


def with_second_sum(total: int, seed: int = 0) -> FullyConnectedLayer:
    """The second output's largest sum is ``total``, input zero point 0."""
    weights = np.full((4, 600), -100)
    weights[1] = 109
    weights[3] = 3
    bias = np.zeros(4, np.int64)
    bias[1] = total - 128 * 109 * 600
    layer = replace(layer_of(600, 4, WeightStorage.BYTES, seed), input_zero_point=0, bias=bias)
    scaling = Requantization(np.full(4, 2**30 + 12345), np.full(4, -15), zero_point=-9)
    return replace(layer, weights=weights.astype(np.int8), requantization=scaling)


def test_second_of_a_pair_up_to_its_bound(portable):
    layer = with_second_sum(2**23 - 1)
    check(layer, portable, np.full(600, -128), np.full(600, 127))


def test_second_of_a_pair_beyond_its_bound_is_refused():
    with pytest.raises(Refusal, match="output 1: 256 times its sum may leave 32 bits"):
        fully_connected(with_second_sum(2**23), "layer")
    fully_connected(replace(with_second_sum(2**23), weight_storage=WeightStorage.WIDE), "layer")


def test_lanes_hold_what_int16_holds(portable):
    layer = layer_of(9, 4, WeightStorage.BYTES)
    layer.weights[0], layer.weights[1] = 0, -128
    check(layer, portable)
    layer.weights[0, 5] = -1
    with pytest.raises(Refusal, match="output 1: a weight of -128 beside a negative one"):
        fully_connected(layer, "layer")


@FORMATS
def test_a_sum_beyond_30_bits_is_refused(weight_storage):
    layer = replace(layer_of(8, 4, weight_storage), bias=np.array([0, 0, 2**30, 0]))
    with pytest.raises(Refusal, match="output channel 2: the scaled sum may leave 32 bits"):
        fully_connected(layer, "layer")


@FORMATS
def test_wide_weights_take_two_bytes_and_others_one(weight_storage):
    kernel = fully_connected(layer_of(128, 12, weight_storage), "layer")
    beside = 4 * 12 + 8  # start values; multiplier and C
    weight_bytes = 2 if weight_storage is WeightStorage.WIDE else 1
    assert kernel.constants.nbytes == weight_bytes * 128 * 12 + beside
    assert kernel.scratch_bytes == 2 * 128
