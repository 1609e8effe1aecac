"""Thousands of random int8 models in our C beside tflite-micro, bit for bit.

Each model goes through its .tflite, the reader, all passes and the planner; its C is built under
AddressSanitizer and UndefinedBehaviorSanitizer and runs 8 samples in an arena of exactly the planned size, a
part of them in the checking build as well, in which dead bytes are overwritten. Models beyond the arithmetic
are refused; the refusals are counted by reason. Every hundred models a line goes to differential.jsonl.

    python -m benchmarks.differential --models 3000 --seed 0 [--resume]
    python -m benchmarks.differential --only 1234
"""

from __future__ import annotations

import argparse
import json
import os
import sys

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")

from collections import Counter
from pathlib import Path
from time import perf_counter
from typing import Any

from tests.random_models.comparison import compare

RESULTS = Path(__file__).with_suffix(".jsonl")
LINE = 100  # models
BUILD = 25  # models in one executable


def main() -> int:
    """Run the campaign, or one model; the exit status is 1 where anything differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0, help="number of the first model")
    parser.add_argument("--resume", action="store_true", help="go on after the last line of the results")
    parser.add_argument("--only", type=int, metavar="SEED", help="one model; nothing is written")
    arguments = parser.parse_args()
    if arguments.only is not None:
        (outcome,) = compare([arguments.only])
        print(outcome)
        return outcome.difference is not None
    lines = _lines() if arguments.resume else []
    RESULTS.write_text("".join(json.dumps(line) + "\n" for line in lines))
    done = {line["first"] for line in lines}
    began = perf_counter()
    for first in range(arguments.seed, arguments.seed + arguments.models, LINE):
        if first not in done:
            line = examine(first, min(LINE, arguments.seed + arguments.models - first))
            lines.append(line)
            with RESULTS.open("a") as file:
                file.write(json.dumps(line) + "\n")
            print(f"{first}: {line['compared']} compared, {perf_counter() - began:.0f} s", flush=True)
    _print_sums(lines)
    return any(line["differences"] for line in lines)


def examine(first: int, count: int) -> dict[str, Any]:
    """One line of the results: ``count`` models from number ``first``."""
    outcomes = [
        outcome
        for begin in range(first, first + count, BUILD)
        for outcome in compare(range(begin, min(begin + BUILD, first + count)))
    ]
    for outcome in outcomes:
        if outcome.difference is not None:
            print(f"model {outcome.seed} {'+'.join(outcome.operators)}: {outcome.difference}", flush=True)
    compared = [outcome for outcome in outcomes if outcome.refusal is None]
    return {
        "first": first,
        "models": count,
        "compared": len(compared),
        "operators": _sorted(Counter(name for outcome in compared for name in outcome.operators)),
        "kernels": _sorted(Counter(name for outcome in compared for name in outcome.kernels)),
        "refusals": _sorted(Counter(outcome.refusal for outcome in outcomes if outcome.refusal is not None)),
        "differences": [f"{o.seed}: {o.difference}" for o in outcomes if o.difference is not None],
    }


def _sorted(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items()))


def _lines() -> list[dict[str, Any]]:
    return [json.loads(line) for line in RESULTS.read_text().splitlines()] if RESULTS.exists() else []


def _print_sums(lines: list[dict[str, Any]]) -> None:
    for title in ("operators", "kernels", "refusals"):
        sums: Counter[str] = Counter()
        for line in lines:
            sums.update(line[title])
        print(f"\n{title} ({sums.total()}):")
        for name, count in sums.most_common():
            print(f"  {count:6}  {name}")
    models, compared = (sum(line[key] for line in lines) for key in ("models", "compared"))
    different = sum(len(line["differences"]) for line in lines)
    print(f"\n{models} models, {compared} compared, {different} differ")


if __name__ == "__main__":
    sys.exit(main())
