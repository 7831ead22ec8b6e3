"""What an executable tells without a profile, as JSON.

The forms are `memsnap.inspect/1`, `memsnap.types/1` and `memsnap.sites/1`; keys are only ever added
to them.  Sizes are integer bytes, addresses are those of link time in hexadecimal, and null stands
for what is not known.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from memsnap.gobin.buildinfo import Module
from memsnap.gobin.inspection import FileFacts, Inspection
from memsnap.gobin.kinds import AllocKind
from memsnap.gobin.layout import FieldLayout
from memsnap.gobin.listing import ListedSite
from memsnap.gobin.site import Certainty
from memsnap.gobin.typelist import ListedType

INSPECT_SCHEMA = "memsnap.inspect/1"
TYPES_SCHEMA = "memsnap.types/1"
SITES_SCHEMA = "memsnap.sites/1"


def inspection_document(found: Inspection) -> dict[str, Any]:
    """Return `memsnap.inspect/1`.

    `sites.by` has a row for each kind and certainty; `typed` counts those whose type is known for
    certain from the code alone.
    """
    rows = sorted(found.sites.items(), key=lambda item: (-item[1], _words(item[0])))
    return {
        "schema": INSPECT_SCHEMA,
        **_file_document(found.file),
        "functions": found.functions,
        "types": {"count": sum(found.types.values()), "by_kind": dict(found.types)},
        "sites": {
            "count": sum(found.sites.values()),
            "typed": found.typed,
            "by": [
                {"kind": kind.value, "certainty": certainty.value, "sites": count}
                for (kind, certainty), count in rows
            ],
        },
    }


def sites_document(file: FileFacts, sites: Iterable[ListedSite]) -> dict[str, Any]:
    """Return `memsnap.sites/1`, with `sites` written while they are found."""
    return {
        "schema": SITES_SCHEMA,
        **_identity(file),
        "sites": (site_document(listed) for listed in sites),
    }


def site_lines(sites: Iterable[ListedSite]) -> Iterator[str]:
    """Return the sites as JSON, one object a line, without the last line's end."""
    lead = ""
    for listed in sites:
        yield lead + msgspec.json.encode(site_document(listed)).decode()
        lead = "\n"


def site_document(listed: ListedSite) -> dict[str, Any]:
    """Return one allocation site; its keys are explained in docs/inspect.md."""
    site = listed.site
    return {
        "function": listed.function,
        "file": listed.file,
        "line": listed.line,
        "address": hex(listed.address),
        "code_of": listed.code_of,
        "calls": listed.callee,
        "kind": site.kind.value,
        "type": site.type_name or None,
        "full_type": site.full_name or None,
        "part": site.part or None,
        "certainty": site.certainty.value,
        "candidates": list(site.candidates),
        "via": site.via or None,
    }


def types_document(file: FileFacts, types: Iterable[ListedType], *, pattern: str) -> dict[str, Any]:
    """Return `memsnap.types/1`; `fields` is null for types that are no structs."""
    return {
        "schema": TYPES_SCHEMA,
        **_identity(file),
        "pattern": pattern or None,
        "types": (type_document(listed) for listed in types),
    }


def type_document(listed: ListedType) -> dict[str, Any]:
    """Return one type; its keys are explained in docs/inspect.md."""
    return {
        "type": listed.name,
        "full_type": listed.full_name,
        "package": listed.package or None,
        "kind": listed.kind,
        "size": listed.size,
        "align": listed.align,
        "pointer_bytes": listed.ptr_bytes,
        "block_bytes": listed.block_bytes,
        "padding_bytes": listed.padding_bytes,
        "best_size": listed.best_size,
        "best_block_bytes": listed.best_block_bytes,
        "fields": None if listed.layout is None else list(map(_field, listed.layout.fields)),
    }


def _field(field: FieldLayout) -> dict[str, Any]:
    return {
        "offset": field.offset,
        "size": field.size,
        "name": field.name,
        "type": field.type_name,
        "full_type": field.full_type_name,
        "padding_bytes": field.padding_bytes,
        "embedded": field.embedded,
    }


def _identity(file: FileFacts) -> dict[str, Any]:
    return {
        "name": file.name,
        "machine": file.machine,
        "go_version": file.build.go_version or None,
        "build_id": file.build_id or None,
        "go_build_id": file.go_build_id or None,
    }


def _file_document(file: FileFacts) -> dict[str, Any]:
    build = file.build
    return {
        **_identity(file),
        "tables_since": ".".join(map(str, file.layout_since)),
        "pie": file.pie,
        "symbols": file.symbols,
        "dwarf": file.dwarf,
        "code_bytes": file.code_bytes,
        "main": build.path or None,
        "module": _module_document(build.module),
        "vcs_revision": build.vcs_revision or None,
        "settings": dict(build.settings),
        "dependencies": [_module_document(module) for module in build.dependencies],
    }


def _module_document(module: Module) -> dict[str, Any] | None:
    if not module.path:
        return None
    replaced = module.replaced_by
    return {
        "path": module.path,
        "version": module.version or None,
        "replaced_by": _module_document(replaced) if replaced else None,
    }


def _words(key: tuple[AllocKind, Certainty]) -> tuple[str, str]:
    return key[0].value, key[1].value
