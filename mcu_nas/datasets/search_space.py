"""The search space that suits a data set: its image size, channels and classes."""

from __future__ import annotations

from collections.abc import Sequence

from mcu_nas.datasets.dataset import Dataset
from mcu_nas.errors import DataError
from mcu_nas.spaces import mbconv
from mcu_nas.spaces.space import Space, mbconv_space

SMALLEST_PX = 8


def space_for(
    dataset: Dataset, resolutions: Sequence[int] = (), widths: Sequence[float] = mbconv.WIDTHS
) -> Space:
    """The MBConv space for a data set; by default at every resolution that its images can fill.

    Raises:
        DataError: a resolution that the images cannot fill, or at which nothing is left of them.
    """
    height, width, channels = dataset.image_shape
    image_px = min(height, width)
    if image_px < SMALLEST_PX:
        raise DataError(
            f"{dataset.name}: its images are {height}×{width} px; a search needs {SMALLEST_PX} px at least"
        )
    for resolution in resolutions:
        if not SMALLEST_PX <= resolution <= image_px:
            usable = ", ".join(map(str, mbconv.usable_resolutions(image_px)))
            raise DataError(
                f"resolution {resolution} px cannot be used with {dataset.name}, whose images are"
                f" {height}×{width} px: choose among {usable}, or others from {SMALLEST_PX} to {image_px}"
            )
    return mbconv_space(
        image_px, channels, len(dataset.labels), sorted(set(resolutions)), sorted(set(widths))
    )
