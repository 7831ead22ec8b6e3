"""The corpus that decides whether memsnap's verdicts are good: record it, and score it.

    python benchmarks/corpus.py record --go 1.27 --rate 350K --rate 35K --out DIR
    python benchmarks/corpus.py score DIR

See README.md in this folder.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True)
    _add_record(commands.add_parser("record", help="run the services and capture them"))
    given = parser.parse_args()
    return int(given.run(given))


def _add_record(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--go", action="append", required=True, help="Go release, as 1.27")
    parser.add_argument("--rate", action="append", default=[], help="bytes a second, as 350K")
    parser.add_argument("--captures", type=int, default=5)
    parser.add_argument("--interval", type=_seconds, default=10.0, help="as 10s or 1m")
    parser.add_argument("--warm-up", type=_seconds, default=8.0, help="before the first capture")
    parser.add_argument("--traffic", type=float, default=600, help="background operations a second")
    parser.add_argument("--at-once", type=int, default=8, help="services side by side")
    parser.add_argument("--only", action="append", default=[], help="a scenario's name")
    parser.add_argument("--out", type=Path, required=True)
    parser.set_defaults(run=_record)


def _record(given: argparse.Namespace) -> int:
    import corpus_record as recorder

    plan = recorder.Plan(
        captures=given.captures,
        interval_s=given.interval,
        warm_up_s=given.warm_up,
        traffic=given.traffic,
        at_once=given.at_once,
    )
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="memsnap-corpus-") as programs:
        jobs = recorder.jobs_of(
            given.go, given.rate, given.only, folder=given.out, programs=Path(programs)
        )
        print(f"{len(jobs)} services to record")
        for job, how in recorder.record_all(jobs, plan):
            at = time.monotonic() - began
            print(f"{at:6.0f} s  go{job.release} {job.rate:>7} {job.truth.name:18} {how}", flush=True)
    return 0


def _seconds(text: str) -> float:
    unit = {"s": 1, "m": 60}.get(text[-1])
    return float(text) if unit is None else float(text[:-1]) * unit


if __name__ == "__main__":
    sys.exit(main())
