"""Tables of the quantization study, from its results file alone.

python benchmarks/quantization/summary.py             # prints, and writes summary.md beside it
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path

from benchmarks.cells import Results, Row
from benchmarks.quantization.networks import NETWORKS
from benchmarks.quantization.run import METHODS, RESULTS
from mcu_nas.files import write_text


def main(arguments: list[str] | None = None) -> None:
    """Prints and writes the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    text = "\n".join(summary(Results(options.results).rows())) + "\n"
    print(text, end="")
    write_text(options.results.with_name("summary.md"), text)


def summary(rows: Mapping[str, Row]) -> Iterator[str]:
    """Lines of Markdown: a table for each network that was trained."""
    yield "Accuracy on the test images; points: less the float network's accuracy; error: mean squared"
    yield "difference of the logits to the float network's. By chance alone the accuracies of two networks"
    yield "that disagree on 1 % of 10,000 images differ by 0.1 points (one standard deviation)."
    for name in NETWORKS:
        if f"{name}/float" in rows:
            yield ""
            yield from _table(name, {m: rows[f"{name}/{m}"] for m in METHODS if f"{name}/{m}" in rows})


def _table(name: str, found: Mapping[str, Row]) -> Iterator[str]:
    exact = found["float"]["accuracy"]
    yield f"## {name}, {found['float']['weights']:,} weights"
    yield ""
    yield "| method | accuracy | points | loss | error |"
    yield "|---|---|---|---|---|"
    for method, row in found.items():
        yield _row(method, row, exact)
        if "int8" in row:
            yield _row(f"{method}, then least-error", row["int8"], exact)


def _row(method: str, row: Row, exact: float) -> str:
    error = f"{row['squared_difference']:.4f}" if "squared_difference" in row else ""
    points = f"{100 * (row['accuracy'] - exact):+.2f}"
    return f"| {method} | {row['accuracy']:.2%} | {points} | {row['loss']:.4f} | {error} |"


if __name__ == "__main__":
    main()
