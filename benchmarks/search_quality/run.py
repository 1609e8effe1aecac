"""Is the search better than a scaled MobileNetV2, and than random sampling, for the same compute?

    python benchmarks/search_quality/run.py --study fashion-mnist    # runs the cells that results.jsonl lacks
    python benchmarks/search_quality/run.py --study cifar10 --data FOLDER
    python benchmarks/search_quality/run.py --cell fashion-mnist/seed2/random
    python benchmarks/search_quality/summary.py                      # tables

Cells of a seed: ``ours`` (`mcu-nas search` as a whole); ``random`` (the same supernet, as many networks drawn
uniformly); ``roundN/K`` (trial N of scaled network K), ``scaled`` (the best of them trained on). The compute
of ``ours``, in MACs, is the budget of the scaled networks: half for the trials, half for the last.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.cells import Results, Row, run_study, study_parser
from benchmarks.search_quality.scaled import ScaledArm, ranked
from benchmarks.search_quality.searched import run_ours, run_random
from benchmarks.search_quality.study import STUDIES, SearchQualityStudy, smoke

HERE = Path(__file__).parent
RESULTS = HERE / "results.jsonl"
RUNS = HERE.parents[1] / "runs"


def main(arguments: list[str] | None = None) -> None:
    """Runs what the command line asks for."""
    parser = study_parser(__doc__.splitlines()[0])
    parser.add_argument("--study", choices=sorted(STUDIES), help="by default that of --cell, or the first")
    parser.add_argument("--data", help="the data set by another name or path")
    options = parser.parse_args(arguments)
    name = options.study or (options.cell or "fashion-mnist").partition("/")[0]
    if name not in STUDIES:
        parser.error(f"no study '{name}': {', '.join(STUDIES)}")
    study = STUDIES[name] if not options.data else replace(STUDIES[name], data=options.data)
    study = smoke(study) if options.smoke else study
    work = options.work or RUNS / ("search_quality-smoke" if options.smoke else "search_quality")
    path = options.results or (work / "results.jsonl" if options.smoke else RESULTS)
    results = Results(path)
    cells = SearchQualityCells(study, work, results)
    again = [__file__, "--study", name, "--work", str(work), "--results", str(path)]
    again += ["--smoke"] if options.smoke else []
    again += ["--data", options.data] if options.data else []
    run_study(options, results, cells.plan, cells.run, again)


@dataclass(frozen=True)
class SearchQualityCells:
    """The cells of a study, with run folders and checkpoints in ``work``."""

    study: SearchQualityStudy
    work: Path
    results: Results

    def plan(self, rows: Mapping[str, Row]) -> list[str]:
        """Per seed: ours, then what needs its supernet or its compute."""
        return [
            f"{self.study.name}/seed{seed}/{cell}"
            for seed in self.study.seeds
            for cell in self._plan_seed(seed, self._rows_of(rows, seed))
        ]

    def run(self, cell: str) -> Row:
        """The row of one cell."""
        _, seed_name, *rest = cell.split("/")
        seed = int(seed_name.removeprefix("seed"))
        folder = self.work / self.study.name / seed_name
        rows = self._rows_of(self.results.rows(), seed)
        if rest != ["ours"] and "ours" not in rows:
            sys.exit(f"{cell} needs {self.study.name}/{seed_name}/ours first")
        match rest:
            case ["ours"]:
                return run_ours(self.study.task(seed), folder / "ours")
            case ["random"]:
                return run_random(self.study.task(seed), folder / "ours", folder / "random")
            case ["scaled"]:
                return self._arm(seed, rows).run_last(self._entering(seed, self.study.rounds, rows)[0])
            case [round_name, chosen]:
                number = int(round_name.removeprefix("round"))
                rivals = len(self._entering(seed, number, rows))
                return self._arm(seed, rows).run_trial(number, int(chosen), rivals)
        sys.exit(f"no such cell: {cell}; --list names those that can run")

    def _plan_seed(self, seed: int, rows: Mapping[str, Row]) -> list[str]:
        if "ours" not in rows:
            return ["ours"]
        planned = ["random"]
        for number in range(self.study.rounds):
            entering = self._entering(seed, number, rows)
            cells = [f"round{number}/{chosen:02d}" for chosen in entering]
            planned += cells
            if not all(cell in rows for cell in cells):
                return planned
        return [*planned, "scaled"]

    def _entering(self, seed: int, number: int, rows: Mapping[str, Row]) -> list[int]:
        """The candidates that round ``number`` trains: all, or those that the round before lets pass."""
        if number == 0:
            return list(range(len(self.study.scaled)))
        before = {
            int(cell.partition("/")[2]): row
            for cell, row in rows.items()
            if cell.startswith(f"round{number - 1}/")
        }
        return ranked(before)[: (*self.study.candidates_per_round, 1)[number]]

    def _arm(self, seed: int, rows: Mapping[str, Row]) -> ScaledArm:
        budget = sum(rows["ours"]["compute"].values())
        folder = self.work / self.study.name / f"seed{seed}" / "scaled"
        return ScaledArm(self.study, self.study.task(seed), budget, folder)

    def _rows_of(self, rows: Mapping[str, Row], seed: int) -> dict[str, Row]:
        """Rows of a seed by the rest of their cells' names."""
        prefix = f"{self.study.name}/seed{seed}/"
        return {cell.removeprefix(prefix): row for cell, row in rows.items() if cell.startswith(prefix)}


if __name__ == "__main__":
    main()
