"""Images per second of supernet training and of the same supernet in plain PyTorch; where the time goes.

    python benchmarks/supernet_speed.py     # about two minutes on two cores; writes supernet_speed.md

Plain is what one would write first: NCHW float32 in eager mode, F.conv2d, F.batch_norm, F.relu6,
loss.backward() and torch.optim.SGD, each operator spread over torch's threads. Both train the same
weights on the same batches and subnets. Rounds of the two alternate, so that what else the machine does
meets both; the figures are medians of the rounds. On a busy machine, threads of one operator wait for each
other: there, compare with --threads 1, by processor time.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.profiler import ProfilerActivity, profile

from mcu_nas.datasets.catalogue import load_dataset
from mcu_nas.operators import Activation, Add, FullyConnected, Mean
from mcu_nas.spaces.space import Space, mbconv_space
from mcu_nas.supernet.feed import Feed
from mcu_nas.supernet.layers import BATCH_NORM_EPSILON, Layer, crop
from mcu_nas.supernet.lowering import Step, lower_to_torch
from mcu_nas.supernet.schedule import Schedule, SupernetSchedule
from mcu_nas.supernet.supernet import Supernet
from mcu_nas.supernet.torch_network import layer_of, to_pixels
from mcu_nas.supernet.training import train_supernet

RESULTS = Path(__file__).with_suffix(".md")
BATCH, SHARES, STEPS = 256, 2, 2  # images a step, subnets a step, steps a round
NONE = Schedule(steps=0, batch=BATCH, learning_rate=0.0)
SAMPLED = Schedule(steps=STEPS, batch=BATCH, learning_rate=0.01, shares=SHARES, shift=1, mirror=True)

# What a profiler's event belongs to, by the beginning of its name; the first that fits counts.
CLASSES = {
    "convolutions, gradients": ("aten::convolution_backward", "_DepthwiseConv2dBackward"),
    "convolutions, forward": ("aten::mkldnn_convolution", "_DepthwiseConv2d"),
    "batch norm and activation": ("aten::native_batch_norm", "aten::hardtanh", "aten::clamp", "_Normalise"),
}
OTHER = "all else"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--threads", type=int, default=SHARES)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    data = load_dataset("fashion-mnist")
    space = mbconv_space(28, 1, 10, (28,), (0.5,))
    feed = Feed(data.train_images, data.train_labels, seed=0, mirrorable=True)
    ways = {"plain": Plain(space, feed).train, "mcu_nas": Ours(space, feed).train}
    for train in ways.values():
        train()  # builds, allocates
    rates: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for _ in range(options.rounds):
        for way, train in ways.items():
            rates[way].append(timed(train))
    text = report(rates, {way: classes(train) for way, train in ways.items()}, options.threads)
    print(text)
    RESULTS.write_text(text)


class Ours:
    """Rounds of train_supernet."""

    def __init__(self, space: Space, feed: Feed) -> None:
        self._supernet, self._feed = Supernet(space, seed=0), feed

    def train(self) -> None:
        """One round of STEPS steps."""
        train_supernet(self._supernet, self._feed, SupernetSchedule(NONE, SAMPLED))


class Plain:
    """The same in plain PyTorch."""

    def __init__(self, space: Space, feed: Feed) -> None:
        self._supernet, self._feed = Supernet(space, seed=0).train(), feed
        for parameter in self._supernet.parameters():
            parameter.data = parameter.data.contiguous()
        self._optimizer = torch.optim.SGD(
            self._supernet.parameters(), lr=0.01, momentum=0.9, nesterov=True, weight_decay=5e-5
        )

    def train(self) -> None:
        """One round of STEPS steps."""
        for step in range(STEPS):
            images, labels = self._feed.batch(step, SAMPLED)
            pixels = to_pixels(images).clone(
                memory_format=torch.contiguous_format
            )  # of one channel, both formats fit
            rng = np.random.default_rng((self._feed.seed, 2, step))  # as training.py draws its subnets
            self._optimizer.zero_grad()
            for x, y in zip(pixels.chunk(SHARES), labels.chunk(SHARES), strict=True):
                logits = self._forward(x, self._supernet.space.sample(rng))
                (F.cross_entropy(logits, y, label_smoothing=SAMPLED.label_smoothing) / SHARES).backward()
            self._optimizer.step()

    def _forward(self, pixels: Tensor, architecture: object) -> Tensor:
        network = self._supernet.space.lower(architecture)  # type: ignore[arg-type]
        live = {network.inputs[0]: pixels}
        for step in lower_to_torch(network):
            live[step.output] = x = self._run(step, live)
        return x

    def _run(self, step: Step, live: dict[int, Tensor]) -> Tensor:
        x, op = live[step.inputs[0]], step.op
        if isinstance(op, Add):
            return x + live[step.inputs[1]]
        if isinstance(op, Mean):
            return x.mean((2, 3), keepdim=op.keep_dims)
        layer: Layer = layer_of(self._supernet.layers, step)
        weight = crop(layer.weight, step.weight_shape)
        if isinstance(op, FullyConnected):
            return F.linear(x.flatten(1), weight, layer.bias)
        if step.edges is not None:
            x = F.pad(x, step.edges)
        y = F.conv2d(x, weight, None, op.stride, step.padding, 1, step.groups)  # type: ignore[union-attr]
        gain, shift = layer.gain[: y.shape[1]], layer.shift[: y.shape[1]]
        y = F.batch_norm(y, None, None, gain, shift, True, 0.0, BATCH_NORM_EPSILON)
        return F.relu6(y) if op.activation is Activation.RELU6 else y  # type: ignore[union-attr]


def timed(train: Callable[[], None]) -> tuple[float, float]:
    """Images per second of one round: by the clock, and by the processor time of all threads."""
    wall, cpu = time.perf_counter(), time.process_time()
    train()
    images = STEPS * BATCH
    return images / (time.perf_counter() - wall), images / (time.process_time() - cpu)


def classes(train: Callable[[], None]) -> dict[str, float]:
    """Milliseconds a step by class of operator, on one thread, as the profiler sees but the caller's."""
    torch.set_num_threads(1)
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        train()
    found: dict[str, float] = defaultdict(float)
    for event in profiler.key_averages():
        found[_class(event.key)] += event.self_cpu_time_total / 1000 / STEPS
    return found


def _class(event: str) -> str:
    return next((name for name, starts in CLASSES.items() if event.startswith(starts)), OTHER)


def report(
    rates: dict[str, list[tuple[float, float]]], profiles: dict[str, dict[str, float]], threads: int
) -> str:
    """The results file."""
    wall = {way: statistics.median(rate for rate, _ in found) for way, found in rates.items()}
    cpu = {way: statistics.median(rate for _, rate in found) for way, found in rates.items()}
    ratios = [ours / plain for (ours, _), (plain, _) in zip(rates["mcu_nas"], rates["plain"], strict=True)]
    plain, ours = (profiles[way] for way in ("plain", "mcu_nas"))
    whole = sum(plain.values())
    rows = "".join(
        f"| {name} | {plain.get(name, 0.0) / whole:.0%} | {ours.get(name, 0.0) / whole:.0%} |\n"
        for name in (*CLASSES, OTHER)
    )
    spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
    ratio = cpu["mcu_nas"] / cpu["plain"]
    return f"""# Supernet training: images per second

`python benchmarks/supernet_speed.py --threads {threads}`: torch {torch.__version__} on {os.cpu_count()} cores
({platform.machine()}), load {os.getloadavg()[0]:.0f} of which this is {threads}. {len(ratios)} rounds each,
alternating, of {STEPS} steps of {BATCH} images in {SHARES} subnets.

| | plain NCHW float32 eager | mcu_nas | ratio |
|---|---|---|---|
| images per second | {wall["plain"]:.0f} | {wall["mcu_nas"]:.0f} | {spread} |
| images per processor second | {cpu["plain"]:.0f} | {cpu["mcu_nas"]:.0f} | {ratio:.2f} |

Where a step's time goes, in shares of the plain step's, on one thread:

| | plain | mcu_nas |
|---|---|---|
{rows}"""


if __name__ == "__main__":
    main()
