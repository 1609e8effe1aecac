"""MobileNetV2 (arXiv 1801.04381, table 2): the network whose published figures pin our counting."""

from __future__ import annotations

from benchmarks.search_quality.mobilenet import MobileNetV2
from mcu_nas.network import Network


def mobilenet_v2(resolution: int = 224, classes: int = 1000) -> Network:
    """MobileNetV2 at width 1.0."""
    return MobileNetV2(1.0, resolution).lower(3, classes)
