"""What an executable tells without a profile, as text and as JSON.

The JSON forms are `memsnap.inspect/1`, `memsnap.types/1` and `memsnap.sites/1`; keys are only ever
added to them.  Sizes are integer bytes, addresses are those of link time in hexadecimal, and null
stands for what is not known.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from memsnap.gobin.buildinfo import BuildInfo, Module
from memsnap.gobin.inspection import FileFacts, Inspection
from memsnap.gobin.kinds import AllocKind
from memsnap.gobin.layout import FieldLayout
from memsnap.gobin.listing import ListedSite
from memsnap.gobin.names import readable
from memsnap.gobin.site import Certainty
from memsnap.gobin.typelist import ListedType
from memsnap.report.ink import Column, Ink, clean, table
from memsnap.units import format_bytes, format_count

INSPECT_SCHEMA = "memsnap.inspect/1"
TYPES_SCHEMA = "memsnap.types/1"
SITES_SCHEMA = "memsnap.sites/1"

# Settings that change what is allocated, or what can be read of it; --json has all of them.
_SETTINGS = (
    "-buildmode", "-ldflags", "-gcflags", "-tags", "-trimpath", "-pgo", "-race", "-msan", "-asan",
    "-cover", "CGO_ENABLED", "GOAMD64", "GOARM64", "GOEXPERIMENT", "GOFIPS140", "DefaultGODEBUG",
)  # fmt: skip
_LABEL = 18  # columns of the names on the left
_KINDS_NAMED = 4


def render_inspection(found: Inspection, *, ink: Ink) -> str:
    """Return the description of an executable as text, without a trailing newline."""
    parts = (_header(found.file, ink), _build(found.file.build, ink), _found(found, ink))
    sites = _sites(found, ink)
    return "\n\n".join("\n".join(lines) for lines in (*parts, sites) if lines)


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
            "typed": _typed(found),
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


def render_types(types: Sequence[ListedType], *, pattern: str, limit: int, ink: Ink) -> str:
    """Return types as text: with a pattern the layout of each, else a table of the largest gains.

    `types` are those that `pattern` names, in the order of the list.
    """
    shown = types[:limit]
    counted = f"{len(shown)} of {format_count(len(types))} types"
    if not pattern:
        note = f"{counted}, by what another order of the fields would save"
        return "\n".join([ink.heading("Types", note), *_type_table(shown, ink)])
    blocks = ["\n".join(_layout(listed, ink)) for listed in shown]
    if len(shown) < len(types):
        blocks.append(ink.paint(f"{counted} that match; -n {len(types)} shows all", "dim"))
    return "\n\n".join(blocks)


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


def by_gain(types: Iterable[ListedType]) -> list[ListedType]:
    """Return types in the order of what reordering saves: on the heap, in the value, unused."""
    return sorted(
        types,
        key=lambda t: (
            t.best_block_bytes - t.block_bytes,
            t.best_size - t.size,
            -t.padding_bytes,
            -t.size,
            t.full_name,
        ),
    )


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


def _header(file: FileFacts, ink: Ink) -> list[str]:
    build = file.build
    named = " ".join(
        part for part in (build.path or clean(file.name), build.module.version) if part
    )
    since = ".".join(map(str, file.layout_since))
    system = f"{build.settings.get('GOOS', 'linux')}/{file.machine}"
    form = "PIE" if file.pie else "fixed addresses"
    parts = [named, build.go_version or f"Go {since} or later, by its tables", system, form]
    code = f"{clean(file.name)}, {format_bytes(file.code_bytes)} of code"
    return [ink.paint(clean(", ".join(parts)), "bold"), ink.paint(code, "dim")]


def _build(build: BuildInfo, ink: Ink) -> list[str]:
    settings = build.settings
    rows = [("module", _module_words(build.module))]
    if build.dependencies:
        rows.append(("modules linked", format_count(len(build.dependencies))))
    if build.vcs_revision:
        system, when = settings.get("vcs", ""), settings.get("vcs.time", "")
        rows.append(("revision", "  ".join(filter(None, (build.vcs_revision, system, when)))))
    rows += [(name, settings[name]) for name in _SETTINGS if settings.get(name)]
    known = [(name, text) for name, text in rows if text]
    if not known:
        return [ink.heading("Build", "nothing is recorded in the file")]
    return [ink.heading("Build"), *(_line(ink, name, text) for name, text in known)]


def _module_words(module: Module) -> str:
    text = f"{module.path} {module.version}".strip()
    other = module.replaced_by
    return f"{text} => {other.path} {other.version}".strip() if other else text


def _found(found: Inspection, ink: Ink) -> list[str]:
    file = found.file
    kinds = sorted(found.types.items(), key=lambda item: (-item[1], item[0]))
    named = [f"{format_count(count)} {_plural(kind)}" for kind, count in kinds[:_KINDS_NAMED]]
    left = sum(count for _, count in kinds[_KINDS_NAMED:])
    named += [f"{format_count(left)} others"] if left else []
    sites = sum(found.sites.values())
    share = f"{_typed(found) / max(sites, 1):.1%} typed by the code alone"
    types = format_count(sum(found.types.values()))
    return [
        ink.heading("In the file"),
        _line(ink, "build id", file.build_id or "none"),
        _line(ink, "Go build id", file.go_build_id or "none"),
        _line(ink, "symbols, DWARF", f"{_presence(file.symbols)}, {_presence(file.dwarf)}"),
        _line(ink, "functions", format_count(found.functions)),
        _line(ink, "types", f"{types}: {', '.join(named)}"),
        _line(ink, "allocation sites", f"{format_count(sites)}, {share}"),
    ]


def _sites(found: Inspection, ink: Ink) -> list[str]:
    if not found.sites:
        return []
    cells, total = [], [0, 0, 0, 0]
    for kind in sorted({kind for kind, _ in found.sites}, key=lambda kind: -_of(found, kind)[0]):
        counts = _of(found, kind)
        total = [before + count for before, count in zip(total, counts, strict=True)]
        cells.append([*map(format_count, counts), kind.value])
    cells.append([*map(format_count, total), "all"])
    columns = [
        Column("sites", styles=("bold",)),
        Column("typed"),
        Column("likely"),
        Column("open"),
        Column("kind", right=False),
    ]
    note = (
        "Calls that may allocate, outside the runtime. Open and likely ones, above all generic code"
        " and reflection, often get their type from the callers in a profile."
    )
    return [
        ink.heading("Allocation sites"),
        *table(ink, columns, cells),
        ink.paint(ink.wrap(note, indent=2), "dim"),
    ]


def _of(found: Inspection, kind: AllocKind) -> list[int]:
    """Return a kind's counts: all, of certain type, of marked type, of unknown type."""
    counts = {certainty: found.sites.get((kind, certainty), 0) for certainty in Certainty}
    typed = sum(count for certainty, count in counts.items() if certainty.trustworthy)
    unknown = counts[Certainty.UNKNOWN]
    everything = sum(counts.values())
    return [everything, typed, everything - typed - unknown, unknown]


def _type_table(types: Sequence[ListedType], ink: Ink) -> list[str]:
    columns = [
        Column("size", styles=("bold",)),
        Column("block"),
        Column("padding"),
        Column("best"),
        Column("its block"),
        Column("kind", right=False),
        Column("type", right=False),
    ]
    cells = [
        [
            *map(format_count, (t.size, t.block_bytes, t.padding_bytes)),
            *map(format_count, (t.best_size, t.best_block_bytes)),
            t.kind,
            clean(readable(t.full_name)),
        ]
        for t in types
    ]
    return table(ink, columns, cells)


def _layout(listed: ListedType, ink: Ink) -> Iterator[str]:
    """Yield the lines on one type: what it takes, its fields with the gaps, what could be saved."""
    facts = [listed.kind, f"{format_count(listed.size)} B"]
    if listed.block_bytes != listed.size:
        facts.append(f"{format_count(listed.block_bytes)} B on the heap")
    pointers = f"pointers in the first {format_count(listed.ptr_bytes)} B"
    facts.append(pointers if listed.ptr_bytes else "no pointers")
    yield ink.heading(clean(readable(listed.full_name)), ", ".join(facts))
    if listed.layout is None:
        return
    columns = [
        Column("offset"),
        Column("size", styles=("bold",)),
        Column("field", right=False),
        Column("type", right=False),
    ]
    yield from table(ink, columns, list(_field_rows(listed.layout.fields)))
    yield from _advice(listed, ink)


def _field_rows(fields: Iterable[FieldLayout]) -> Iterator[list[str]]:
    for field in fields:
        name = f"({field.name})" if field.embedded else field.name
        type_name = readable(field.type_name)
        yield [*map(format_count, (field.offset, field.size)), clean(name), clean(type_name)]
        if field.padding_bytes:
            gap = field.offset + field.size
            yield [*map(format_count, (gap, field.padding_bytes)), "", "padding"]


def _advice(listed: ListedType, ink: Ink) -> Iterator[str]:
    if not listed.padding_bytes:
        return
    text = f"{format_count(listed.padding_bytes)} B of padding. "
    if listed.best_size == listed.size:
        yield ink.paint(ink.wrap(text + "No order of the fields needs less.", indent=2), "dim")
        return
    text += f"With the fields by falling alignment it takes {format_count(listed.best_size)} B"
    saved = listed.block_bytes - listed.best_block_bytes
    if saved:
        text += f": {format_count(saved)} B less for each on the heap."
        yield ink.paint(ink.wrap(text, indent=2), "yellow")
        return
    text += ", which saves in arrays and in larger structs; alone on the heap its block stays the"
    text += f" same, {format_count(listed.block_bytes)} B."
    yield ink.paint(ink.wrap(text, indent=2), "dim")


def _line(ink: Ink, label: str, text: str) -> str:
    text = clean(text)
    room = ink.width - _LABEL - 2
    if ink.cut and len(text) > room > 1:
        text = text[: room - 1] + "…"
    return f"  {ink.paint(label.ljust(_LABEL), 'dim')}{text}"


def _typed(found: Inspection) -> int:
    return sum(n for (_, certainty), n in found.sites.items() if certainty.trustworthy)


def _words(key: tuple[AllocKind, Certainty]) -> tuple[str, str]:
    return key[0].value, key[1].value


def _plural(kind: str) -> str:
    return kind.replace("_", " ") + "s"


def _presence(there: bool | None) -> str:
    return {True: "yes", False: "stripped", None: "unknown (no section headers)"}[there]
