"""What the exported winner does: accuracy on the test set, equality with the reference, a run on a device.

The test set is touched here and nowhere before. Accuracy is that of our C on the host, whose outputs equal
the firmware's; a sample of them is compared with TFLite Micro.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mcu_nas.boards import Board
from mcu_nas.compiler.c_text import c_identifier
from mcu_nas.compiler.export import load_program
from mcu_nas.datasets.dataset import Dataset
from mcu_nas.datasets.images import resize
from mcu_nas.datasets.splits import stratified_sample
from mcu_nas.devices.build import FirmwareImage, build_firmware
from mcu_nas.devices.host import HostModel
from mcu_nas.devices.measurement import measure_layers
from mcu_nas.devices.session import emulated_device
from mcu_nas.search.evaluator import accuracy
from mcu_nas.search.run_folder import RunFolder
from mcu_nas.supernet.torch_network import TorchNetwork, predict
from mcu_nas.tflite.reference import reference_available, reference_outputs

COMPARED = 500


def quantized_pixels(images: np.ndarray) -> np.ndarray:
    """uint8 pixels as the exported input's int8: pixel - 128."""
    return (images ^ 0x80).view(np.int8)


def verify_accuracy(network: TorchNetwork, model: Path, dataset: Dataset, seed: int) -> dict[str, Any]:
    """Float and int8 accuracy on the test set, and how many of COMPARED outputs differ from TFLite Micro.

    ``compared_with_tflite_micro`` is 0 where that package is not installed.
    """
    _, resolution, _, _ = network.network.shape(network.network.inputs[0])
    images = resize(dataset.test_images, resolution)
    outputs = HostModel(load_program(model)).run(quantized_pixels(images))
    chosen = np.empty(0, np.int64)
    differing = 0
    if reference_available():
        chosen = stratified_sample(dataset.test_labels, min(COMPARED, len(images)), seed)
        (expected,) = reference_outputs(model.read_bytes(), quantized_pixels(images[chosen]))
        differing = int(np.any(outputs[chosen] != expected, axis=1).sum())
    return {
        "images": len(images),
        "float": accuracy(predict(network, images).argmax(1).numpy(), dataset.test_labels),
        "int8": accuracy(outputs.argmax(1), dataset.test_labels),
        "compared_with_tflite_micro": len(chosen),
        "differing": differing,
    }


def build_for(folder: RunFolder, board: Board) -> FirmwareImage:
    """Firmware of a run's exported winner for a board, in the run folder."""
    return build_firmware(folder.sources, c_identifier(folder.model.stem), board, folder.firmware(board.name))


def image_record(image: FirmwareImage) -> dict[str, Any]:
    """A firmware image as run.json holds it."""
    return {
        "elf": str(image.elf),
        "flash_bytes": image.flash_bytes,
        "code_bytes": image.code_bytes,
        "constant_bytes": image.constant_bytes,
        "sram_bytes": image.sram_bytes,
        "arena_bytes": image.arena_bytes,
        "stack_bytes": image.stack_bytes,
    }


def run_emulated(image: FirmwareImage, board: Board, model: Path, pixels: np.ndarray) -> Mapping[str, Any]:
    """One inference over serial: instructions in all and per layer, outputs, equality with the host's.

    ``pixels`` uint8 (H, W, C) at the model's resolution.
    """
    with emulated_device(board, image.elf) as link:
        measured = measure_layers(link, pixels, emulated=True)
        outputs = link.outputs()
        memory = link.memory()
    expected = HostModel(load_program(model)).run(quantized_pixels(pixels)[None])[0]
    return {
        "board": board.name,
        "unit": measured.unit.name,
        "kind": measured.unit.kind,
        "instructions": measured.total,
        "layers": [
            {"name": layer.name, "macs": layer.macs, "instructions": layer.count} for layer in measured.layers
        ],
        "outputs": outputs.tolist(),
        "equals_host": bool(np.array_equal(outputs, expected.ravel())),
        "stack_used_bytes": memory.stack_used,
    }
