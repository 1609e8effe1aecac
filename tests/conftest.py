"""Settings that all tests share."""

from __future__ import annotations

import os

from hypothesis import settings

# Machines differ in speed and share their cores: no example has a deadline. CI draws the same examples in
# every run, so that what fails there failed because of the change; by hand each run draws new ones.
settings.register_profile("by hand", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "by hand")
