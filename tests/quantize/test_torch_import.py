"""PyTorch modules as FloatNetworks: the same numbers, or one line that names what has no operator."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from mcu_nas.errors import ModelError, UnsupportedError
from mcu_nas.network import Network
from mcu_nas.operators import Add, Conv2D, DepthwiseConv2D, FullyConnected, Mul, Pad, Padding, Sub, Transpose
from mcu_nas.quantize.execution import execute, pixels_of
from mcu_nas.quantize.float_network import FloatNetwork
from mcu_nas.quantize.torch_import import import_module, module_outputs
from tests.quantize.modules import ARCHITECTURES, Decoder, Flattening, ResNet, Separable, made


def pixels(shape: tuple[int, int, int], count: int = 5) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (count, *shape), np.uint8)


def imported(module: nn.Module, shape: tuple[int, int, int] = (28, 28, 1)) -> FloatNetwork:
    """The imported network, which computes what the module does."""
    network = import_module(module, shape).network
    images = pixels(shape)
    got = execute(network, pixels_of(images, 1.0)).flatten(1).numpy()
    np.testing.assert_allclose(got, module_outputs(module, images, 1.0), rtol=1e-4, atol=1e-4)
    return network


def names(network: Network) -> list[str]:
    return [op.tflite_name for op in network.ops]


class Function(nn.Module):
    """A function of an image, then its mean over height and width, or itself where it is a row."""

    def __init__(self, function: object) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        x = self.function(x)  # type: ignore[operator]
        return x.mean((2, 3)) if x.ndim == 4 else x


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("seed", [0, 1])
def test_imported_network_computes_what_torch_does(architecture: type[nn.Module], seed: int) -> None:
    imported(made(architecture, seed))


@given(
    size=st.integers(5, 14),
    kernel=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    dilation=st.integers(1, 2),
    padding=st.tuples(st.integers(0, 3), st.integers(0, 3)),
    depthwise=st.booleans(),
)
@settings(max_examples=15)
def test_any_convolution_reads_the_pixels_that_torch_reads(
    size: int,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    dilation: int,
    padding: tuple[int, int],
    depthwise: bool,
) -> None:
    if any(size + 2 * p < (k - 1) * dilation + 1 for p, k in zip(padding, kernel, strict=True)):
        return
    conv = nn.Conv2d(2, 4, kernel, stride, padding, dilation, groups=2 if depthwise else 1)
    imported(nn.Sequential(conv, nn.Flatten()).eval(), (size, size + 1, 2))


def test_batch_norms_and_activations_leave_no_operator() -> None:
    found = names(imported(made(ResNet)).network)
    assert set(found) == {"PAD", "CONV_2D", "MAX_POOL_2D", "ADD", "MEAN", "RESHAPE", "FULLY_CONNECTED"}


@pytest.mark.parametrize(("size", "operators"), [(28, ["PAD", "CONV_2D"]), (27, ["CONV_2D"])])
def test_symmetric_padding_is_same_only_where_tflite_pads_alike(size: int, operators: list[str]) -> None:
    module = nn.Sequential(nn.Conv2d(1, 2, 3, 2, 1), nn.Flatten(), nn.Linear(392, 3))
    network = imported(module.eval(), (size, size, 1)).network
    assert names(network) == [*operators, "RESHAPE", "FULLY_CONNECTED"]
    for op in network.ops:
        if isinstance(op, Pad):
            assert op.amounts == ((0, 0), (1, 0), (1, 0), (0, 0))  # the padding after is never read
        if isinstance(op, Conv2D):
            assert op.padding is (Padding.VALID if size == 28 else Padding.SAME)


def test_normalisation_goes_into_a_convolution_without_padding() -> None:
    module = nn.Sequential(Function(lambda x: x), nn.Linear(2, 2))
    module[0].function = nn.Sequential(nn.BatchNorm2d(2), nn.Conv2d(2, 2, 3))
    network = imported(module.eval(), (8, 8, 2)).network
    assert names(network) == ["CONV_2D", "MEAN", "FULLY_CONNECTED"]


def test_normalisation_before_padding_is_one_depthwise_convolution() -> None:
    network = imported(made(Separable)).network
    assert isinstance(network.ops[0], DepthwiseConv2D)
    assert network.shape(network.ops[0].inputs[1]) == (1, 1, 1, 1)
    assert not any(isinstance(op, Mul | Add | Sub) for op in network.ops)


def test_classifier_columns_follow_a_flattened_image() -> None:
    assert not any(isinstance(op, Transpose) for op in imported(made(Flattening)).network.ops)


def test_row_made_an_image_is_transposed() -> None:
    assert any(isinstance(op, Transpose) for op in imported(made(Decoder)).network.ops)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: 1.5 - x * torch.tensor([0.5, 2.0]).view(1, 2, 1, 1),
        lambda x: -x / 3 + x.square(),
        lambda x: F.silu(x) + F.hardsigmoid(x) - torch.tanh(x),
        lambda x: F.leaky_relu(x - 0.5, 0.2).clamp(0, 6),
        lambda x: torch.cat((x.flatten(1), x.mean((2, 3))), 1),
        lambda x: F.avg_pool2d(x, 3, 2, 1),
        lambda x: F.avg_pool2d(x, 3, 1, 1, count_include_pad=False),
        lambda x: F.max_pool2d(x, 2, 2, ceil_mode=True),
        lambda x: F.adaptive_avg_pool2d(x, (3, 1)).flatten(1),
        lambda x: F.adaptive_max_pool2d(x, 3).flatten(1),
        lambda x: x.amax((2, 3)),
        lambda x: F.pad(x, (1, 2)).flatten(1),
        lambda x: x.permute(0, 2, 3, 1).reshape(x.shape[0], -1),
        lambda x: F.interpolate(x, scale_factor=3, mode="nearest").flatten(1),
        lambda x: torch.stack(x.unbind(1), 1).flatten(1) if x.shape[1] == 1 else x[:, 1:, ::2, 3:].flatten(1),
        lambda x: F.softmax(x.flatten(1), -1),
        lambda x: F.dropout(x.float().contiguous().to(x.dtype), 0.5, training=False),
        lambda x: F.relu(x.flatten(1)) + x.transpose(2, 3).flatten(1),
    ],
)
def test_functions_of_an_image(function: object) -> None:
    imported(Function(function).eval(), (9, 9, 2))


def test_groups_are_parts_joined_again() -> None:
    module = nn.Sequential(nn.Conv2d(4, 6, 3, 2, 1, groups=2), nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten())
    network = imported(module.eval(), (8, 8, 4)).network
    assert names(network)[:5] == ["PAD", "STRIDED_SLICE", "CONV_2D", "STRIDED_SLICE", "CONV_2D"]


def test_log_softmax_at_the_end_is_left_out_and_said() -> None:
    found = import_module(nn.Sequential(nn.Flatten(), nn.Linear(16, 3), nn.LogSoftmax(1)).eval(), (4, 4, 1))
    assert names(found.network.network) == ["RESHAPE", "FULLY_CONNECTED"]
    assert found.notes == ("the log_softmax at the end is left out: its logits decide alike",)


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 8, 3)
        self.block = nn.ModuleDict({"attn": nn.MultiheadAttention(8, 2, batch_first=True)})

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x).flatten(2).transpose(1, 2)
        return self.block["attn"](x, x, x)[0].mean(1)


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (Attention(), "forward: torch view is not supported"),
        (nn.Sequential(nn.Conv2d(1, 2, 3), nn.GELU()), "1: nn.GELU is not supported: no operator for gelu"),
        (
            nn.Sequential(nn.Conv2d(1, 64, 3), nn.Conv2d(64, 64, 3, groups=32)),
            "1: nn.Conv2d is not supported: groups=32",
        ),
        (nn.Sequential(nn.MaxPool2d(3, 2, 1)), "0: nn.MaxPool2d is not supported: padding"),
        (
            nn.Sequential(nn.Conv2d(1, 2, 3, padding=1, padding_mode="reflect")),
            "0: nn.Conv2d is not supported",
        ),
        (nn.Sequential(nn.Upsample(scale_factor=2, mode="bilinear")), "0: nn.Upsample is not supported"),
        (Function(lambda x: x.reshape(1, -1)), "forward: torch view is not supported: it mixes the images"),
        (Function(lambda x: torch.fft.rfft2(x).abs()), "forward: torch fft_rfft2 is not supported"),
        (nn.Sequential(nn.Conv2d(1, 2, 3)), "the model returns an image"),
        (Function(lambda x: torch.zeros(x.shape[0], 2)), "does not depend on its input"),
        (nn.Identity(), "or is its input"),
        (Function(lambda x: x.flatten(1) * x.mean()), "torch mean is not supported: it averages over"),
        (Function(lambda x: x.flatten(1).int()), "not supported: only float32 is"),
        (Function(lambda x: 2 ** x.flatten(1)), "torch pow is not supported"),
        (Function(lambda x: (x + torch.rand(1)).flatten(1)), "random"),
    ],
)
def test_what_has_no_operator_is_named_with_its_path(module: nn.Module, message: str) -> None:
    with pytest.raises(UnsupportedError) as refused:
        import_module(module.eval(), (8, 8, 1))
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_wrong_channels_are_one_line() -> None:
    with pytest.raises(ModelError, match=r"fails on images of 3×8×8 \(C×H×W\): RuntimeError: .*channels"):
        import_module(nn.Conv2d(1, 2, 3).eval(), (8, 8, 3))


def test_decisions_that_depend_on_values_are_refused() -> None:
    def judged(x: Tensor) -> Tensor:
        return x.flatten(1) if x.sum() > 0 else -x.flatten(1)

    with pytest.raises(ModelError, match="cannot be traced"):
        import_module(Function(judged).eval(), (8, 8, 1))


def leaving(x: Tensor) -> Tensor:
    raise SystemExit(0)


def test_module_that_ends_the_program_is_an_error_not_a_success() -> None:
    with pytest.raises(ModelError, match=r"fails on images of 1×8×8 \(C×H×W\): SystemExit: 0"):
        import_module(Function(leaving), (8, 8, 1))


def test_module_that_writes_into_its_input_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="writes into its input or its buffers"):
        import_module(Function(lambda x: x.relu_() * 2), (8, 8, 1))


def test_weights_become_what_the_tensors_say() -> None:
    network = imported(made(ResNet))
    for op in network.network.ops:
        if isinstance(op, Conv2D | FullyConnected):
            assert network.network.tensors[op.inputs[1]].dtype == "int8"
            assert network.constants[op.inputs[1]].dtype == np.float32
            assert network.constants[op.inputs[1]].shape == network.network.shape(op.inputs[1])
