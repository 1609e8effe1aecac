"""``mcu-nas run``: one inference on a device, over its serial line."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from tokenize import TokenError

import click
import numpy as np

from mcu_nas.boards import load_board
from mcu_nas.cli.device import built_firmware, check_way_to_device, open_device
from mcu_nas.cli.options import (
    PATH,
    board_option,
    json_option,
    loads_option,
    optimize_option,
    seed_option,
    weights_option,
)
from mcu_nas.cli.table import text_table
from mcu_nas.cli.target import model_path
from mcu_nas.compiler.planner import Optimize
from mcu_nas.compiler.program import Encoding, Program
from mcu_nas.compiler.target import Loads, WeightStorage
from mcu_nas.cost.board_program import load_program_for
from mcu_nas.devices.answers import MemoryUse
from mcu_nas.devices.build import FirmwareImage
from mcu_nas.devices.measurement import LayersMeasurement, measure_layers, split_outputs
from mcu_nas.devices.stack_bound import StackBound
from mcu_nas.errors import DataError

_NPY_MAGIC = b"\x93NUMPY"


@click.command(
    epilog="""\b
Examples:
  mcu-nas run kws.tflite --board qemu-cortex-m7
  mcu-nas run runs/stm32f746g-disco-fashion-mnist --board qemu-cortex-m4 --input image.npy
  mcu-nas run kws.tflite --board stm32f746g-disco --port /dev/ttyACM0"""
)
@click.argument("target", metavar="MODEL.tflite|RUN", type=PATH)
@board_option
@click.option(
    "--input",
    "input_files",
    type=PATH,
    multiple=True,
    metavar="X.npy",
    help="One input, uint8 pixels or int8, random by default; once for each of the model's inputs.",
)
@click.option("--port", metavar="P", help="Serial port of a flashed board, instead of the emulator.")
@optimize_option
@weights_option
@loads_option
@seed_option
@json_option
def command(
    target: Path,
    board: str,
    input_files: tuple[Path, ...],
    port: str | None,
    optimize: Optimize | None,
    weights: WeightStorage | None,
    loads: Loads,
    seed: int,
    as_json: bool,
) -> None:
    """Build the firmware, run one inference on the device, and show what it cost, layer by layer.

    On an emulated board the count is instructions; on a real one it is cycles of the core. What the timing
    itself takes is measured, and not counted.
    """
    the_board = load_board(board)
    check_way_to_device(the_board, port)
    program = load_program_for(model_path(target), the_board, optimize=optimize, weights=weights, loads=loads)
    sample = _inputs(program, input_files, seed)
    with built_firmware(program, the_board) as image, open_device(the_board, image, program, port) as link:
        measured = measure_layers(link, *sample, emulated=port is None)
        outputs, memory = split_outputs(program, link.outputs()), link.memory()
    following = _next_command(target, board, port)
    if as_json:
        print(json.dumps({**_record(program, measured, image, memory, outputs), "next": following}, indent=2))
        return
    print(_layers(measured))
    print()
    for values in outputs:
        print(f"outputs  {' '.join(map(str, values))}")
    print(f"{_memory(image, memory, program)}\nnext: {following}")


def _next_command(target: Path, board: str, port: str | None) -> str:
    """``measure`` needs the test images that only a run knows of; a file by itself can be audited."""
    if target.is_dir():
        return f"mcu-nas measure {shlex.quote(str(target))} --board {board}" + (
            f" --port {shlex.quote(port)}" if port else ""
        )
    return f"mcu-nas audit {shlex.quote(str(target))} --board {board}"


def _inputs(program: Program, files: tuple[Path, ...], seed: int) -> list[np.ndarray]:
    """Each input int8 (H, W, C) or uint8 pixels, from the files or random.

    Raises:
        DataError: another number of files than inputs; not an .npy file, or of another size or type.
    """
    network = program.graph.network
    shapes = [network.shape(tensor)[1:] for tensor in network.inputs]
    if not files:
        rng = np.random.default_rng(seed)
        return [rng.integers(-128, 128, shape, dtype=np.int8) for shape in shapes]
    if len(files) != len(shapes):
        raise DataError(f"{len(files)} --input for a model with {len(shapes)}: one for each, or none")
    return [_input(*given) for given in zip(files, shapes, program.input_encodings, strict=True)]


def _input(input_file: Path, shape: tuple[int, ...], encoding: Encoding) -> np.ndarray:
    sample = _read_npy(input_file)
    if sample.size != int(np.prod(shape)):
        raise DataError(f"{input_file}: is {sample.shape}, the model takes {shape}")
    taken = ("int8", "uint8") if encoding is Encoding.PIXEL_U8 else ("int8",)
    if sample.dtype.name not in taken:
        raise DataError(f"{input_file}: is {sample.dtype}, the model takes {' or '.join(taken)}")
    return sample.reshape(shape)


def _read_npy(path: Path) -> np.ndarray:
    """The array in an .npy file, mapped, so that a false header takes no memory.

    Raises:
        DataError: the file cannot be read, or is no whole .npy file.
    """
    try:
        with path.open("rb") as file:
            if file.read(len(_NPY_MAGIC)) != _NPY_MAGIC:
                raise DataError(f"{path}: is not an .npy file; numpy.save writes one")
        array: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
        return array
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {(error.strerror or str(error)).lower()}") from None
    except (ValueError, EOFError, SyntaxError, TokenError) as error:  # numpy's, of whatever a header holds
        raise DataError(f"{path}: is a broken .npy file: {error}") from None


def _layers(measured: LayersMeasurement) -> str:
    rows = [
        (str(number), layer.name, f"{layer.macs:,}", f"{layer.count:,}", _per_mac(layer.count, layer.macs))
        for number, layer in enumerate(measured.layers)
    ]
    rows.append(("", "between layers", "", f"{measured.between:,}", ""))
    rows.append(
        ("", "total", f"{measured.macs:,}", f"{measured.total:,}", _per_mac(measured.total, measured.macs))
    )
    header = ("op", "", "MACs", str(measured.unit), "per MAC")
    return text_table(header, rows, right=(0, 2, 3, 4))


def _per_mac(count: int, macs: int) -> str:
    ratio = _ratio(count, macs)
    return "-" if ratio is None else f"{ratio:.2f}"


def _ratio(count: int, macs: int) -> float | None:
    """What a MAC took; None of a layer without any."""
    return count / macs if macs else None


def _memory(image: FirmwareImage, memory: MemoryUse, program: Program) -> str:
    bound = _bound(image)
    return (
        f"memory   arena {program.arena_bytes:,} B, flash {image.flash_bytes:,} B"
        f" (code {image.code_bytes:,}, constants {image.constant_bytes:,}),\n"
        f"         stack {memory.stack_used:,} B used, at most {bound.firmware_bytes:,} B of"
        f" {memory.stack_bytes:,} B (of it an inference {bound.inference_bytes:,} B)"
    )


def _bound(image: FirmwareImage) -> StackBound:
    assert image.stack_bound is not None  # build_firmware's images have one
    return image.stack_bound


def _record(
    program: Program,
    measured: LayersMeasurement,
    image: FirmwareImage,
    memory: MemoryUse,
    outputs: list[np.ndarray],
) -> dict[str, object]:
    return {
        "model": program.name,
        "model_hash": program.model_hash,
        "unit": measured.unit.name,
        "kind": measured.unit.kind,
        "total": measured.total,
        "macs": measured.macs,
        "per_mac": _ratio(measured.total, measured.macs),
        "layers": [
            {
                "op": layer.name,
                "macs": layer.macs,
                "count": layer.count,
                "per_mac": _ratio(layer.count, layer.macs),
            }
            for layer in measured.layers
        ],
        "between_layers": measured.between,
        "outputs": outputs[0].tolist() if len(outputs) == 1 else [values.tolist() for values in outputs],
        "arena_bytes": program.arena_bytes,
        "flash_bytes": image.flash_bytes,
        "code_bytes": image.code_bytes,
        "hot_code_bytes": image.hot_code_bytes,
        "constant_bytes": image.constant_bytes,
        "stack_bytes": memory.stack_bytes,
        "stack_used_bytes": memory.stack_used,
        "stack_bound_bytes": _bound(image).firmware_bytes,
        "inference_stack_bound_bytes": _bound(image).inference_bytes,
    }
