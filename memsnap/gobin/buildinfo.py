"""What an executable records about its own build: build ids, toolchain, modules, settings.

Layout: debug/buildinfo/buildinfo.go and runtime/debug/mod.go of Go 1.27; the same since 1.18.
Before, the blob holds pointers, which are not followed.
"""

import contextlib
import itertools
import mmap
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from memsnap.gobin.elf import PT_LOAD, Data, Elf, map_file, read_header

_MAGIC = b"\xff Go buildinf:"
_ALIGNMENT, _HEADER_BYTES = 16, 32
_FLAGS_AT, _INLINE_STRINGS = 15, 2
_MAX_PLACES = 16
_MAX_STRING_BYTES = 4 << 20  # the module lists of the largest programs have some 100 kB
_SENTINEL_BYTES = 16  # on either side of the module text (cmd/go/internal/modload, infoStart)


@dataclass(frozen=True, slots=True)
class Module:
    """A module linked in; `replaced_by` is what its go.mod put in its place."""

    path: str
    version: str = ""
    sum: str = ""
    replaced_by: "Module | None" = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildInfo:
    """The build's facts; empty texts are unknown.

    `path` is the main package's import path and `module` the module that holds it; `settings`
    are as `go version -m` prints them: `-ldflags`, `GOARCH`, `vcs.revision`, ...
    """

    go_version: str = ""
    path: str = ""
    module: Module = field(default_factory=lambda: Module(""))
    dependencies: tuple[Module, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def vcs_revision(self) -> str:
        """The commit built, with `+dirty` where the tree had changes."""
        revision = self.settings.get("vcs.revision", "")
        dirty = revision and self.settings.get("vcs.modified") == "true"
        return f"{revision}+dirty" if dirty else revision

    @property
    def release(self) -> tuple[int, int] | None:
        """Major and minor number of the Go release; None where it cannot be told."""
        match = re.search(r"\bgo(\d+)\.(\d+)", self.go_version)
        return (int(match[1]), int(match[2])) if match else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """Which build a file is; empty texts are unknown."""

    build_id: str = ""
    go_build_id: str = ""
    info: BuildInfo = field(default_factory=BuildInfo)


def read_build(path: str | os.PathLike[str]) -> Build | None:
    """Return what the ELF file at `path` says, for whichever machine it is; None for others.

    Raises OSError where it cannot be opened or mapped, and FormatError where it is no file.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        data = map_file(descriptor, name=str(path))
    finally:
        os.close(descriptor)
    with contextlib.ExitStack() as stack:
        if isinstance(data, mmap.mmap):
            stack.enter_context(data)
        return parse_build(data)


def parse_build(data: Data) -> Build | None:
    """Return what an ELF file's content says; None for what is none.  Damage stays unknown."""
    header = read_header(data)
    if header is None:
        return None
    file = Elf(data, header)
    build_id, go_build_id = file.build_ids
    return Build(build_id=build_id, go_build_id=go_build_id, info=parse_build_info(file))


def parse_build_info(file: Elf) -> BuildInfo:
    """Return what an executable says of its build; all empty where it says nothing readable."""
    for at in itertools.islice(_places(file), _MAX_PLACES):
        if not file.data[at + _FLAGS_AT] & _INLINE_STRINGS:
            continue
        version, at = _string(file.data, at + _HEADER_BYTES)
        framed, _ = _string(file.data, at)
        text = version.decode("utf-8", "replace")
        if not re.match(r"go\d|devel", text):
            continue
        has_modules = framed[-_SENTINEL_BYTES - 1 : -_SENTINEL_BYTES] == b"\n"
        modules = framed[_SENTINEL_BYTES:-_SENTINEL_BYTES] if has_modules else b""
        return parse_module_text(modules.decode("utf-8", "replace"), go_version=text)
    return BuildInfo()


def parse_module_text(text: str, *, go_version: str = "") -> BuildInfo:
    """Return the facts of Go's module text (runtime/debug/mod.go, BuildInfo.String)."""
    path, module = "", Module("")
    dependencies: list[Module] = []
    settings: dict[str, str] = {}
    in_dependencies = False
    for line in text.splitlines():
        kind, _, rest = line.partition("\t")
        if kind == "path":
            path = rest
        elif kind == "mod":
            module = _module(rest)
        elif kind == "dep":
            in_dependencies = True
            dependencies.append(_module(rest))
        elif kind == "=>" and in_dependencies:
            dependencies[-1] = _replaced(dependencies[-1], rest)
        elif kind == "=>":
            module = _replaced(module, rest)
        elif kind == "build":
            key, _, value = rest.partition("=")
            settings[_unquoted(key)] = _unquoted(value)
    return BuildInfo(
        go_version=go_version,
        path=path,
        module=module,
        dependencies=tuple(dependencies),
        settings=settings,
    )


def _module(columns: str) -> Module:
    path, version, checksum, *_ = [*columns.split("\t"), "", ""]
    return Module(path, version, checksum)


def _replaced(module: Module, columns: str) -> Module:
    return Module(module.path, module.version, module.sum, _module(columns))


def _unquoted(text: str) -> str:
    """Return a key or value without the quotes it has where it holds spaces or quotes."""
    if len(text) >= 2 and text[0] == text[-1] == '"':
        return re.sub(r'\\(["\\])', r"\1", text[1:-1])
    return text[1:-1] if len(text) >= 2 and text[0] == text[-1] == "`" else text


def _places(file: Elf) -> Iterator[int]:
    """Yield file offsets of what may be the blob: in its section, then in the data segments."""
    section = file.sections.get(".go.buildinfo")
    spans = [(section.offset, section.size)] if section else []
    spans += [(s.offset, s.file_size) for s in file.segments if s.kind == PT_LOAD and s.writable]
    for start, size in spans:
        end = min(start + size, len(file.data) - _HEADER_BYTES + len(_MAGIC))
        at = file.data.find(_MAGIC, start, end) if start < end else -1
        while at >= 0:
            if (at - start) % _ALIGNMENT == 0:
                yield at
            at = file.data.find(_MAGIC, at + 1, end)


def _string(data: Data, at: int) -> tuple[bytes, int]:
    """Return the bytes behind a varint length, and where they end; none if that is damaged."""
    length = shift = 0
    for byte in bytes(data[at : at + 10]):
        at += 1
        length |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    if length > _MAX_STRING_BYTES or at + length > len(data):
        return b"", at
    return bytes(data[at : at + length]), at + length
