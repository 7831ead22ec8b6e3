"""The corpus and its scorer live beside the benchmarks; tests use them as the command line does."""

import sys
from pathlib import Path

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))
