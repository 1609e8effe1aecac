"""Fits boards/cores/<core>.toml: instructions per latency feature of every kernel, on the emulated core.

    python -m benchmarks.core_profile --core cortex-m7 --networks 40 --write

Networks drawn from the MBConv spaces and random single layers are built into firmware with weights as
training leaves them (trained_weights.py), run once on the emulated board, and counted layer by layer.
Non-negative least squares of the relative error gives the coefficients. A quarter of the networks is held
out: the script prints their error, and beside it that of MACs alone.
"""

from __future__ import annotations

import argparse
import math
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.random import Generator

from benchmarks.profiled_networks import random_layers, random_mbconv
from benchmarks.trained_weights import with_trained_weights
from mcu_nas.boards import Board, board_names, load_board
from mcu_nas.compiler.catalogue import KERNELS, kernels_of
from mcu_nas.compiler.emit import write_sources
from mcu_nas.compiler.kernel_calls import KernelCall
from mcu_nas.compiler.latency_features import LATENCY_FEATURES, latency_features
from mcu_nas.compiler.planner import Optimize
from mcu_nas.compiler.program import Program, compile_graph
from mcu_nas.compiler.target import Target, targets
from mcu_nas.cores import instruction_set
from mcu_nas.devices.build import build_firmware
from mcu_nas.devices.measurement import measure_layers
from mcu_nas.devices.session import emulated_device
from mcu_nas.devices.symbols import read_symbols
from mcu_nas.network import Network, op_macs
from mcu_nas.quantize.synthetic import random_graph
from mcu_nas.resources import boards_dir

# Clocks per instruction until a board has measured them: low, central, high. A vector instruction takes a
# Cortex-M55 two clocks, in the second of which one of another pipeline may begin (LLVM, ARMScheduleM55.td);
# how often that comes to pass is assumed. The inner loop of a dot product: on a Cortex-M3 21 clocks for 11
# instructions, as MLA and a load before it take two (Arm 100165); on a Cortex-M0 27 for 19, as a load takes
# two and a taken branch three (Arm DDI 0432), which takes a Cortex-M0+ two (Arm DDI 0484).
CYCLES_PER_INSTRUCTION = {
    "cortex-m0": (1.2, 1.4, 1.8),
    "cortex-m0plus": (1.1, 1.35, 1.7),
    "cortex-m3": (1.4, 1.8, 2.1),
    "cortex-m33": (1.0, 1.2, 1.4),
    "cortex-m7": (0.8, 1.0, 1.3),
    "cortex-m4": (1.0, 1.2, 1.4),
    "cortex-m55": (1.0, 1.5, 2.0),
}

# Cores that have no emulated board, or one with too little memory for the networks: another core that runs
# their instructions.
MEASURED_ON = {"cortex-m0": "cortex-m3", "cortex-m0plus": "cortex-m3"}


@dataclass(frozen=True)
class Sample:
    """One layer of one network: kernel, features and instructions."""

    network: int
    kernel: str
    features: tuple[float, ...]
    instructions: int
    macs: int


@dataclass(frozen=True)
class Measured:
    """Layers of all networks, code bytes of each kernel, and bytes of generated code a layer."""

    samples: list[Sample]
    code_bytes: dict[str, int]
    layer_code_bytes: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--core", choices=sorted(CYCLES_PER_INSTRUCTION), required=True)
    parser.add_argument("--networks", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", action="store_true", help="replace the core's file")
    options = parser.parse_args()
    measured = measure(options.core, options.networks, options.seed)
    held_out = [s for s in measured.samples if is_held_out(s)]
    fitted = fit([s for s in measured.samples if not is_held_out(s)], options.core)
    report(fitted, held_out)
    if options.write:
        path = boards_dir() / "cores" / f"{options.core}.toml"
        path.write_text(profile_text(options.core, options.networks, fitted, measured), encoding="utf-8")
        print(f"wrote {path}")


def measure(core: str, count: int, seed: int) -> Measured:
    """Runs ``count`` networks on the emulated core."""
    board = profiled_board(core)
    rng = np.random.default_rng(seed)
    samples: list[Sample] = []
    code_bytes: dict[str, list[int]] = {}
    layer_code: list[int] = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(count):
            network = random_layers(rng) if number % 2 else random_mbconv(rng)
            # For a board without any room: the thriftiest kernels, wherever they are slower.
            optimize = (Optimize.SPEED, Optimize.MEMORY, Optimize.BOARD)[number // 2 % 3]
            target = targets(core)[number // 6 % len(targets(core))]
            program, elf, counts = run(network, optimize, target, rng, board, Path(folder) / str(number))
            sizes = symbol_sizes(elf)
            for call, instructions in zip(program.calls, counts, strict=True):
                if program.is_view(call):
                    continue
                kernel, op = call.kernel, call.op
                features = latency_features(network, op, kernel)
                macs = op_macs(network, op) or int(features[-1])
                samples.append(Sample(number, kernel.name, features, instructions, macs))
                code = brought_code(sizes, call)
                if code:
                    code_bytes.setdefault(kernel.name, []).append(code)
            run_here = sum(sample.network == number for sample in samples)
            layer_code.append(math.ceil(layer_bytes(sizes) / run_here))
            print(
                f"{number + 1}/{count}: {len(network.ops)} layers, {sum(counts):,} instructions", flush=True
            )
    # A kernel in C is linked once, with what its layers use; generated ones differ from layer to layer.
    generated = {kernel.name for kernel in KERNELS if kernel.is_generated}
    code = {name: round(np.mean(x)) if name in generated else max(x) for name, x in code_bytes.items()}
    return Measured(samples, code, max(layer_code))


def is_held_out(sample: Sample) -> bool:
    """Every fourth pair of an MBConv network and a chain of layers."""
    return sample.network // 2 % 4 == 3


def profiled_board(core: str) -> Board:
    """The emulated board with this core, or another that runs its instructions, as a board of that core."""
    boards = (load_board(name) for name in board_names())
    has = MEASURED_ON.get(core, core)
    board = next(board for board in boards if board.core == has and board.emulator)
    return board.model_copy(update={"core": core})


def run(
    network: Network, optimize: Optimize, target: Target, rng: Generator, board: Board, folder: Path
) -> tuple[Program, Path, list[int]]:
    """Builds and runs a network with weights as training leaves them: its program, image, and instructions a
    layer."""
    graph = with_trained_weights(random_graph(network, rng), rng)
    program = compile_graph(graph, "profiled", "0" * 16, optimize=optimize, target=target, as_given=True)
    write_sources(program, folder / "c")
    image = build_firmware(folder / "c", program.name, board, folder)
    shape = network.shape(network.inputs[0])[1:]
    pixels = rng.integers(0, 256, shape, dtype=np.uint8)
    with emulated_device(board, image.elf) as link:
        measured = measure_layers(link, pixels, emulated=True)
    return program, image.elf, [layer.count for layer in measured.layers]


def symbol_sizes(elf: Path) -> dict[str, int]:
    """Bytes of each function and constant of an image, by symbol name."""
    return {
        symbol.name: symbol.bytes for symbol in read_symbols(elf) if symbol.kind in "tTrR" and symbol.bytes
    }


def brought_code(sizes: dict[str, int], call: KernelCall) -> int:
    """Bytes of a layer's kernel: in C, or the generated functions that no layer before has."""
    if call.generated is None:
        return kernel_code_bytes(sizes, call.kernel.name)
    return sum(sizes[function.symbol] for function in call.generated.assembly.functions)


def kernel_code_bytes(sizes: dict[str, int], kernel: str) -> int:
    """Bytes of a kernel's function and of its file's static functions that were not inlined."""
    stem = kernel.replace("_s8", "")
    return sum(
        size for name, size in sizes.items() if name in (f"mcu_{kernel}", stem) or name.startswith(f"{stem}_")
    )


def layer_bytes(sizes: dict[str, int]) -> int:
    """Bytes of all that NAME.c adds besides weights: the layers' functions, arguments and table, the entry
    points and the model's description."""
    own = re.compile(r"layer_\d+_\w+|layers|labels|inputs|outputs|profiled_(input|output|run|model)")
    return sum(size for name, size in sizes.items() if own.fullmatch(name))


def fit(samples: list[Sample], core: str) -> dict[str, np.ndarray]:
    """Coefficients per kernel by non-negative least squares of the relative error."""
    fitted = {}
    for kernel in kernels_of(instruction_set(core)):
        own = [s for s in samples if s.kernel == kernel.name]
        if not own:
            raise SystemExit(f"no layer runs {kernel.name}: more --networks, or layers that use it")
        counts = np.array([s.instructions for s in own], dtype=float)
        features = np.array([s.features for s in own])
        fitted[kernel.name] = non_negative_least_squares(features / counts[:, None], np.ones(len(own)))
    return fitted


def non_negative_least_squares(matrix: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Least squares with coefficients ≥ 0: drops the most negative column until none is."""
    active = list(range(matrix.shape[1]))
    while True:
        solution, *_ = np.linalg.lstsq(matrix[:, active], target, rcond=None)
        if (solution >= 0).all():
            break
        del active[int(np.argmin(solution))]
    coefficients = np.zeros(matrix.shape[1])
    coefficients[active] = solution
    return coefficients


def report(fitted: dict[str, np.ndarray], held_out: list[Sample]) -> None:
    """Prints the error on networks that the fit did not see."""
    for kernel, coefficients in fitted.items():
        errors = [abs(coefficients @ s.features / s.instructions - 1) for s in held_out if s.kernel == kernel]
        shown = ", ".join(f"{n} {c:.2f}" for n, c in zip(LATENCY_FEATURES, coefficients, strict=True) if c)
        mean = f"{np.mean(errors):6.1%}" if errors else "     –"
        print(f"{kernel:20} {len(errors):4} layers, mean error {mean}  {shown}")
    numbers = np.array([s.network for s in held_out])
    counted, estimated, macs = (
        np.bincount(numbers, values)[np.unique(numbers)]
        for values in (
            [s.instructions for s in held_out],
            [fitted[s.kernel] @ s.features for s in held_out],
            [s.macs for s in held_out],
        )
    )
    errors, macs_errors = (abs(e / counted - 1) for e in (estimated, macs * np.median(counted / macs)))
    print(f"whole networks, held out: mean error {errors.mean():.1%}, worst {errors.max():.1%}")
    print(f"MACs alone: mean error {macs_errors.mean():.1%}, worst {macs_errors.max():.1%}")


def profile_text(core: str, networks: int, fitted: dict[str, np.ndarray], measured: Measured) -> str:
    """The TOML file."""
    low, central, high = CYCLES_PER_INSTRUCTION[core]
    lines = [
        f"# What our kernels cost on a {core}: counted on the emulator, -O2. Made by",
        f"#   python -m benchmarks.core_profile --core {core} --networks {networks} --write",
        f'core = "{core}"',
        f"layer_code_bytes = {measured.layer_code_bytes}",
        "",
        "[cycles_per_instruction]  # an assumption until a board has measured it",
        f"low = {low}",
        f"central = {central}",
        f"high = {high}",
    ]
    for kernel, coefficients in fitted.items():
        lines += [
            "",
            f"[kernels.{kernel}]",
            f"code_bytes = {measured.code_bytes[kernel]}",
            "[kernels." + kernel + ".instructions]",
        ]
        lines += [f"{name} = {value:.4f}" for name, value in zip(LATENCY_FEATURES, coefficients, strict=True)]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
