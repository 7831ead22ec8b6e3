"""What Go itself says of its programs, compared with what memsnap reads from their files."""

import itertools
import json
import re
import subprocess
from pathlib import Path
from typing import Any

from toolchains import Go, build_environment

from memsnap.gobin.executable import Executable
from memsnap.gobin.pclntab import Frame
from memsnap.gobin.types import GoType
from memsnap.pprof.profile import Profile
from memsnap.pprof.reader import read


def reflected(zoo: Path) -> dict[str, Any]:
    """Return what the zoo says of its types."""
    done = subprocess.run([zoo], capture_output=True, check=True, timeout=60)
    return json.loads(done.stdout)


def bias(executable: Executable, told: dict[str, Any]) -> int:
    """Return by how much the zoo ran away from its link-time addresses."""
    main = executable.pclntab.by_name("main.main")
    return told["Main"] - main.entry


def described(type_: GoType, run_bias: int) -> dict[str, Any]:
    """Return a type in the words of the zoo."""

    def address(other: GoType | None) -> int:
        return other.address + run_bias if other else 0

    return {
        "Address": address(type_),
        "String": type_.name,
        "PkgPath": type_.pkg_path,
        "Kind": int(type_.kind),
        "Size": type_.size,
        "Align": type_.align,
        "Elem": address(type_.elem),
        "Key": address(type_.key),
        "Len": type_.len,
        "Dir": type_.chan_dir,
        "Fields": [
            {
                "Name": member.name,
                "Type": address(member.type),
                "Offset": member.offset,
                "Tag": member.tag,
                "Embedded": member.embedded,
            }
            for member in type_.fields
        ]
        or None,
        "In": list(map(address, type_.parameters)) or None,
        "Out": list(map(address, type_.results)) or None,
        "Variadic": type_.variadic,
        "Methods": [method.name for method in type_.interface_methods] or None,
    }


def differing_types(zoo: Path) -> list[Any]:
    """Return where the zoo and its file disagree; it names some 50 types and reaches 100."""
    told = reflected(zoo)
    with Executable.open(zoo) as executable:
        run_bias = bias(executable, told)
        found = [executable.types.at(row["Address"] - run_bias) for row in told["Types"]]
        wrong: list[Any] = [
            (row, type_ and described(type_, run_bias))
            for row, type_ in zip(told["Types"], found, strict=True)
            if type_ is None or described(type_, run_bias) != row
        ]
        for sample in told["Samples"]:
            type_ = executable.types.at(sample["Address"] - run_bias)
            if type_ is None or type_.full_name != sample["Full"]:
                wrong.append((sample["Full"], type_ and type_.full_name))
    assert len(told["Samples"]) >= 50
    assert len(told["Types"]) >= 100
    return wrong


def profile_of(retain: Path, folder: Path) -> Profile:
    """Return the heap profile that the program writes of itself."""
    file = folder / "heap.pb.gz"
    subprocess.run([retain, file], check=True, timeout=60)
    return read(file.read_bytes(), name="heap")


def differing_locations(executable: Executable, profile: Profile) -> list[Any]:
    """Return the locations where the profile's own lines are not what the file says.

    A profile has one file per function name (runtime/pprof/proto.go, emitLocation), which for the
    variable initialisers of a package, all in its `init`, is that of the first one met.
    """
    mapping = next(m for m in profile.mappings if m.has_functions)
    code = next(s for s in executable.image.segments if s.executable)
    run_bias = mapping.start - mapping.offset + code.offset - code.address
    locations, strings = profile.locations, profile.strings
    wrong = []
    for index in range(len(locations)):
        lines = range(locations.line_start[index], locations.line_start[index + 1])
        said = [
            Frame(
                strings[profile.functions.name[locations.line_function[line]]],
                strings[profile.functions.file[locations.line_function[line]]],
                int(locations.line_number[line]),
            )
            for line in lines
        ]
        pc = int(locations.address[index]) - run_bias
        frames = executable.pclntab.inline_frames(pc)
        if list(map(_comparable, frames)) != list(map(_comparable, said)):
            wrong.append((hex(pc), said, frames))
    return wrong


def _comparable(frame: Frame) -> Frame:
    return frame._replace(file="") if frame.name.endswith(".init") else frame


def inlined_locations(profile: Profile) -> int:
    """Return how many locations stand for more than one function."""
    starts = profile.locations.line_start
    return int(sum(after - before > 1 for before, after in itertools.pairwise(starts)))


def symbols(go: Go, executable: Path) -> dict[int, set[str]]:
    """Return the names of code by address, as `go tool nm` has them of an unstripped file."""
    found: dict[int, set[str]] = {}
    for line in go.run("tool", "nm", str(executable)).splitlines():
        match = re.match(r" *([0-9a-f]+) [Tt] (.+)", line)
        if match:
            found.setdefault(int(match[1], 16), set()).add(match[2].removesuffix(".abi0"))
    return found


def source_lines(go: Go, executable: Path, addresses: list[int]) -> list[tuple[str, str, int]]:
    """Return function, file and line of addresses, as `go tool addr2line` has them."""
    done = subprocess.run(
        [go.path, "tool", "addr2line", executable],
        input="".join(f"{address:#x}\n" for address in addresses),
        env=build_environment(),
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    rows = done.stdout.splitlines()
    places = [row.rpartition(":") for row in rows[1::2]]
    return [
        (name, file, int(line)) for name, (file, _, line) in zip(rows[::2], places, strict=True)
    ]
