"""How near a search's estimate of instructions comes to what the emulator counts, on networks it never saw.

    python -m benchmarks.latency_estimate                            # all cores, some minutes
    python -m benchmarks.latency_estimate --core cortex-m7 --write   # replaces a row of the .jsonl

Subnets are drawn from the MBConv spaces, with another seed than core_profile.py's, and given weights as
training leaves them. The estimate is the one that a search ranks by (cost/estimate.py); beside it, what
MACs alone would tell, scaled by the median of instructions a MAC. Kendall's tau-b is of the order.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks.core_profile import CYCLES_PER_INSTRUCTION, profiled_board, run
from benchmarks.profiled_networks import random_mbconv
from mcu_nas.boards import Board
from mcu_nas.compiler.planner import Optimize
from mcu_nas.compiler.target import Target, targets
from mcu_nas.cost.core_profile import load_core_profile
from mcu_nas.cost.estimate import cost
from mcu_nas.cost.macs import network_macs
from mcu_nas.errors import BuildError
from mcu_nas.network import Network
from mcu_nas.search.exploration.predictor import kendall_tau

RESULTS = Path(__file__).with_name("latency_estimate.jsonl")
_SEED = 1_000
HEAD = "| core | networks | mean error | worst | tau | MACs: mean error | worst | tau |"


@dataclass(frozen=True)
class Row:
    """Errors are relative, in absolute value; tau is with the counted instructions."""

    core: str
    networks: int
    mean_error: float
    worst_error: float
    tau: float
    macs_mean_error: float
    macs_worst_error: float
    macs_tau: float

    def __str__(self) -> str:
        errors = (self.mean_error, self.worst_error, self.macs_mean_error, self.macs_worst_error)
        mean, worst, macs_mean, macs_worst = (f"{100 * error:.1f} %" for error in errors)
        cells = [self.core, str(self.networks), mean, worst, f"{self.tau:.3f}"]
        return f"| {' | '.join([*cells, macs_mean, macs_worst, f'{self.macs_tau:.3f}'])} |"


def main() -> None:
    """Measures, prints, and keeps rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--core", choices=sorted(CYCLES_PER_INSTRUCTION), help="only this one")
    parser.add_argument("--networks", type=int, default=50)
    parser.add_argument("--write", action="store_true", help="replace rows of latency_estimate.jsonl")
    options = parser.parse_args()
    lines = RESULTS.read_text(encoding="utf-8").splitlines() if RESULTS.exists() else []
    rows = {row.core: row for row in (Row(**json.loads(line)) for line in lines)}
    print(HEAD)
    for core in [options.core] if options.core else sorted(CYCLES_PER_INSTRUCTION):
        rows[core] = measure(core, options.networks)
        print(rows[core], flush=True)
        if options.write:
            text = "".join(json.dumps(asdict(rows[name])) + "\n" for name in sorted(rows))
            RESULTS.write_text(text, encoding="utf-8")


def measure(core: str, count: int) -> Row:
    """The row of a core, from ``count`` networks that its emulated board has room for."""
    board, profile, target = profiled_board(core), load_core_profile(core), targets(core)[0]
    rng = np.random.default_rng(_SEED)
    counted, estimated, macs = [], [], []
    while len(counted) < count:
        network = random_mbconv(rng)
        instructions = _counted(network, target, rng, board)
        if instructions is None:
            continue
        counted.append(instructions)
        estimated.append(cost(network, profile, Optimize.SPEED, target).instructions)
        macs.append(network_macs(network))
    truth, estimate, products = (np.array(values, float) for values in (counted, estimated, macs))
    errors = abs(estimate / truth - 1)
    macs_errors = abs(products * np.median(truth / products) / truth - 1)
    return Row(
        core=core,
        networks=count,
        mean_error=float(errors.mean()),
        worst_error=float(errors.max()),
        tau=kendall_tau(estimate, truth),
        macs_mean_error=float(macs_errors.mean()),
        macs_worst_error=float(macs_errors.max()),
        macs_tau=kendall_tau(products, truth),
    )


def _counted(network: Network, target: Target, rng: np.random.Generator, board: Board) -> int | None:
    """Instructions of one inference, all layers; None: the board has no room."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            _, _, layers = run(network, Optimize.SPEED, target, rng, board, Path(folder))
        except BuildError:
            return None
    return sum(layers)


if __name__ == "__main__":
    main()
