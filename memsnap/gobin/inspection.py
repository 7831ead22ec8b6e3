"""What there is to know of an executable without a profile, counted."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from memsnap.gobin.buildinfo import BuildInfo
from memsnap.gobin.executable import Executable
from memsnap.gobin.kinds import AllocKind
from memsnap.gobin.listing import Progress, list_sites
from memsnap.gobin.site import Certainty

_DWARF = (".debug_info", ".zdebug_info")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFacts:
    """The file itself: `name` as it was given, build ids empty where there are none.

    `code_bytes` is the machine code of Go's functions; `layout_since` is the first Go release
    whose tables look like this one's.  `symbols` and `dwarf` say whether the linker left them in;
    None where the section headers are gone.
    """

    name: str
    machine: str
    pie: bool
    code_bytes: int
    symbols: bool | None
    dwarf: bool | None
    build_id: str
    go_build_id: str
    layout_since: tuple[int, int]
    build: BuildInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """An executable's facts and what the reader found: `sites` counts by kind and certainty."""

    file: FileFacts
    functions: int
    types: Mapping[str, int]
    sites: Mapping[tuple[AllocKind, Certainty], int]

    @property
    def typed(self) -> int:
        """How many sites have a type that is certain from the code alone."""
        return sum(n for (_, certainty), n in self.sites.items() if certainty.trustworthy)


def file_facts(executable: Executable) -> FileFacts:
    """Return what an executable says of itself.  Raises FormatError where it is damaged."""
    image = executable.image
    names = image.sections.keys()
    return FileFacts(
        name=executable.name,
        machine=image.machine,
        pie=image.pie,
        code_bytes=executable.moduledata.etext - executable.moduledata.text,
        symbols=".symtab" in names if names else None,
        dwarf=any(section in names for section in _DWARF) if names else None,
        build_id=image.build_id,
        go_build_id=image.go_build_id,
        layout_since=executable.moduledata.since,
        build=executable.build_info,
    )


def inspect(executable: Executable, *, progress: Progress | None = None) -> Inspection:
    """Return facts and counts; the allocation sites take some seconds per 10 MB of a binary.

    Raises FormatError where a table is damaged.
    """
    return Inspection(
        file=file_facts(executable),
        functions=len(executable.pclntab),
        types=Counter(type_.kind.name.lower() for type_ in executable.types.all()),
        sites=Counter(
            (listed.site.kind, listed.site.certainty)
            for listed in list_sites(executable, progress=progress)
        ),
    )
