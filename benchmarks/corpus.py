"""The corpus that decides whether memsnap's verdicts are good: record it, and score it.

    python benchmarks/corpus.py record --go 1.27 --rate 350K --rate 35K --out DIR
    python benchmarks/corpus.py score DIR
    python benchmarks/corpus.py pack DIR 1.24/350K 1.24/healthy --out FILE.tar.zst

See README.md in this folder.
"""

import argparse
import json
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

SCENARIOS = Path(__file__).resolve().parent.parent / "tests" / "scenarios"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True)
    _add_record(commands.add_parser("record", help="run the services and capture them"))
    _add_score(commands.add_parser("score", help="hold findings against the truth"))
    _add_pack(commands.add_parser("pack", help="write folders of recordings into one file"))
    given = parser.parse_args()
    return int(given.run(given))


def _add_record(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--go", action="append", required=True, help="Go release, as 1.27")
    parser.add_argument("--rate", action="append", default=[], help="bytes a second, as 350K")
    parser.add_argument("--captures", type=int, default=5)
    parser.add_argument("--interval", type=_seconds, default=10.0, help="as 10s or 1m")
    parser.add_argument("--warm-up", type=_seconds, default=8.0, help="before the first capture")
    parser.add_argument("--traffic", type=float, default=600, help="background operations a second")
    parser.add_argument("--swing", type=float, default=0, help="share of it that comes and goes")
    parser.add_argument("--at-once", type=int, default=8, help="services side by side")
    parser.add_argument("--home", type=Path, default=SCENARIOS, help="Go module of the services")
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
        swing=given.swing,
        at_once=given.at_once,
    )
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="memsnap-corpus-") as programs:
        jobs = recorder.jobs_of(
            given.go,
            given.rate,
            given.only,
            home=given.home,
            folder=given.out,
            programs=Path(programs),
        )
        print(f"{len(jobs)} services to record")
        for job, how in recorder.record_all(jobs, plan):
            at = time.monotonic() - began
            print(
                f"{at:6.0f} s  go{job.release} {job.rate:>7} {job.truth.name:18} {how}", flush=True
            )
    return 0


def _add_score(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("places", type=Path, nargs="+", help="folders of recordings, or packs")
    parser.add_argument("--go", action="append", default=[], help="only this Go release")
    parser.add_argument("--rate", action="append", default=[], help="only this rate, or healthy")
    parser.add_argument("--only", action="append", default=[], help="only this scenario")
    parser.add_argument("--captures", type=int, help="only so many captures, the first ones")
    parser.add_argument("--no-pprof", action="store_true", help="without the baseline")
    parser.add_argument("--json", action="store_true")
    parser.set_defaults(run=_score)


def _score(given: argparse.Namespace) -> int:
    import corpus_score as scorer
    import corpus_store
    from pprof_oracle import Pprof
    from toolchains import current

    from memsnap.api import findings

    pprof = None if given.no_pprof else Pprof.of(current())
    with corpus_store.opened(*given.places) as found:
        chosen = [
            replace(recording, captures=recording.captures[: given.captures])
            for recording in found
            if _is_chosen(recording.release, given.go)
            and _is_chosen(recording.rate, given.rate)
            and _is_chosen(recording.scenario, given.only)
        ]
        scored = list(scorer.scores(chosen, findings, pprof))
    if given.json:
        print(json.dumps(scorer.document(scored), indent=1))
    else:
        print(scorer.render(scored))
    return 0


def _is_chosen(value: str, wanted: list[str]) -> bool:
    return not wanted or value in wanted


def _add_pack(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("root", type=Path, help="folder that paths in the pack are relative to")
    parser.add_argument("folders", type=Path, nargs="+", help="of recordings, below it")
    parser.add_argument("--out", type=Path, required=True, help="FILE.tar.zst")
    parser.set_defaults(run=_pack)


def _pack(given: argparse.Namespace) -> int:
    import corpus_store

    size = corpus_store.pack([given.root / at for at in given.folders], given.root, given.out)
    print(f"{given.out}: {size:,} bytes")
    return 0


def _seconds(text: str) -> float:
    unit = {"s": 1, "m": 60}.get(text[-1])
    return float(text) if unit is None else float(text[:-1]) * unit


if __name__ == "__main__":
    sys.exit(main())
