"""One picture of a search: the space it chose, the subnets it evaluated, and how it got better."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mcu_nas.files import replacing
from mcu_nas.search.exploration.history import Evaluation, read_log
from mcu_nas.search.exploration.loop import CONTROL, START
from mcu_nas.search.exploration.pareto import front, knee
from mcu_nas.search.run.run_folder import RunFolder

_GREY, _BLUE, _RED = "#9aa5b1", "#2563eb", "#dc2626"


def write_search_picture(folder: RunFolder) -> Path:
    """Draws report/search.svg of a finished run; returns its path.

    Left: cumulative distribution of the MACs of the networks that fit, a line a space (MCUNet, figure 3).
    Middle: validation loss, which is the fitness, against estimated instructions of every evaluated subnet;
    their front, and its knee. Right: best loss against evaluations, beside random search.
    """
    run = folder.read()
    figure = Figure(figsize=(13, 4), layout="constrained")
    axes = figure.subplots(1, 3)
    _spaces(axes[0], run["stage_one"])
    _subnets(axes[1], read_log(folder.search_log), run["winner"])
    _generations(axes[2], run["exploration"])
    request, accuracy = run["request"], run["accuracy"]
    figure.suptitle(
        f"{request['data']} on {request['board']}: int8 test accuracy {accuracy['int8']:.2%},"
        f" {run['winner']['latency']['central_ms']:.1f} ms estimated"
    )
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


def _subnets(axes: Axes, log: Sequence[Evaluation], winner: Mapping[str, Any]) -> None:
    random = [e for e in log if e.strategy in (START, CONTROL)]
    searched = [e for e in log if e.strategy not in (START, CONTROL)]
    for shown, colour, label in ((random, _GREY, "random"), (searched, _BLUE, "searched")):
        axes.scatter(
            [e.instructions / 1e6 for e in shown], [e.loss for e in shown], s=10, c=colour, label=label
        )
    curve = front([replace(e, peak_bytes=0, flash_bytes=0) for e in log])
    line = sorted((e.instructions / 1e6, e.loss) for _, e in curve)
    axes.step(*zip(*line, strict=True), where="post", color="black", lw=1, label="front")
    _, bend = knee(front(log))
    axes.scatter(
        [bend.instructions / 1e6], [bend.loss], marker="D", s=50, color="black", label="knee", zorder=3
    )
    axes.scatter(
        [winner["instructions"] / 1e6],
        [winner["validation_loss"]],
        marker="*",
        s=180,
        color=_RED,
        label="winner",
        zorder=4,
    )
    axes.set(xlabel="M instructions (estimated)", ylabel="validation loss", title=f"{len(log)} subnets")
    axes.legend(loc="upper right")


def _generations(axes: Axes, exploration: Mapping[str, Any]) -> None:
    curves = [(exploration["strategy"], exploration["fitness_curve"], _RED)]
    if exploration["control"]:
        curves.append(("random search", exploration["control"]["fitness_curve"], _GREY))
    for name, curve, colour in curves:
        evaluations = [point["evaluations"] for point in curve]
        axes.plot(evaluations, [point["best_loss"] for point in curve], color=colour, marker="o", label=name)
        means = [point["mean_loss"] for point in curve]
        axes.plot(evaluations, means, color=colour, lw=0.8, ls="--", label=f"{name}, mean of a generation")
    axes.set(xlabel="evaluations", ylabel="validation loss", title="best so far")
    axes.legend(loc="upper right")
