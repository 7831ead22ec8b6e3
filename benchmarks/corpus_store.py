"""Recordings as files: folders of captures with their truth, or all of them packed into one file.

A pack is a tar compressed by zstd.  Its captures are bare profile.proto messages: what is not
compressed twice compresses far better beside its like.  memsnap and pprof read both forms.
"""

import contextlib
import io
import json
import sys
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from memsnap.pprof.envelope import unwrap
from memsnap.pprof.reader import DEFAULT_MAX_BYTES

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PACKED = ".tar.zst"
_LEVEL = 19
_RATES = {"350K": -2, "35K": -1, "healthy": 1}  # in the order of reports


@dataclass(frozen=True, slots=True, kw_only=True)
class TrueSite:
    """A line that allocates what the leak keeps; `leaves` are patterns of library functions."""

    function: str
    line: int
    leaves: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One service's captures, in order, and the truth about it.

    `verdicts` are the names that are right, the best first.  `file` ends every path of the
    scenario's own code.  `cause_lines` are lines in it, `cause_functions` patterns of names.
    """

    scenario: str
    release: str
    rate: str
    verdicts: tuple[str, ...]
    grown_bytes: int
    file: str
    sites: tuple[TrueSite, ...]
    cause_lines: frozenset[int]
    cause_functions: tuple[str, ...]
    captures: tuple[Path, ...]

    @property
    def leaks(self) -> bool:
        """Whether the service is at fault."""
        return self.verdicts[0] == "leak"

    def is_true_line(self, function: str, file: str, line: int) -> bool:
        """Return whether a line of code is a site or a cause of what happens in this service."""
        if any(_is_called(function, pattern) for pattern in self.cause_functions):
            return True
        if not file.endswith(self.file):
            return False
        at_site = any(_is_called(function, s.function) and s.line == line for s in self.sites)
        return at_site or line in self.cause_lines

    def is_true_function(self, function: str) -> bool:
        """Return whether a function's own allocations are of what happens in this service."""
        patterns = [pattern for site in self.sites for pattern in (site.function, *site.leaves)]
        patterns += self.cause_functions
        return any(_is_called(function, pattern) for pattern in patterns)


def _is_called(function: str, pattern: str) -> bool:
    """Match a name with a pattern; closures (`main.f.func1`) count as the function around them."""
    return fnmatchcase(function, pattern) or fnmatchcase(function, f"{pattern}.func*")


@contextlib.contextmanager
def opened(*places: Path) -> Iterator[list[Recording]]:
    """Yield the recordings in folders and packs, by release, rate and name.

    Their captures are files for the time of the block.
    """
    with contextlib.ExitStack() as stack:
        folders = [
            place if place.is_dir() else stack.enter_context(_unpacked(place)) for place in places
        ]
        yield sorted(
            (_recording(file) for folder in folders for file in folder.rglob("truth.json")),
            key=lambda recording: (
                [int(part) for part in recording.release.split(".")],
                _RATES.get(recording.rate, 0),
                recording.rate,
                recording.scenario,
            ),
        )


@contextlib.contextmanager
def _unpacked(file: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="memsnap-corpus-") as folder:
        data = io.BytesIO(zstd.decompress(file.read_bytes()))
        with tarfile.open(fileobj=data) as tar:
            tar.extractall(folder, filter="data")
        yield Path(folder)


def pack(folders: Iterable[Path], root: Path, file: Path) -> int:
    """Write the recordings in `folders`, by their place below `root`; return the size in bytes."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for path in sorted({path for folder in folders for path in folder.rglob("*.*")}):
            content = path.read_bytes()
            if path.suffix == ".snap":
                content = unwrap(content, name=str(path), max_bytes=DEFAULT_MAX_BYTES)
            entry = tarfile.TarInfo(str(path.relative_to(root)))
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    options = {
        zstd.CompressionParameter.compression_level: _LEVEL,
        zstd.CompressionParameter.enable_long_distance_matching: 1,
    }
    return file.write_bytes(zstd.compress(data.getvalue(), options=options))


def _recording(file: Path) -> Recording:
    truth = json.loads(file.read_text())
    return Recording(
        scenario=truth["scenario"],
        release=truth["release"],
        rate=truth["rate"],
        verdicts=(truth["verdict"], *truth["also"]),
        grown_bytes=truth["grown_bytes"],
        file=truth["file"],
        sites=tuple(
            TrueSite(function=s["function"], line=s["line"], leaves=tuple(s["leaves"]))
            for s in truth["sites"]
        ),
        cause_lines=frozenset(cause["line"] for cause in truth["causes"] if "line" in cause),
        cause_functions=tuple(c["function"] for c in truth["causes"] if "function" in c),
        captures=tuple(sorted(file.parent.glob("*.snap"))),
    )
