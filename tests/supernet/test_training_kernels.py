"""The C kernels of training compute what torch computes; their gradients are those of finite differences."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck
from torch.nn import functional as F

from mcu_nas.errors import ToolError
from mcu_nas.operators import Activation
from mcu_nas.supernet.depthwise import depthwise_conv2d
from mcu_nas.supernet.native import kernels
from mcu_nas.supernet.normalise import Unnormalised, normalise

EPSILON = 1e-3
CLAMPS = {Activation.NONE: (None, None), Activation.RELU: (0.0, None), Activation.RELU6: (0.0, 6.0)}


def draw(*shape: int, dtype: torch.dtype = torch.float64, scale: float = 1.0) -> Tensor:
    generator = torch.Generator().manual_seed(sum(shape))
    values = torch.randn(shape, generator=generator, dtype=torch.float64) * scale
    return (
        values.to(dtype, memory_format=torch.channels_last).requires_grad_()
        if len(shape) == 4
        else values.to(dtype).requires_grad_()
    )


def in_torch(x: Tensor, gain: Tensor, shift: Tensor, activation: Activation) -> Tensor:
    y = F.batch_norm(x, None, None, gain, shift, True, 0.0, EPSILON)
    low, high = CLAMPS[activation]
    return y if low is None else y.clamp(low, high)


@pytest.mark.parametrize("activation", list(CLAMPS))
@pytest.mark.parametrize("channels", [8, 12, 16, 21])
def test_batch_norms_gradients_are_those_of_finite_differences(channels: int, activation: Activation) -> None:
    inputs = draw(2, channels, 5, 4), draw(channels, scale=3.0), draw(channels)
    assert gradcheck(lambda x, g, s: normalise(x, g, s, EPSILON, activation), inputs)


@pytest.mark.parametrize("edges", [(1, 1, 1, 1), (0, 1, 0, 1), (2, 2, 0, 1)])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel", [3, 5])
def test_gradients_through_batch_norm_and_depthwise_are_those_of_finite_differences(
    kernel: int, stride: int, edges: tuple[int, int, int, int]
) -> None:
    def both(x: Tensor, gain: Tensor, shift: Tensor, weight: Tensor) -> Tensor:
        norm = Unnormalised(x, gain, shift, EPSILON, Activation.RELU6)
        return depthwise_conv2d(norm, weight, (stride, stride), edges)

    inputs = draw(2, 12, 5, 6), draw(12, scale=3.0), draw(12), draw(12, 1, kernel, kernel)
    assert gradcheck(both, inputs)


@pytest.mark.parametrize("kernel", [3, 5, 7])
@pytest.mark.parametrize("plane", [1, 4, 7, 14])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_batch_norm_before_depthwise_equals_torchs(plane: int, kernel: int, dtype: torch.dtype) -> None:
    x, weight = draw(8, 20, plane, plane, dtype=dtype), draw(20, 1, kernel, kernel, dtype=dtype)
    gain, shift = draw(20, dtype=dtype, scale=3.0), draw(20, dtype=dtype)
    inputs, half = (x, gain, shift, weight), kernel // 2
    norm = Unnormalised(x, gain, shift, EPSILON, Activation.RELU6)
    got = depthwise_conv2d(norm, weight, (1, 1), (half,) * 4)
    expected = F.conv2d(in_torch(x, gain, shift, Activation.RELU6), weight, None, 1, half, 1, 20)
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4)
    for one, other in zip(
        torch.autograd.grad(got.square().sum(), inputs),
        torch.autograd.grad(expected.square().sum(), inputs),
        strict=True,
    ):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-3 * float(other.abs().max()))


def test_mean_far_from_zero_does_not_cancel_the_variance() -> None:
    x = draw(16, 8, 10, 10, dtype=torch.float32).detach() + 1000.0
    gain, shift = torch.ones(8), torch.zeros(8)
    exact = in_torch(x.double(), gain.double(), shift.double(), Activation.NONE)
    got = normalise(x, gain, shift, EPSILON, Activation.NONE).double()
    torch.testing.assert_close(got, exact, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("channels", [1, 7])
def test_fewer_channels_than_a_vector_are_torchs_own(channels: int) -> None:
    x, gain, shift = draw(2, channels, 4, 4), draw(channels), draw(channels)
    got = normalise(x, gain, shift, EPSILON, Activation.RELU6)
    torch.testing.assert_close(got, in_torch(x, gain, shift, Activation.RELU6))


def test_missing_compiler_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    kernels._built.cache_clear()
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ToolError, match="apt install gcc"):
        kernels.library(torch.float32)


def test_kernels_are_built_once_and_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    times = []
    for _ in range(2):
        kernels._built.cache_clear()
        kernels.library(torch.float32)
        (kept,) = (tmp_path / "mcu-nas" / "kernels").iterdir()
        times.append(kept.stat().st_mtime_ns)
    assert times[0] == times[1]
