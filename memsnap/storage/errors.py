"""What goes wrong with a store, in sentences; the drivers' own errors end here.

`StoreUnavailable` is the one to wait for or to spool at: the same call may go through later.
`Refused` is the opposite: the store works, and what it was given is the trouble.
"""

import sqlite3

from sqlalchemy import exc

from memsnap.errors import MemsnapError


class StoreError(MemsnapError):
    """The store cannot do what it was asked to: it is damaged, foreign, of another schema."""


class StoreUnavailable(StoreError):
    """The store is away, locked or full; the same call may go through later."""


class Refused(StoreError):
    """The store works, but never takes this: a value out of range, against a rule of its own."""


class SlotTaken(StoreError):
    """A capture of this target is stored for this moment already, and stays."""


class LeaseLost(StoreError):
    """Another collector visits the target by now: what this one brings comes too late."""


# By the first two letters of PostgreSQL's SQLSTATE (its manual, appendix A), then by all five.
_AWAY_CLASSES = {
    "08": "the connection is gone",
    "40": "two writers were in each other's way",
    "53": "it has run out of resources",
    "57": "it is shutting down or has cancelled the statement",
    "58": "its system has failed",
}
_AWAY_STATES = {
    "25006": "it is a read-only replica",
    "53100": "its disk is full",
    "53300": "it has too many connections",
    "55P03": "it is locked",
    "57014": "the statement took too long",
    "57P03": "it is starting up",
}
_POOLER_HINT = (
    "a pooler in between needs pool_mode = session, and ignore_startup_parameters as in "
    "docs/operations.md"
)
_REFUSED_CLASSES = frozenset({"22", "23", "54"})  # data, integrity, limits of the program
# By SQLite's primary result code (sqlite.org/rescode.html).
_AWAY_CODES = {
    sqlite3.SQLITE_BUSY: "it is locked by another process",
    sqlite3.SQLITE_LOCKED: "it is locked",
    sqlite3.SQLITE_READONLY: "it is read-only",
    sqlite3.SQLITE_IOERR: "its disk gives errors",
    sqlite3.SQLITE_FULL: "its disk is full",
    sqlite3.SQLITE_CANTOPEN: "its file cannot be opened",
}
_BROKEN_CODES = {
    sqlite3.SQLITE_CORRUPT: "the file is damaged",
    sqlite3.SQLITE_NOTADB: "the file is no SQLite database",
    sqlite3.SQLITE_PERM: "its file may not be accessed",
    sqlite3.SQLITE_AUTH: "its file may not be accessed",
}
_REFUSED_CODES = frozenset(
    {
        sqlite3.SQLITE_CONSTRAINT,
        sqlite3.SQLITE_MISMATCH,
        sqlite3.SQLITE_RANGE,
        sqlite3.SQLITE_TOOBIG,
    }
)
_HINTS = {
    sqlite3.SQLITE_FULL: "free some space, or keep less: memsnap db prune",
    sqlite3.SQLITE_CANTOPEN: "do its folder and the rights on it allow reading and writing?",
    sqlite3.SQLITE_READONLY: "may this user write to the file and to its folder?",
    sqlite3.SQLITE_CORRUPT: "restore a backup, or save what is readable: sqlite3 FILE .recover",
    sqlite3.SQLITE_NOTADB: "is it the right file?",
}


def of_sqlalchemy(error: exc.SQLAlchemyError, store: str) -> StoreError:
    """Return what an error of SQLAlchemy means; `store` names the store without secrets."""
    if isinstance(error, exc.TimeoutError):
        return StoreUnavailable(
            f"the store {store} is busy: no connection came free in time",
            hint="is another memsnap writing to it?",
        )
    if not isinstance(error, exc.DBAPIError) or error.orig is None:
        return StoreError(f"the store {store} failed: {_first_line(error)}")
    cause = error.orig
    state = getattr(cause, "sqlstate", None)
    if state:
        return of_sqlstate(state, cause, store)
    if isinstance(cause, sqlite3.Error) and hasattr(cause, "sqlite_errorcode"):
        return of_sqlite(cause, store)
    if error.connection_invalidated or isinstance(error, exc.InterfaceError):
        return away(store, _first_line(cause))
    return StoreError(f"the store {store} failed: {_first_line(cause)}")


def of_sqlstate(state: str, cause: BaseException, store: str) -> StoreError:
    """Return what PostgreSQL means with an error of this state."""
    hint = ""
    # A pooler that knows no such setting; one that shares connections between transactions.
    if "startup parameter" in str(cause) or state == "42P05":
        hint = _POOLER_HINT
    elif reason := _AWAY_STATES.get(state) or _AWAY_CLASSES.get(state[:2]):
        return away(store, reason)
    elif state[:2] in _REFUSED_CLASSES:
        return Refused(f"the store {store} refuses: {_first_line(cause)}")
    elif state in {"42P01", "42703"}:  # undefined table, undefined column
        hint = "bring its schema up to date: memsnap db upgrade"
    elif state[:2] == "28":
        hint = "are the user and the password right?"
    elif state == "3D000":
        hint = "create the database first: createdb NAME"
    return StoreError(f"the store {store} refuses: {_first_line(cause)}", hint=hint)


def away(store: str, reason: str, *, hint: str = "") -> StoreUnavailable:
    """Return the error for a store that cannot be had now."""
    return StoreUnavailable(f"the store {store} is not available: {reason}", hint=hint)


def of_sqlite(cause: sqlite3.Error, store: str) -> StoreError:
    """Return what SQLite means with an error."""
    code = cause.sqlite_errorcode & 0xFF
    hint = _HINTS.get(code, "")
    if code in _AWAY_CODES:
        return away(store, _AWAY_CODES[code], hint=hint)
    if code in _BROKEN_CODES:
        return StoreError(f"the store {store} cannot be used: {_BROKEN_CODES[code]}", hint=hint)
    text = _first_line(cause)
    if code in _REFUSED_CODES:
        return Refused(f"the store {store} refuses: {text}")
    if text.startswith(("no such table", "no such column")):
        hint = "bring its schema up to date: memsnap db upgrade"
    return StoreError(f"the store {store} failed: {text}", hint=hint)


def _first_line(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return text[0] if text else type(error).__name__
