"""`make fuzz`: damaged models through reader, passes, planner and compiler in this process, for a time.

Atheris chooses what to damage by the code that it reached; without it every valid model is damaged alike. Of
the damaged files that are accepted, some have their C written and checked by gcc. Prints what was seen; the
exit status is 1 where anything happened that must not, and those files are kept.

    FUZZ_SECONDS=600 FUZZ_SEED=1 python -m tests.fuzz.run
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import sys
import tempfile
import time
from pathlib import Path
from random import Random
from typing import NoReturn

try:
    import atheris
except ImportError:
    atheris = None

if atheris is None:
    from tests.fuzz.examination import Examined, examine, faults_in_c
    from tests.fuzz.models import valid_models
else:
    # Where branches are counted; each module is announced on stderr.
    with contextlib.redirect_stderr(io.StringIO()), atheris.instrument_imports(include=["mcu_nas"]):
        from tests.fuzz.examination import Examined, examine, faults_in_c
        from tests.fuzz.models import valid_models
from tests.fuzz.mutation import mutated

MAX_FILE_BYTES = 1 << 17
CHECKED_BY_GCC = 200
MIN_INPUTS_A_SECOND = 100
KEPT = Path("build/fuzz")
FRESH = 0.7  # of the inputs are damaged once only: what reached most code often is no model any more


class Campaign:
    """Everything seen so far. ``stop_at``: on time.monotonic's clock."""

    def __init__(self, valid: dict[str, bytes], seconds: float, random: Random) -> None:
        self._valid = set(valid.values())
        self._random = random
        self._began = time.monotonic()
        self.stop_at = self._began + seconds
        self.inputs = self.accepted = 0
        self.sample: list[bytes] = []  # of the damaged files that were accepted
        self.faults: dict[str, int] = {}
        self.slowest = Examined(None, 0, 0)
        self.largest = Examined(None, 0, 0)

    def take(self, data: bytes) -> None:
        """Examine one file."""
        examined = examine(data)
        self.inputs += 1
        self.slowest = max(self.slowest, examined, key=lambda e: e.seconds)
        self.largest = max(self.largest, examined, key=lambda e: e.growth_bytes)
        if examined.fault:
            self._found(data, examined.where, examined.fault)
        elif examined.program is not None and data not in self._valid:
            self._accept(data)

    def _accept(self, data: bytes) -> None:
        """A fair sample of all that were accepted (reservoir sampling)."""
        self.accepted += 1
        if len(self.sample) < CHECKED_BY_GCC:
            self.sample.append(data)
        elif (place := self._random.randrange(self.accepted)) < CHECKED_BY_GCC:
            self.sample[place] = data

    def _found(self, data: bytes, where: str, fault: str) -> None:
        self.faults[where] = self.faults.get(where, 0) + 1
        if self.faults[where] == 1:
            KEPT.mkdir(parents=True, exist_ok=True)
            kept = KEPT / f"{hashlib.sha256(data).hexdigest()[:12]}.tflite"
            kept.write_bytes(data)
            print(f"FOUND {kept}: {where}\n{fault}", flush=True)

    def finish(self) -> bool:
        """Check the sample with gcc and print the figures; whether all is well."""
        seconds = time.monotonic() - self._began
        for data in self.sample:
            program = examine(data).program
            assert program is not None, "what was accepted is accepted again"
            with tempfile.TemporaryDirectory() as folder:
                fault = faults_in_c(program, Path(folder))
            if fault:
                self._found(data, "gcc", fault)
        rate = self.inputs / seconds
        print(
            f"{self.inputs:,} inputs in {seconds:.0f} s, {rate:.0f} a second; {self.accepted:,} accepted, "
            f"{len(self.sample)} of them checked by gcc\n"
            f"slowest {self.slowest.seconds:.2f} s, "
            f"memory grew by {self.largest.growth_bytes / 2**20:.1f} MiB at most\n"
            f"faults: {self.faults or 'none'}",
            flush=True,
        )
        if rate < MIN_INPUTS_A_SECOND:
            print(f"fewer than {MIN_INPUTS_A_SECOND} inputs a second", flush=True)
        return not self.faults and rate >= MIN_INPUTS_A_SECOND


def main() -> None:
    """Run for FUZZ_SECONDS."""
    seconds = float(os.environ.get("FUZZ_SECONDS", "600"))
    seed = int(os.environ.get("FUZZ_SEED") or time.time_ns() % 2**31)
    random = Random(seed)
    valid = valid_models()
    print(f"fuzzing {len(valid)} models for {seconds:.0f} s, FUZZ_SEED={seed}", flush=True)
    campaign = Campaign(valid, seconds, random)
    if atheris is None:
        print("atheris is not installed: inputs are chosen without regard to the code that they reach")
        _without_guidance(campaign, list(valid.values()), random)
    else:
        _guided(campaign, valid, seed)


def _without_guidance(campaign: Campaign, valid: list[bytes], random: Random) -> NoReturn:
    while time.monotonic() < campaign.stop_at:
        campaign.take(mutated(random.choice(valid), random, MAX_FILE_BYTES))
    sys.exit(not campaign.finish())


def _guided(campaign: Campaign, valid: dict[str, bytes], seed: int) -> None:
    def take(data: bytes) -> None:
        campaign.take(data)
        if time.monotonic() > campaign.stop_at:
            status = int(not campaign.finish())
            os._exit(status)  # libFuzzer has no other way out that keeps a status

    models = list(valid.values())

    def mutate(data: bytes, limit: int, number: int) -> bytes:
        random = Random(number)
        accepted = [*models, *campaign.sample]
        return mutated(random.choice(accepted) if random.random() < FRESH else data, random, limit)

    with tempfile.TemporaryDirectory() as corpus:
        for name, data in valid.items():
            (Path(corpus) / name.replace(" ", "-")).write_bytes(data)
        options = [f"-seed={seed}", f"-max_len={MAX_FILE_BYTES}", "-len_control=0", "-timeout=60"]
        options += ["-verbosity=0", "-rss_limit_mb=0", "-mutate_depth=1"]
        atheris.Setup([sys.argv[0], *options, corpus], take, custom_mutator=mutate)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
