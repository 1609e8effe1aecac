"""What a search counts with is near what the emulator counts, and nearer than MACs."""

from __future__ import annotations

from benchmarks.latency_estimate import measure


def test_a_search_estimates_instructions_of_unseen_networks() -> None:
    row = measure("cortex-m7", 3)
    assert row.mean_error < 0.05
    assert row.mean_error < row.macs_mean_error
    assert row.tau == 1
