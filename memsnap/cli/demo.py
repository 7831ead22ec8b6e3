"""`memsnap demo`: the main job on a real leaking service, with nothing set up beforehand."""

import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import click

from memsnap.cli import options


@click.command()
@click.option(
    "--seconds",
    type=options.duration,
    default="10s",
    show_default=True,
    help="Time between the two captures.",
)
@click.option(
    "--keep",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep the two captures in this folder.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the diff as JSON.")
def demo(seconds: float, keep: Path | None, as_json: bool) -> int:
    """Build a leaking Go service, run it, capture it twice, and print the diff.

    The service ships with memsnap and is built with the Go on PATH, or with the one that
    `pip install 'memsnap[demo]'` brings.  Nothing is left behind.
    """
    from memsnap.analysis.diff import diff
    from memsnap.analysis.rows import Sort
    from memsnap.analysis.table import By
    from memsnap.capture.blocking import capture
    from memsnap.capture.executables import TypeSource
    from memsnap.capture.target import PidTarget
    from memsnap.demo.service import demo as service_running
    from memsnap.storage.snapfile import load, save

    with tempfile.TemporaryDirectory(prefix="memsnap-demo-") as scratch:
        folder = keep or Path(scratch)
        _make(folder)
        paths = [folder / "before.snap", folder / "after.snap"]
        running = service_running(lambda text: options.say(f"demo: {text}"))
        with running as service, TypeSource() as types:
            target = PidTarget(pid=service.pid)
            options.say(f"demo: memsnap capture -p {service.pid} -o {paths[0].name}")
            save(types.attribute_if_possible(capture(target)), paths[0])
            _wait(seconds)
            options.say(f"demo: memsnap capture -p {service.pid} -o {paths[1].name}")
            save(types.attribute_if_possible(capture(target)), paths[1])
        options.say(f"demo: memsnap diff {paths[0].name} {paths[1].name}")
        options.say("")
        snapshots = [load(path) for path in paths]
    # Without --keep the files are gone: their names are enough.
    names = [str(path) if keep else path.name for path in paths]
    result = diff([replace(it, name=name) for it, name in zip(snapshots, names, strict=True)])
    if as_json:
        from memsnap.report.document import diff_json

        options.show(diff_json(result, by=By.SITE, sort=Sort.CONFIDENCE))
        return 0
    from memsnap.report.terminal import render_diff

    options.show(
        render_diff(result, by=By.SITE, sort=Sort.CONFIDENCE, limit=5, ink=options.terminal())
    )
    if keep is None:
        options.show(
            "\nThat was a demo, and its captures are gone: `memsnap demo --keep DIR` keeps them to "
            "play with.\n`memsnap capture -p PID` takes them of a service of yours."
        )
    return 0


def _make(folder: Path) -> None:
    from memsnap.errors import FileError

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise FileError(f"cannot make {folder}: {reason}", hint="choose another --keep") from error


def _wait(seconds: float) -> None:
    """Let the service run, with a bar on a terminal."""
    label = f"demo: letting it leak for {seconds:.0f} s"
    if not sys.stderr.isatty():
        options.say(label)
        time.sleep(seconds)
        return
    with click.progressbar(length=20, label=label, file=sys.stderr) as bar:
        for _ in range(20):
            time.sleep(seconds / 20)
            bar.update(1)
