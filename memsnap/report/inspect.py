"""What an executable tells without a profile, as text."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from memsnap.analysis.names import is_standard
from memsnap.gobin.buildinfo import BuildInfo, Module
from memsnap.gobin.inspection import FileFacts, Inspection
from memsnap.gobin.kinds import AllocKind
from memsnap.gobin.layout import FieldLayout
from memsnap.gobin.names import readable
from memsnap.gobin.site import Certainty
from memsnap.gobin.typelist import ListedType
from memsnap.report.ink import Column, Ink, clean, table
from memsnap.units import format_bytes, format_count

# Settings that change what is allocated, or what can be read of it; --json has all of them.
_SETTINGS = (
    "-buildmode", "-ldflags", "-gcflags", "-tags", "-trimpath", "-pgo", "-race", "-msan", "-asan",
    "-cover", "CGO_ENABLED", "GOAMD64", "GOARM64", "GOEXPERIMENT", "GOFIPS140", "DefaultGODEBUG",
)  # fmt: skip
_LABEL = 18  # columns of the names on the left
_KINDS_NAMED = 4
_WIDE = 90  # columns of the terminal from which on there is room for block sizes
_NO_VERSION = "(devel)"


def render_inspection(found: Inspection, *, ink: Ink) -> str:
    """Return the description of an executable as text, without a trailing newline."""
    parts = (_header(found.file, ink), _build(found.file.build, ink), _found(found, ink))
    sites = _sites(found, ink)
    return "\n\n".join("\n".join(lines) for lines in (*parts, sites) if lines)


def render_layouts(types: Sequence[ListedType], *, limit: int, ink: Ink) -> str:
    """Return the first types with their fields, the gaps between them, and what could be saved."""
    blocks = ["\n".join(_layout(listed, ink)) for listed in types[:limit]]
    if limit < len(types):
        counted = f"{limit} of {format_count(len(types))} types that match; -n {len(types)}: all"
        blocks.append(ink.paint(counted, "dim"))
    return "\n\n".join(blocks)


def render_gains(types: Iterable[ListedType], *, limit: int, ink: Ink) -> str:
    """Return the structs outside Go's own library as a table, by what reordering would save."""
    own = [t for t in types if t.layout and t.package and not is_standard(t.package)]
    shown = by_gain(own)[:limit]
    note = f"{len(shown)} of {format_count(len(own))} outside Go's library, by what could be saved"
    columns, cells = _gain_cells(shown, is_wide=ink.width >= _WIDE)
    lines = [ink.heading("Structs", note), *(table(ink, columns, cells) if cells else ())]
    how = "Bytes; the best size is with the fields by falling alignment. --types NAME shows them."
    return "\n".join([*lines, ink.paint(ink.wrap(how, indent=2), "dim")])


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


def _header(file: FileFacts, ink: Ink) -> list[str]:
    build = file.build
    version = build.module.version if build.module.version != _NO_VERSION else ""
    since = ".".join(map(str, file.layout_since))
    parts = [
        f"{build.path or file.name} {version}".strip(),
        build.go_version or f"Go {since} or later, by its tables",
        f"{build.settings.get('GOOS', 'linux')}/{file.machine}",
        "PIE" if file.pie else "fixed addresses",
    ]
    title, code = clean(", ".join(parts)), f"{format_bytes(file.code_bytes)} of code"
    return [
        ink.paint(ink.wrap(title, indent=0) if ink.cut else title, "bold"),
        ink.paint(
            _shortened(clean(file.name), ink.width - len(code) - 2, ink) + f", {code}", "dim"
        ),
    ]


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
    share = f"{found.typed / max(sites, 1):.1%} typed by the code alone"
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


def _gain_cells(
    types: Sequence[ListedType], *, is_wide: bool
) -> tuple[list[Column], list[list[str]]]:
    """Return the columns and cells of structs: blocks only where there is room for them."""
    wanted: list[tuple[bool, str, Callable[[ListedType], int]]] = [
        (True, "size", lambda t: t.size),
        (is_wide, "on the heap", lambda t: t.block_bytes),
        (True, "padding", lambda t: t.padding_bytes),
        (True, "best", lambda t: t.best_size),
        (is_wide, "on the heap", lambda t: t.best_block_bytes),
        (True, "saves", lambda t: t.block_bytes - t.best_block_bytes),
    ]
    chosen = [(title, number) for is_shown, title, number in wanted if is_shown]
    columns = [Column(title, styles=("bold",) if title == "size" else ()) for title, _ in chosen]
    cells = [
        [*(format_count(number(t)) for _, number in chosen), clean(readable(t.full_name))]
        for t in types
    ]
    return [*columns, Column("type", right=False)], cells


def _layout(listed: ListedType, ink: Ink) -> Iterator[str]:
    """Yield the lines on one type: what it takes, its fields with the gaps, what could be saved."""
    facts = [listed.kind, f"{format_count(listed.size)} B"]
    if listed.block_bytes != listed.size:
        facts.append(f"{format_count(listed.block_bytes)} B on the heap")
    pointers = f"pointers in the first {format_count(listed.ptr_bytes)} B"
    facts.append(pointers if listed.ptr_bytes else "no pointers")
    name, note = clean(readable(listed.full_name)), ", ".join(facts)
    if ink.cut and len(name) + len(note) + 2 > ink.width:
        yield ink.heading(_shortened(name, ink.width, ink))
        yield ink.paint(ink.wrap(note, indent=2), "dim")
    else:
        yield ink.heading(name, note)
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
    text = _shortened(clean(text), ink.width - _LABEL - 2, ink)
    return f"  {ink.paint(label.ljust(_LABEL), 'dim')}{text}"


def _shortened(text: str, room: int, ink: Ink) -> str:
    """Return text cut to `room` columns where lines have to fit."""
    return text if not ink.cut or len(text) <= room else text[: max(room - 1, 8)] + "…"


def _plural(kind: str) -> str:
    return kind.replace("_", " ") + "s"


def _presence(there: bool | None) -> str:
    return {True: "yes", False: "stripped", None: "unknown (no section headers)"}[there]
