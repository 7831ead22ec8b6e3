"""memsnap: which Go objects survive garbage collection between two captures, and how sure that is.

    import memsnap

    before, after = memsnap.load("a.snap"), memsnap.load("b.snap")
    diff = memsnap.diff(before, after, focus="*http.Request")
    for site in diff.top(10):
        print(site.function, site.line, site.growth.bytes, site.growth_limits)

The names below are the public interface; they are imported on first use, so that a program that
needs one of them does not pay for the others.
"""

from typing import TYPE_CHECKING, Any

from memsnap.version import __version__ as __version__

if TYPE_CHECKING:
    from memsnap.api import diff as diff
    from memsnap.api import load as load
    from memsnap.api import save as save

__all__ = ["__version__", "diff", "load", "save"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from memsnap import api

        return getattr(api, name)
    raise AttributeError(f"module 'memsnap' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
