"""One picture of a search: the space it chose, the subnets it evaluated, and how it got better."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mcu_nas.files import replacing
from mcu_nas.search.history import Evaluation, History
from mcu_nas.search.run_folder import RunFolder

_GREY, _BLUE, _RED = "#9aa5b1", "#2563eb", "#dc2626"


def write_search_picture(folder: RunFolder) -> Path:
    """Draws report/search.svg of a finished run; returns its path.

    Left: cumulative distribution of the MACs of the networks that fit, a line a space (MCUNet, figure 3).
    Middle: validation loss, which is the fitness, against estimated instructions of every evaluated subnet.
    Right: best and mean loss by generation.
    """
    run = folder.read()
    history = History(folder.search_log)
    figure = Figure(figsize=(13, 4), layout="constrained")
    axes = figure.subplots(1, 3)
    _spaces(axes[0], run["stage_one"])
    _subnets(axes[1], list(history), run["winner"])
    _generations(axes[2], run["evolution"]["fitness_curve"])
    request, accuracy = run["request"], run["accuracy"]
    figure.suptitle(
        f"{request['data']} on {request['board']}: int8 test accuracy {accuracy['int8']:.2%},"
        f" {run['winner']['latency']['central_ms']:.1f} ms estimated"
    )
    history.close()
    with replacing(folder.picture) as temporary:
        figure.savefig(temporary, format="svg", metadata={"Date": None})
    return folder.picture


def _spaces(axes: Axes, stage_one: Mapping[str, Any]) -> None:
    shares = np.linspace(0, 100, len(stage_one["spaces"][0]["macs_curve"] or range(101)))
    for space in stage_one["spaces"]:
        if not space["fitting"]:
            continue
        chosen = (space["resolution"], space["width"]) == (stage_one["resolution"], stage_one["width"])
        label = f"{space['resolution']} px, width {space['width']:g}" if chosen else None
        style: dict[str, Any] = (
            {"color": _RED, "lw": 2.5, "zorder": 3} if chosen else {"color": _GREY, "lw": 0.8}
        )
        axes.plot(np.array(space["macs_curve"]) / 1e6, shares, label=label, **style)
    axes.set(xlabel="M MACs of the networks that fit", ylabel="cumulative %", title="stage one: spaces")
    axes.legend(loc="lower right")


def _subnets(axes: Axes, history: Sequence[Evaluation], winner: Mapping[str, Any]) -> None:
    instructions = [e.instructions / 1e6 for e in history]
    losses = [e.loss for e in history]
    points = axes.scatter(instructions, losses, c=[e.generation for e in history], s=14, cmap="viridis")
    axes.scatter(
        [winner["instructions"] / 1e6],
        [winner["validation_loss"]],
        marker="*",
        s=180,
        color=_RED,
        label="winner",
        zorder=3,
    )
    axes.set(xlabel="M instructions (estimated)", ylabel="validation loss", title=f"{len(history)} subnets")
    axes.figure.colorbar(points, ax=axes, label="generation")
    axes.legend(loc="upper right")


def _generations(axes: Axes, curve: Sequence[Mapping[str, float]]) -> None:
    numbers = [point["generation"] for point in curve]
    axes.plot(numbers, [point["best_loss"] for point in curve], color=_RED, marker="o", label="best so far")
    axes.plot(numbers, [point["mean_loss"] for point in curve], color=_BLUE, marker="o", label="mean")
    axes.set(xlabel="generation", ylabel="validation loss", title="evolution")
    axes.legend(loc="upper right")
