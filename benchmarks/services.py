"""Measure how much of what real services hold in memory gets its Go type.

Usage: python benchmarks/services.py NAME=EXECUTABLE ... [--seconds S] [--every-object]

Each service runs on the loopback interface with a throw-away folder, is sent requests for some
seconds, is captured by `memsnap capture -p`, and is killed.  The capture is then typed anew, by a
process of its own, once with nothing remembered and once with what the first time remembered.
"""

import argparse
import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sites import status_bytes

Request = tuple[str, str, str]
"""Method, path and body; `{n}` in path and body counts the requests."""
_PORTS = 8
_WORKERS = 4
_START_S = 30
_HEADERS = {"Accept-Encoding": "identity"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """How to run a service; `{dir}` is its folder, `{0}` to `{7}` are free ports.

    `ports` are those of `{0}` to `{7}` that take the requests.
    """

    arguments: str
    requests: Mapping[int, tuple[Request, ...]]
    files: Mapping[str, str] = field(default_factory=dict)
    prepare: Callable[[Path], None] = field(default=lambda folder: None)


def _sqlite(folder: Path) -> None:
    """Make the database that litestream follows."""
    with contextlib.closing(sqlite3.connect(folder / "a.db")) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("CREATE TABLE entries (id INTEGER PRIMARY KEY, text TEXT)")
        rows = [(f"entry {number}" * 20,) for number in range(5_000)]
        database.executemany("INSERT INTO entries (text) VALUES (?)", rows)
        database.commit()


def _get(*paths: str) -> tuple[Request, ...]:
    return tuple(("GET", path, "") for path in paths)


_CADDY = {
    "admin": {"listen": "127.0.0.1:{0}"},
    "apps": {
        "http": {
            "servers": {
                "a": {
                    "listen": ["127.0.0.1:{1}"],
                    "automatic_https": {"disable": True},
                    "routes": [
                        {"match": [{"path": ["/files/*"]}], "handle": [{"handler": "file_server"}]},
                        {"handle": [{"handler": "static_response", "body": "answer"}]},
                    ],
                }
            }
        }
    },
}

SERVICES = {
    "prometheus": Service(
        arguments="--config.file={dir}/a.yml --storage.tsdb.path={dir}/data "
        "--web.listen-address=127.0.0.1:{0}",
        files={
            "a.yml": "global: {scrape_interval: 1s}\nscrape_configs:\n- job_name: self\n"
            "  static_configs: [{targets: ['127.0.0.1:{0}']}]\n"
        },
        requests={
            0: _get(
                "/metrics",
                "/api/v1/query?query=up",
                "/api/v1/query?query=rate(prometheus_http_requests_total[5s])",
                "/api/v1/series?match[]=up",
                "/api/v1/targets",
            )
        },
    ),
    "caddy": Service(
        arguments="run --config {dir}/a.json",
        files={"a.json": json.dumps(_CADDY)},
        requests={0: _get("/config/", "/metrics"), 1: _get("/a?n={n}", "/files/a.json")},
    ),
    "influxdb": Service(
        arguments="-config {dir}/a.conf",
        files={
            "a.conf": 'reporting-disabled = true\nbind-address = "127.0.0.1:{1}"\n'
            '[meta]\ndir = "{dir}/meta"\n[data]\ndir = "{dir}/data"\nwal-dir = "{dir}/wal"\n'
            '[http]\nbind-address = "127.0.0.1:{0}"\npprof-enabled = true\n'
            "log-enabled = false\n"
        },
        requests={
            0: (
                ("POST", "/query?q=CREATE+DATABASE+a", ""),
                ("POST", "/write?db=a", 'weather,place=p{n} degrees={n},note="warm"\n'),
                ("GET", "/query?db=a&q=select+*+from+weather+limit+5", ""),
            )
        },
    ),
    "nats": Service(
        arguments="-a 127.0.0.1 -p {0} -m {1} --profile {2} -js -sd {dir}",
        requests={1: _get("/varz", "/connz", "/subsz", "/jsz")},
    ),
    "etcd": Service(
        arguments="--enable-pprof --data-dir {dir}/data --listen-client-urls http://127.0.0.1:{0} "
        "--advertise-client-urls http://127.0.0.1:{0} --listen-peer-urls http://127.0.0.1:{1}",
        requests={
            0: (
                ("POST", "/v3/kv/put", '{{"key": "YWJj", "value": "ZGVm{n}AAAA"}}'),
                ("POST", "/v3/kv/range", '{{"key": "YWJj"}}'),
                ("GET", "/metrics", ""),
            )
        },
    ),
    "traefik": Service(
        arguments="--api.insecure=true --api.debug=true --entryPoints.traefik.address=127.0.0.1:{0}"
        " --entryPoints.web.address=127.0.0.1:{1} --providers.file.filename={dir}/a.yml"
        " --metrics.prometheus=true --global.sendAnonymousUsage=false"
        " --global.checkNewVersion=false",
        files={
            "a.yml": 'http:\n  routers:\n    a: {rule: "PathPrefix(`/a`)", service: a}\n'
            "  services:\n    a: {loadBalancer: {servers: [{url: 'http://127.0.0.1:{0}'}]}}\n"
        },
        requests={0: _get("/api/rawdata", "/api/http/routers", "/metrics"), 1: _get("/a?n={n}")},
    ),
    "rclone": Service(
        arguments="rcd --rc-addr 127.0.0.1:{0} --rc-no-auth --config {dir}/none.conf",
        requests={
            0: (
                ("POST", "/core/stats", ""),
                ("POST", "/operations/list?fs=/&remote=usr", ""),
                ("POST", "/options/get", ""),
                ("POST", "/config/providers", ""),
            )
        },
    ),
    "seaweedfs": Service(
        arguments="server -debug -debug.port={0} -ip=127.0.0.1 -ip.bind=127.0.0.1 -dir={dir} -filer"
        " -master.port={1} -volume.port={2} -filer.port={3} -master.port.grpc={4}"
        " -volume.port.grpc={5} -filer.port.grpc={6} -master.volumeSizeLimitMB=64",
        requests={
            1: _get("/dir/status", "/dir/assign"),
            3: (("PUT", "/a/{n}.txt", "some text " * 50), ("GET", "/a/", "")),
        },
    ),
    "litestream": Service(
        arguments="replicate -config {dir}/a.yml",
        files={
            "a.yml": 'addr: "127.0.0.1:{0}"\ndbs:\n- path: {dir}/a.db\n  replicas:\n'
            "  - path: {dir}/replica\n"
        },
        prepare=_sqlite,
        requests={0: _get("/metrics")},
    ),
}


def main() -> None:
    """Print the table; messages of what could not be measured go to standard error."""
    arguments = _arguments()
    if arguments.typed:
        print(json.dumps(_typed_here(*arguments.typed)))
        return
    columns = ["service", "Go", "executable", "samples", "in use", "exact", "inferred", "typed"]
    print("| " + " | ".join([*columns, "cold", "from cache", "peak memory"]) + " |")
    print("|---|---|" + "--:|" * 9)
    failures = 0
    for given in arguments.services:
        name, _, path = given.partition("=")
        try:
            print(_row(name, Path(path), arguments), flush=True)
        except (OSError, RuntimeError, subprocess.CalledProcessError) as error:
            print(f"{given}: {error}", file=sys.stderr)
            failures += 1
    sys.exit(1 if failures else 0)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("services", nargs="*", metavar="NAME=EXECUTABLE", help=", ".join(SERVICES))
    parser.add_argument("--seconds", type=float, default=8, help="of requests (8)")
    parser.add_argument("--keep", type=Path, help="folder that is to keep the captures")
    parser.add_argument(
        "--every-object", action="store_true", help="sample every allocation, not one in 512 KB"
    )
    parser.add_argument("--typed", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    for given in arguments.services:
        name, _, path = given.partition("=")
        if name not in SERVICES or not Path(path).is_file():
            parser.error(f"{given}: give NAME=EXECUTABLE, with a name of {', '.join(SERVICES)}")
    return arguments


def _row(name: str, executable: Path, arguments: argparse.Namespace) -> str:
    with tempfile.TemporaryDirectory(prefix="memsnap-services-") as temporary:
        folder = Path(temporary)
        capture = folder / "a.snap"
        with _running(SERVICES[name], executable, folder, arguments) as (pid, ports):
            _load(SERVICES[name], ports, arguments.seconds)
            command = ["capture", "-p", str(pid), "-o", str(capture), "--no-types"]
            run = "from memsnap.cli.main import main; main()"
            done = subprocess.run(
                [sys.executable, "-c", run, *command], capture_output=True, text=True, check=False
            )
            if done.returncode:
                raise RuntimeError(done.stderr.strip())
        cache = folder / "cache"
        cold, cached = (_typed(capture, executable, cache) for _ in range(2))
        if arguments.keep:
            arguments.keep.mkdir(parents=True, exist_ok=True)
            shutil.copy(capture, arguments.keep / f"{name}-{cold['go']}.snap")
    live = cold["live"] or 1
    exact, inferred = cold["exact"] / live, cold["inferred"] / live
    cells = [
        name,
        cold["go"].removeprefix("go"),
        f"{executable.stat().st_size / 1e6:.0f} MB",
        str(cold["samples"]),
        f"{cold['live'] / 1e6:.1f} MB",
        f"{exact:.1%}",
        f"{inferred:.1%}",
        f"{exact + inferred:.1%}",
        f"{cold['seconds'] * 1000:.0f} ms",
        f"{cached['seconds'] * 1000:.0f} ms",
        f"{cold['peak'] / 1e6:.0f} MB",
    ]
    return "| " + " | ".join(cells) + " |"


@contextlib.contextmanager
def _running(
    service: Service, executable: Path, folder: Path, arguments: argparse.Namespace
) -> Iterator[tuple[int, list[int]]]:
    """Run a service; yield its process id and its ports once it takes requests."""
    ports = _free_ports()
    for name, text in service.files.items():
        (folder / name).write_text(_filled(text, folder, ports))
    service.prepare(folder)
    words = [_filled(word, folder, ports) for word in service.arguments.split()]
    rate = {"GODEBUG": "memprofilerate=1"} if arguments.every_object else {}
    # Nothing of the user's: some services keep files below HOME.
    environment = {"PATH": os.environ.get("PATH", ""), "HOME": str(folder), **rate}
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [executable, *words], cwd=folder, env=environment, stdout=output, stderr=output
        )
    try:
        for port in service.requests:
            _wait(ports[port], process, log)
        yield process.pid, ports
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def _filled(text: str, folder: Path, ports: list[int]) -> str:
    text = text.replace("{dir}", str(folder))
    for number, port in enumerate(ports):
        text = text.replace(f"{{{number}}}", str(port))
    return text


def _free_ports() -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(_PORTS)]
        for listening in sockets:
            listening.bind(("127.0.0.1", 0))
        return [listening.getsockname()[1] for listening in sockets]


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + _START_S
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    raise RuntimeError(f"does not listen: {log.read_text(errors='replace')[-500:]}")


def _load(service: Service, ports: list[int], seconds: float) -> None:
    """Send the service's requests in turns, from several connections, for some seconds."""
    end = time.monotonic() + seconds
    workers = [
        threading.Thread(target=_send, args=(ports[port], requests, end, worker))
        for port, requests in service.requests.items()
        for worker in range(_WORKERS)
    ]
    for thread in workers:
        thread.start()
    for thread in workers:
        thread.join()


def _send(port: int, requests: tuple[Request, ...], end: float, worker: int) -> None:
    count = worker
    while time.monotonic() < end:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        # What a service answers matters little: it has to work.
        with (
            contextlib.suppress(OSError, http.client.HTTPException),
            contextlib.closing(connection),
        ):
            for _ in range(20):
                for method, path, body in requests:
                    count += _WORKERS
                    number = str(count)
                    connection.request(
                        method,
                        path.replace("{n}", number),
                        body=body.replace("{n}", number).replace("{{", "{").replace("}}", "}"),
                        headers=_HEADERS,
                    )
                    connection.getresponse().read()
                    time.sleep(0.002)


def _typed(capture: Path, executable: Path, cache: Path) -> dict[str, Any]:
    """Have the capture typed by a process of its own, which knows its own peak memory."""
    command = [sys.executable, __file__, "--typed", str(capture), str(executable), str(cache)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def _typed_here(capture: str, executable: str, cache: str) -> dict[str, Any]:
    from memsnap.attribution import CERTAINTY, TYPE
    from memsnap.capture.executables import TypeSource
    from memsnap.gobin.executable import Executable
    from memsnap.pprof.heap import heap_samples
    from memsnap.storage.snapfile import load
    from memsnap.storage.typecache import TypeCache

    snapshot = load(capture)
    start = time.perf_counter()
    with TypeSource(file=executable, memory=TypeCache(Path(cache))) as source:
        typed = source.attribute(snapshot)
    seconds = time.perf_counter() - start
    peak = status_bytes("VmHWM")
    with Executable.open(executable) as opened:
        go = opened.build_info.go_version
    live = heap_samples(typed.heap, name=capture).live_bytes
    labels, strings = typed.heap.labels, typed.heap.strings
    keys: dict[str, set[int]] = {TYPE: set(), CERTAINTY: set()}
    for sample, key in zip(labels.sample.tolist(), labels.key.tolist(), strict=True):
        if strings[key] in keys:
            keys[strings[key]].add(sample)
    count: Counter[str] = Counter()
    for sample in keys[TYPE]:
        count["inferred" if sample in keys[CERTAINTY] else "exact"] += int(live[sample])
    return {
        "go": go,
        "samples": int((live > 0).sum()),
        "live": int(live.sum()),
        "exact": count["exact"],
        "inferred": count["inferred"],
        "seconds": seconds,
        "peak": peak,
    }


if __name__ == "__main__":
    main()
