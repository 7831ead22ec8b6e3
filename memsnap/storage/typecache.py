"""What allocation sites of a build were resolved to, kept between runs.

One file per build in the user's cache folder, written whole or not at all.  A cache: whatever is
wrong with it, it is made anew, and nothing fails.
"""

import hashlib
import os
from pathlib import Path

import msgspec

from memsnap.attribution import Answer, Known
from memsnap.errors import FileError
from memsnap.storage.snapfile import write_atomically
from memsnap.version import __version__

_MOST_FILES = 64  # builds kept, the most recently used
_MOST_ANSWERS = 500_000  # of one build, some 20 MB
_KEY_BYTES = 16  # of answers and of places


class _File(msgspec.Struct, array_like=True):
    """The file: answers are indices of distinct ones, one per key."""

    version: str
    build: str
    distinct: list[Answer]
    keys: bytes
    places: bytes
    answers: list[int]


class TypeCache:
    """The cache folder; `folder` None means the user's own."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or _user_folder()

    def load(self, build: str) -> Known:
        """Return what is known of the build with this id: nothing, where there is no good file."""
        path = self._path(build)
        try:
            file = msgspec.msgpack.decode(path.read_bytes(), type=_File)
        except (OSError, msgspec.MsgspecError):
            return Known()
        fits = len(file.keys) == _KEY_BYTES * len(file.answers)
        if file.version != __version__ or file.build != build or not fits:
            return Known()
        try:
            path.touch()
            answers = [file.distinct[answer] for answer in file.answers]
        except (OSError, IndexError):
            return Known()
        return Known(dict(zip(_keys(file.keys), answers, strict=True)), set(_keys(file.places)))

    def save(self, build: str, known: Known) -> None:
        """Keep what is `known`; silently does not where the folder cannot be written to."""
        answers = known.answers
        if len(answers) > _MOST_ANSWERS:
            return
        distinct: dict[Answer, int] = {}
        numbers = [distinct.setdefault(answer, len(distinct)) for answer in answers.values()]
        file = _File(
            version=__version__,
            build=build,
            distinct=list(distinct),
            keys=b"".join(answers),
            places=b"".join(known.places),
            answers=numbers,
        )
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_atomically(self._path(build), msgspec.msgpack.encode(file))
            self._drop_oldest()
        except (OSError, FileError):
            return

    def _path(self, build: str) -> Path:
        return self.folder / f"{hashlib.sha256(build.encode()).hexdigest()[:32]}.types"

    def _drop_oldest(self) -> None:
        files = sorted(
            self.folder.glob("*.types"), key=lambda path: path.stat().st_mtime, reverse=True
        )
        for path in files[_MOST_FILES:]:
            path.unlink(missing_ok=True)


def _keys(joined: bytes) -> list[bytes]:
    return [joined[at : at + _KEY_BYTES] for at in range(0, len(joined), _KEY_BYTES)]


def _user_folder() -> Path:
    """Return MEMSNAP_CACHE_DIR, else the folder that the XDG specification gives."""
    if own := os.environ.get("MEMSNAP_CACHE_DIR"):
        return Path(own) / "types"
    given = os.environ.get("XDG_CACHE_HOME", "")
    home = os.environ.get("HOME", "")
    base = Path(given) if given else Path(home or "/nonexistent") / ".cache"
    return base / "memsnap" / "types"
