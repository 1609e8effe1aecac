"""Tables of the search-quality studies, from their results file alone.

python benchmarks/search_quality/summary.py      # prints; writes summary.md and search_quality.svg
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from benchmarks.cells import Results, Row
from benchmarks.search_quality.paired import paired_difference
from benchmarks.search_quality.run import RESULTS
from mcu_nas.files import replacing, write_text

ARMS = {
    "ours": "search",
    "random": "random search, same supernet",
    "scaled": "best scaled MobileNetV2",
}
MARGINS = {"random": 0.0, "scaled": 1.0}  # points ahead, what was aimed at
KINDS = ("float", "int8")
_Seeds = Mapping[int, Mapping[str, Row]]  # seed -> rest of the cell's name -> row


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the summary and writes it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    studies = by_study(Results(options.results).rows())
    parts = ["# Search against its alternatives", "", *_EXPLANATION, ""]
    for name, seeds in studies.items():
        parts += [f"## {name}", "", *arms_table(seeds), "", *differences(seeds), "", *sweep(seeds), ""]
    text = "\n".join(parts).rstrip()
    print(text)
    write_text(options.results.with_name("summary.md"), text + "\n")
    if studies:
        draw(studies, options.results.with_name("search_quality.svg"))


_EXPLANATION = [
    "Accuracy on the test set, in %. Peak: the planner's arena under the memory plan, input included."
    " Compute: MACs of all passes of training and evaluation, a backward pass counted as two forward ones.",
]


def by_study(rows: Mapping[str, Row]) -> dict[str, dict[int, dict[str, Row]]]:
    """Rows by study, seed and the rest of their cells' names."""
    found: dict[str, dict[int, dict[str, Row]]] = {}
    for cell, row in rows.items():
        study, seed, rest = cell.split("/", 2)
        found.setdefault(study, {}).setdefault(int(seed.removeprefix("seed")), {})[rest] = row
    return found


def arms_table(seeds: _Seeds) -> list[str]:
    """What each arm reached, a line a seed."""
    lines = [
        "| arm | seed | float | int8 | peak (B) | weights (B) | MACs (M) | compute (T) | time (s) |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for arm, title in ARMS.items():
        for seed, rows in sorted(seeds.items()):
            if arm in rows:
                row, (compute, seconds) = rows[arm], spent(arm, rows)
                accuracies = " | ".join(f"{100 * row['accuracy'][kind]:.2f}" for kind in KINDS)
                lines.append(
                    f"| {title} | {seed} | {accuracies} | {row['peak_bytes']:,} | {row['weights_bytes']:,} |"
                    f" {row['macs'] / 1e6:.2f} | {compute / 1e12:,.1f} | {seconds:,.0f} |"
                )
    return lines


def spent(arm: str, rows: Mapping[str, Row]) -> tuple[int, float]:
    """MACs and seconds of everything that an arm's result took: the sweep's trials, the shared supernet."""
    own = {"ours": ["ours"], "random": ["random"], "scaled": ["scaled", *_trials(rows)]}[arm]
    compute = sum(sum(rows[cell]["compute"].values()) for cell in own)
    seconds = sum(sum(rows[cell].get("stage_seconds", {"": rows[cell]["seconds"]}).values()) for cell in own)
    if arm == "random":
        compute += rows["ours"]["compute"].get("supernet", 0)
        seconds += rows["ours"]["stage_seconds"].get("supernet", 0.0)
    return compute, seconds


def differences(seeds: _Seeds) -> list[str]:
    """How far the search is ahead, paired over the seeds that both arms have finished."""
    lines = ["| search ahead of | accuracy | seeds | points |", "|---|---|---|---|"]
    for rival, margin in MARGINS.items():
        paired = [rows for _, rows in sorted(seeds.items()) if "ours" in rows and rival in rows]
        for kind in KINDS if paired else ():
            ours, theirs = ([100 * rows[arm]["accuracy"][kind] for rows in paired] for arm in ("ours", rival))
            found = paired_difference(ours, theirs)
            reached = found.mean >= margin if margin else found.mean > 0
            aim = f"at least {margin} aimed at" if margin else "above 0 aimed at"
            lines.append(
                f"| {ARMS[rival]} | {kind} | {found.pairs} | {found} ({aim}:"
                f" {'reached' if reached else 'missed'}) |"
            )
    return lines


def sweep(seeds: _Seeds) -> list[str]:
    """The last round of each seed's trials, best first."""
    lines = []
    for seed, rows in sorted(seeds.items()):
        trials = _trials(rows)
        if not trials:
            continue
        last = max(cell.partition("/")[0] for cell in trials)
        final = [rows[cell] for cell in trials if cell.startswith(f"{last}/")]
        lines += [
            f"Scaled networks, seed {seed}: {len(trials)} trials; those of the last round:",
            "",
            "| family | width | depth | px | strides | divisor | MACs (M) | peak (B) | weights (B) |"
            " validation (%) |",
            "|---|---|---|---|---|---|---|---|---|---|",
            *(_trial_line(row) for row in sorted(final, key=lambda row: row["validation_loss"])),
            "",
        ]
    return lines[:-1]


def _trial_line(row: Row) -> str:
    net = row["network"]
    return (
        f"| {row['family']} | {net['width']:.3f} | {net['depth']:.2f} | {net['resolution']} |"
        f" {net['strides'][0]}, {net['strides'][1]} | {net['divisor']} | {row['macs'] / 1e6:.2f} |"
        f" {row['peak_bytes']:,} | {row['weights_bytes']:,} | {100 * row['validation_accuracy']:.2f} |"
    )


def _trials(rows: Mapping[str, Row]) -> list[str]:
    return sorted(cell for cell in rows if cell.startswith("round"))


def draw(studies: Mapping[str, _Seeds], path: Path) -> None:
    """Int8 accuracy of each arm, the seeds' pairs joined."""
    figure = Figure(figsize=(5 * len(studies), 4), layout="constrained")
    for axes, (name, seeds) in zip(
        figure.subplots(1, len(studies), squeeze=False)[0], studies.items(), strict=True
    ):
        for seed, rows in sorted(seeds.items()):
            done = [arm for arm in ARMS if arm in rows]
            heights = [100 * rows[arm]["accuracy"]["int8"] for arm in done]
            axes.plot([list(ARMS).index(arm) for arm in done], heights, "o-", label=f"seed {seed}")
        axes.set_xticks(range(len(ARMS)), ["search", "random", "scaled\nMobileNetV2"])
        axes.set(title=name, ylabel="test accuracy, int8 (%)")
        axes.legend()
    with replacing(path) as temporary:
        figure.savefig(temporary, format="svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
