"""A search on a user's own folder of photos: what is known of the data arrives in the firmware."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from mcu_nas.search.run.run_folder import RunFolder
from mcu_nas.tflite.reader import read_tflite
from tests.search import small_search

LABELS = ("blå", "green\\", "red*")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run on photos of several sizes, as a user may have them."""
    data = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for index, label in enumerate(LABELS):
        folder = data / label
        folder.mkdir()
        for number in range(60):
            pixels = rng.integers(0, 120, (int(rng.integers(20, 31)), 24, 3), dtype=np.uint8)
            pixels[..., index] += 100
            Image.fromarray(pixels).save(folder / f"{number}.jpg")
    path = tmp_path_factory.mktemp("runs") / "photos"
    small_search.run(path, replace(small_search.request(data), resolutions=(16,), mirror=False))
    return RunFolder(path)


def test_run_json_tells_of_the_data(finished: RunFolder) -> None:
    data = finished.section("data")
    assert (data["height"], data["width"], data["channel_order"], data["mirror"]) == (20, 20, "RGB", False)
    assert data["classes"] == [{"label": label, "train": 48, "test": 12} for label in LABELS]
    assert [finding["level"] for finding in data["findings"]] == ["note", "note"]
    assert finished.section("request")["mirror"] is False


def test_model_header_and_firmware_tell_labels_and_pixels(finished: RunFolder) -> None:
    graph = read_tflite(finished.model)
    assert graph.labels == LABELS
    assert graph.image_input is not None
    assert graph.image_input.channel_order == "RGB"
    assert graph.image_input.preparation == (
        "the centre square by area averaging, 20x20, then 16x16 by area averaging"
    )
    header = (finished.sources / "model.h").read_text()
    assert '#define MODEL_INPUT0_CHANNEL_ORDER "RGB"' in header
    assert "#define MODEL_LABEL_COUNT 3" in header
    elf = (finished.firmware("stm32f746g-disco") / "model-stm32f746g-disco.elf").read_bytes()
    for label in LABELS:
        assert label.encode() + b"\0" in elf


def test_a_small_folder_leaves_most_of_its_images_to_train_on(finished: RunFolder) -> None:
    assert finished.section("holdout")["images"] == 144 // 8
    assert finished.section("accuracy")["images"] == 36
