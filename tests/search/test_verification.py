"""Test images on the emulated firmware, compared with the C on this computer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mcu_nas.boards import load_board
from mcu_nas.compiler.emit import write_sources
from mcu_nas.compiler.export import load_program
from mcu_nas.datasets.dataset import Dataset
from mcu_nas.datasets.images import resize
from mcu_nas.datasets.splits import stratified_sample
from mcu_nas.devices.build import FirmwareImage, build_firmware
from mcu_nas.devices.host import HostModel
from mcu_nas.graph import PIXELS
from mcu_nas.search.verification import quantized_pixels, run_emulated
from mcu_nas.tflite.writer import serialize_tflite
from tests.graphs import GraphMaker

BOARD = load_board("qemu-cortex-m4")
PX, CLASSES, SEED = 12, 4, 3


def write_model(path: Path, seed: int) -> Path:
    maker = GraphMaker(seed)
    pixels = maker.activation("pixels", (1, PX, PX, 1))
    maker.quantization[pixels] = PIXELS
    x = maker.mean(maker.conv(pixels, 8, (3, 3), (2, 2)))
    path.write_bytes(serialize_tflite(maker.graph((pixels,), (maker.fully_connected(x, CLASSES),))))
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model") / "model.tflite", 1)


@pytest.fixture(scope="module")
def image(model: Path, tmp_path_factory: pytest.TempPathFactory) -> FirmwareImage:
    folder = tmp_path_factory.mktemp("firmware")
    write_sources(load_program(model), folder / "c")
    return build_firmware(folder / "c", "model", BOARD, folder)


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    """Random images, larger than the model takes."""
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (40, 24, 24, 1), dtype=np.uint8), np.arange(40) % CLASSES
    return Dataset("random", images, labels, images, labels, tuple("abcd"))


def test_every_sample_is_compared_and_classified(image: FirmwareImage, model: Path, dataset: Dataset) -> None:
    done: list[int] = []
    found = run_emulated(image, BOARD, model, dataset, 12, SEED, done.append)
    assert (found["samples"], found["differing"], found["equals_host"]) == (12, 0, True)
    assert done == list(range(1, 13))
    between = found["instructions"] - sum(layer["instructions"] for layer in found["layers"])
    assert 0 < between <= 8 * len(found["layers"]) < found["instructions"]
    chosen = stratified_sample(dataset.test_labels, 12, SEED)
    pixels = resize(dataset.test_images[chosen], PX)
    host = HostModel(load_program(model)).run(quantized_pixels(pixels))
    assert found["outputs"] == host[0].tolist()
    assert found["accuracy"] == np.mean(host.argmax(1) == dataset.test_labels[chosen])


def test_outputs_of_another_model_are_counted(image: FirmwareImage, dataset: Dataset, tmp_path: Path) -> None:
    found = run_emulated(image, BOARD, write_model(tmp_path / "model.tflite", 2), dataset, 3, SEED)
    assert (found["samples"], found["differing"], found["equals_host"]) == (3, 3, False)


def test_no_more_samples_than_there_are_test_images(
    image: FirmwareImage, model: Path, dataset: Dataset
) -> None:
    few = replace(dataset, test_images=dataset.test_images[:2], test_labels=dataset.test_labels[:2])
    assert run_emulated(image, BOARD, model, few, 200, SEED)["samples"] == 2
