"""What the exported winner does: accuracy on the test set, equality with the reference, a run on a device.

The test set is touched here and nowhere before. Accuracy is that of our C on the host; a sample of its
outputs is compared with TFLite Micro's, and another with those of the firmware on an emulated core.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
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
from mcu_nas.devices.measurement import input_bytes, measure_layers
from mcu_nas.devices.serial_link import DeviceLink
from mcu_nas.devices.session import emulated_device
from mcu_nas.search.evaluation.evaluator import accuracy
from mcu_nas.search.run.run_folder import RunFolder
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


def run_emulated(
    image: FirmwareImage,
    board: Board,
    model: Path,
    dataset: Dataset,
    count: int,
    seed: int,
    on_sample: Callable[[int], None] = lambda done: None,
) -> Mapping[str, Any]:
    """A stratified sample of ``count`` test images through the firmware, over serial, after one boot.

    Instructions in all and per layer are those of the first image. Every image's outputs are compared with
    the host's, byte by byte. ``on_sample`` is called with the number of images done, after each.

    Raises:
        DeviceError: the emulator or the firmware in it fails; nothing is given for the rest.
    """
    chosen = stratified_sample(dataset.test_labels, count, seed)
    program = load_program(model)
    network = program.graph.network
    pixels = resize(dataset.test_images[chosen], network.shape(network.inputs[0])[1])
    with emulated_device(board, image.elf) as link:
        measured = measure_layers(link, pixels[0], emulated=True)
        outputs = np.stack([link.outputs(), *_device_outputs(link, pixels[1:], on_sample)])
        memory = link.memory()
    expected = HostModel(program).run(quantized_pixels(pixels)).reshape(len(pixels), -1)
    differing = int(np.any(outputs != expected, axis=1).sum())
    return {
        "board": board.name,
        "unit": measured.unit.name,
        "kind": measured.unit.kind,
        "instructions": measured.total,
        "layers": [
            {"name": layer.name, "macs": layer.macs, "instructions": layer.count} for layer in measured.layers
        ],
        "outputs": outputs[0].tolist(),
        "samples": len(outputs),
        "differing": differing,
        "equals_host": differing == 0,
        "accuracy": accuracy(outputs.argmax(1), dataset.test_labels[chosen]),
        "stack_used_bytes": memory.stack_used,
    }


def _device_outputs(
    link: DeviceLink, pixels: np.ndarray, on_sample: Callable[[int], None]
) -> Iterator[np.ndarray]:
    """Outputs int8 of each of the further images uint8 (N, H, W, C); the first is done already."""
    info = link.hello()
    on_sample(1)
    for done, image in enumerate(pixels, 2):
        link.load(input_bytes(info, image))
        link.infer(1, 0)
        yield link.outputs()
        on_sample(done)
