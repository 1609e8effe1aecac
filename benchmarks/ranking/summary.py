"""Tables and plot of the ranking study, from its results file alone.

    python benchmarks/ranking/summary.py             # prints; writes summary.md and ranking.svg beside it

The question is a search's: subnets are scored on validation images, with shared weights and adapted, and
networks trained alone on the test set. That all are judged by the same images as well, and how well two
trainings of one network agree, stands beside it: no score can agree with a training better than another
training does.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.cells import Results, Row
from benchmarks.ranking.correlation import LEVEL, RESAMPLES, tau_estimate, tau_gain
from benchmarks.ranking.run import RESULTS
from benchmarks.ranking.study import BUDGET, SETS, SPACE
from mcu_nas.files import replacing, write_text

TITLES = {BUDGET: "near one MAC budget", SPACE: "over the whole space"}
BARS = {BUDGET: 0.5, SPACE: 0.6}  # of Kendall's tau, what was aimed at


@dataclass(frozen=True)
class Scores:
    """One set's networks: arrays (networks,); ``alone`` (seeds, networks). Losses are negated, so that more
    is better everywhere."""

    macs: np.ndarray
    shared: Mapping[tuple[str, str], np.ndarray]  # by (judge, measure)
    adapted: Mapping[tuple[str, str], np.ndarray]
    alone: Mapping[tuple[str, str], np.ndarray]


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the summary and writes it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    rows = Results(options.results).rows()
    sets = {drawn_as: scores for drawn_as in SETS if (scores := collect(rows, drawn_as))}
    text = report(rows, sets)
    print(text)
    write_text(options.results.with_name("summary.md"), text + "\n")
    if sets:
        draw(sets, options.results.with_name("ranking.svg"))


def collect(rows: Mapping[str, Row], drawn_as: str) -> Scores | None:
    """The scores of a set as far as it has come: of all networks by the seeds that have trained them all, or
    of those that the first seed has trained. None before two networks have all kinds of scores."""
    if not {f"shared/{drawn_as}", f"adapted/{drawn_as}"} <= rows.keys():
        return None
    shared, adapted = (rows[f"{kind}/{drawn_as}"]["networks"] for kind in ("shared", "adapted"))
    trained: dict[str, dict[int, Row]] = {}  # seed -> network -> row
    for cell, row in rows.items():
        kind, *rest = cell.split("/")
        if kind == "alone" and rest[0] == drawn_as:
            trained.setdefault(rest[2], {})[int(rest[1])] = row
    complete = [found for _, found in sorted(trained.items()) if len(found) == len(shared)]
    seeds = complete or [found for _, found in sorted(trained.items())][:1]
    if not seeds or len(seeds[0]) < 2:
        return None
    numbers = sorted(seeds[0])
    kinds = [(judge, measure) for judge, score in shared[0].items() for measure in score]

    def values(row: Row, judge: str, measure: str) -> float:
        value = float(row[judge][measure])
        return -value if measure == "loss" else value

    return Scores(
        np.array([seeds[0][n]["macs"] for n in numbers]),
        {kind: np.array([values(shared[n], *kind) for n in numbers]) for kind in kinds},
        {kind: np.array([values(adapted[n], *kind) for n in numbers]) for kind in kinds},
        {kind: np.array([[values(seed[n], *kind) for n in numbers] for seed in seeds]) for kind in kinds},
    )


def report(rows: Mapping[str, Row], sets: Mapping[str, Scores]) -> str:
    """All in Markdown."""
    parts = ["# Ranking by shared weights against training alone", ""]
    if supernet := rows.get("supernet"):
        parts += [f"Supernet: {supernet['images']:,} images, {supernet['seconds']:,.0f} s.", ""]
    spent = sum(row["seconds"] for cell, row in rows.items() if cell.startswith("alone/"))
    parts += [
        f"Trainings alone: {spent:,.0f} s in all. Kendall's tau-b; in brackets the {LEVEL:.0%} percentile"
        f" interval of {RESAMPLES:,} bootstrap resamples of the networks.",
        "",
    ]
    for drawn_as, scores in sets.items():
        parts += [*_table(drawn_as, scores), ""]
    return "\n".join(parts).rstrip()


def _table(drawn_as: str, scores: Scores) -> list[str]:
    accuracy, loss = ("test", "accuracy"), ("test", "loss")
    alone = {kind: values.mean(0) for kind, values in scores.alone.items()}
    seeds, count = scores.alone[accuracy].shape
    shared = scores.shared
    judged = "validation", "accuracy"
    lines = {
        "adapted accuracy (validation) → accuracy alone (test)": tau_estimate(
            scores.adapted[judged], alone[accuracy]
        ),
        "MACs → accuracy alone (test)": tau_estimate(scores.macs, alone[accuracy]),
        "the first less the second": tau_gain(scores.adapted[judged], scores.macs, alone[accuracy]),
        "shared accuracy (validation) → accuracy alone (test)": tau_estimate(shared[judged], alone[accuracy]),
        "adapted less shared": tau_gain(scores.adapted[judged], shared[judged], alone[accuracy]),
    }
    for name, found in (("adapted", scores.adapted), ("shared", shared)):
        score = found["validation", "loss"]
        lines[f"{name} loss (validation) → accuracy alone (test)"] = tau_estimate(score, alone[accuracy])
        lines[f"{name} loss (validation) → loss alone (test)"] = tau_estimate(score, alone[loss])
    lines["MACs → loss alone (test)"] = tau_estimate(scores.macs, alone[loss])
    for name, found in (("adapted", scores.adapted), ("shared", shared)):
        lines[f"same images: {name} accuracy (test) → accuracy alone (test)"] = tau_estimate(
            found[accuracy], alone[accuracy]
        )
    if seeds > 1:
        one, other = scores.alone[accuracy][:2]
        lines["ceiling: accuracy alone, one seed → another"] = tau_estimate(one, other)
        one, other = scores.alone[loss][:2]
        lines["ceiling: loss alone, one seed → another"] = tau_estimate(one, other)
    tau, macs, *_ = lines.values()
    reached = tau.value >= BARS[drawn_as] and tau.value > macs.value
    return [
        f"## {count} networks {TITLES[drawn_as]}, {seeds} {'training' if seeds == 1 else 'trainings'} each",
        "",
        f"{_range('MACs (M)', scores.macs / 1e6)}; {_range('accuracy alone', 100 * alone[accuracy], ' %')}; "
        f"{_range('shared accuracy', 100 * shared[judged], ' %')}; "
        f"{_range('adapted accuracy', 100 * scores.adapted[judged], ' %')}. Aimed at, for the first"
        f" line: at least {BARS[drawn_as]}, and more than MACs: {'reached' if reached else 'missed'}.",
        "",
        "| ranks by | tau |",
        "|---|---|",
        *(f"| {name} | {estimate} |" for name, estimate in lines.items()),
    ]


def _range(name: str, values: np.ndarray, unit: str = "") -> str:
    return f"{name} {values.min():.2f} to {values.max():.2f}{unit}"


def draw(sets: Mapping[str, Scores], path: Path) -> None:
    """A row of plots a set: shared, adapted and MACs against accuracy alone (bars: its seeds)."""
    figure = Figure(figsize=(13, 4 * len(sets)), layout="constrained")
    rows = figure.subplots(len(sets), 3, squeeze=False)
    for (left, middle, right), (drawn_as, scores) in zip(rows, sets.items(), strict=True):
        alone = 100 * scores.alone["test", "accuracy"]
        shared = 100 * scores.shared["validation", "accuracy"]
        _scatter(left, "shared-weight accuracy, validation (%)", shared, alone)
        _scatter(middle, "the same, adapted (%)", 100 * scores.adapted["validation", "accuracy"], alone)
        _scatter(right, "MACs (M)", scores.macs / 1e6, alone)
        left.set_title(TITLES[drawn_as], loc="left")
    with replacing(path) as temporary:
        figure.savefig(temporary, format="svg", metadata={"Date": None})


def _scatter(axes: Axes, name: str, x: np.ndarray, alone: np.ndarray) -> None:
    mean = alone.mean(0)
    spread = np.stack((mean - alone.min(0), alone.max(0) - mean))
    axes.errorbar(x, mean, spread, fmt="o", markersize=4, elinewidth=0.8, alpha=0.8)
    axes.set(xlabel=name, ylabel="accuracy trained alone, test (%)")
    axes.set_title(f"tau {tau_estimate(x, mean)}", loc="right", fontsize=9)


if __name__ == "__main__":
    main()
