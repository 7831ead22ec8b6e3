"""Records the corpus: real services that leak or do not, captured by memsnap itself.

Each service runs with the same background traffic (tests/scenarios/internal/traffic), so that its
profile has the noise of a busy one, and performs its own operation at a rate in bytes a second.
"""

import contextlib
import json
import shutil
import tempfile
import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import scenario_truth
import toolchains
from scenario_truth import Site, Truth
from services import Service, running

from memsnap import api
from memsnap.capture.executables import TypeSource
from memsnap.capture.series import Listeners, capture_series
from memsnap.capture.target import PidTarget

HEALTHY = "healthy"
"""The rate of scenarios that do not leak: they go at the pace that their header gives."""

_USUAL_INTERVAL_S = 10.0
"""The interval that `per_s` of a healthy scenario is meant for."""

_FLAGS = ("-trimpath", "-buildvcs=false")  # nothing of the machine that recorded it
_STAGGER_S = 0.7


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to record of each service; times in seconds, `traffic` in operations a second.

    `swing` is the share of the background that comes and goes.
    """

    captures: int
    interval_s: float
    warm_up_s: float
    traffic: float
    swing: float
    at_once: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One service to record: `rate` is `350K` (bytes a second) or `healthy`."""

    release: str
    rate: str
    truth: Truth
    program: Path
    out: Path


def jobs_of(
    releases: Sequence[str],
    rates: Sequence[str],
    only: Sequence[str],
    *,
    home: Path,
    folder: Path,
    programs: Path,
) -> list[Job]:
    """Return the jobs: leaks at every rate, healthy services once; builds what is missing.

    `home` is the Go module that has the services.  The executables are copied to `programs`, by
    release, so that recordings name a neutral place.
    """
    truths = scenario_truth.all_truths(home)
    truths = [truth for truth in truths if not only or truth.name in only]
    jobs = []
    for release in releases:
        go = _toolchain(release)
        built = go.build_all(home, [truth.name for truth in truths], flags=_FLAGS)
        home = programs / f"go{release}"
        home.mkdir(parents=True, exist_ok=True)
        for truth in truths:
            program = Path(shutil.copy(built[truth.name], home))
            for rate in rates if truth.leaks else [HEALTHY]:
                out = folder / release / rate / truth.name
                jobs.append(Job(release=release, rate=rate, truth=truth, program=program, out=out))
    return jobs


def _toolchain(release: str) -> toolchains.Go:
    """Return the suite's own Go where it is of that release, else fetch the release's."""
    own = toolchains.current()
    if own.version == f"go{toolchains.RELEASES[release]}":
        return own
    return toolchains.release(release)


def record_all(jobs: Sequence[Job], plan: Plan) -> Iterable[tuple[Job, str]]:
    """Record `plan.at_once` services side by side; yield each with a line on how it went.

    Nothing else runs while services are captured: what memsnap computes comes behind all of them.
    """
    for start in range(0, len(jobs), plan.at_once):
        batch = jobs[start : start + plan.at_once]
        captured = threading.Barrier(len(batch))
        with ThreadPoolExecutor(len(batch)) as pool:
            results = [
                pool.submit(_record, job, plan, delay_s=_STAGGER_S * at, captured=captured)
                for at, job in enumerate(batch)
            ]
            for job, result in zip(batch, results, strict=True):
                yield job, result.result()


def operations_per_s(truth: Truth, rate: str, interval_s: float) -> float:
    """Return how often a service performs its operation; healthy ones keep their shape."""
    if rate == HEALTHY:
        assert truth.per_s is not None, truth.name
        return truth.per_s * _USUAL_INTERVAL_S / interval_s
    return bytes_per_s(rate) / truth.op_bytes


def bytes_per_s(rate: str) -> int:
    """Return the bytes of `350K` or `7000`."""
    return int(rate[:-1]) * 1000 if rate.endswith("K") else int(rate)


def _record(job: Job, plan: Plan, *, delay_s: float, captured: threading.Barrier) -> str:
    """Record one service; one that fails does not hold up the others of its batch."""
    try:
        return _record_behind(job, plan, delay_s, captured)
    except BaseException:
        captured.abort()
        raise


def _record_behind(job: Job, plan: Plan, delay_s: float, captured: threading.Barrier) -> str:
    time.sleep(delay_s)
    per_s = operations_per_s(job.truth, job.rate, plan.interval_s)
    background = (f"-traffic={plan.traffic}", f"-swing={plan.swing}")
    flags = (*background, f"-per-second={per_s}", *job.truth.args)
    with running(job.program, "-until-eof", *flags) as service:
        service.heap()  # the first profile of a process allocates the profiler's own tables
        time.sleep(plan.warm_up_s)
        performed: list[int] = []
        series = capture_series(
            PidTarget(pid=service.pid),
            count=plan.captures,
            interval_s=plan.interval_s,
            report=Listeners(on_capture=lambda *_: performed.append(_performed(service))),
        )
        taken = list(series)
        with contextlib.suppress(threading.BrokenBarrierError):
            captured.wait()
        with TypeSource() as types:
            typed = [types.attribute_if_possible(snapshot) for snapshot in taken]
    with tempfile.TemporaryDirectory() as fresh:
        for number, snapshot in enumerate(typed, start=1):
            api.save(snapshot, Path(fresh) / f"{number:02}.snap")
        described = _described(job, plan, performed)
        (Path(fresh) / "truth.json").write_text(json.dumps(described, indent=1) + "\n")
        shutil.rmtree(job.out, ignore_errors=True)
        shutil.copytree(fresh, job.out)
    expected = per_s * plan.interval_s * (plan.captures - 1)
    return f"{performed[-1] - performed[0]} operations of {expected:.0f}"


def _performed(service: Service) -> int:
    return int(service.vars()["truth_ops"])


def _described(job: Job, plan: Plan, performed: list[int]) -> dict[str, Any]:
    """Return the truth about one recording as its truth.json has it; README.md explains it."""
    truth = job.truth
    return {
        "scenario": truth.name,
        "release": job.release,
        "rate": job.rate,
        "interval_s": plan.interval_s,
        "captures": plan.captures,
        "traffic_per_s": plan.traffic,
        "swing": plan.swing,
        "operations": performed,
        "grown_bytes": (performed[-1] - performed[0]) * truth.op_bytes if truth.leaks else 0,
        "verdict": truth.verdict,
        "also": list(truth.also),
        "trap": truth.trap or truth.shape,
        "file": f"{truth.name}/main.go",
        "sites": [_site(site) for site in truth.sites if site.per_op != 0 or not truth.leaks],
        "causes": [*({"line": line} for line in truth.cause_lines), *_functions_at_fault(truth)],
    }


def _site(site: Site) -> dict[str, Any]:
    return {
        "function": site.function,
        "line": site.line,
        "type": site.type,
        "alloc": site.alloc,
        "holder": site.holder,
        "leaves": list(site.leaves),
    }


def _functions_at_fault(truth: Truth) -> list[dict[str, str]]:
    names = sorted({name for site in truth.sites for name in site.causes})
    return [{"function": name} for name in names]
