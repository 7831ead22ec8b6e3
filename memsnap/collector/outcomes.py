"""What became of a visit, for those who asked for it."""

from dataclasses import dataclass
from typing import Self

from memsnap.collector.keeper import Kept
from memsnap.collector.posts import Post
from memsnap.errors import MemsnapError


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A capture and its id, None while it waits on disk; or why there is none, `failure`."""

    kept: Kept | None = None
    snapshot_id: int | None = None
    failure: str = ""


class Unvisited(MemsnapError):
    """A target that this daemon cannot visit now; `known` if it is one of its targets at all."""

    known = True

    @classmethod
    def of(cls, post: Post | None, target_id: int, *, stopping: bool) -> Self:
        """Return the error that says why."""
        if post is None:
            error = cls(
                f"target {target_id} is none that this daemon visits",
                hint="its configuration and discoveries say which it does",
            )
            error.known = False
        elif stopping:
            error = cls("memsnap is being stopped", hint="ask again when it runs")
        elif post.lease is None:
            error = cls(
                f"another collector visits {post.key}",
                hint="ask that one; its log says where it is",
            )
        else:
            error = cls(f"{post.key} is being captured already", hint="wait for that capture")
        return error
