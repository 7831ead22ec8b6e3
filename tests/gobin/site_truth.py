"""What the source and the compiler say of allocation sites, compared with what memsnap resolves."""

import os
import re
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import toolchains

from memsnap.gobin.answers import is_shape
from memsnap.gobin.code import Op
from memsnap.gobin.executable import Executable
from memsnap.gobin.kinds import Means
from memsnap.gobin.program import Program
from memsnap.gobin.site import Site
from memsnap.gobin.sites import Resolver, resolve_all
from memsnap.pprof.heap import heap_samples
from memsnap.pprof.profile import Profile
from memsnap.pprof.reader import read

SITES = Path(__file__).parent / "sites_programs"
ANNOTATED = SITES / "annotated"
_MODULE = "example.com/programs/annotated."
_TYPED = (Means.OBJECT, Means.ELEMENT, Means.CONTAINER, Means.MALLOC)
_REGISTERS = {
    "amd64": ["AX", "BX", "CX", "DI", "SI", "R8", "R9", "R10", "R11"],
    "arm64": [f"R{number}" for number in range(16)],
}


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """One sample of a live profile and its answer."""

    function: str
    file: str
    line: int
    live_bytes: int
    leaf: int
    stack: tuple[int, ...]
    object_bytes: int
    site: Site


def wanted(source: Path = ANNOTATED / "main.go") -> dict[int, set[str]]:
    """Return the types that the source says for each line."""
    lines = enumerate(source.read_text().splitlines(), 1)
    found = {number: re.search(r"// want: (.*)$", line) for number, line in lines}
    return {number: set(match[1].split(" | ")) for number, match in found.items() if match}


def run(executable: Path, folder: Path) -> list[Resolved]:
    """Run the annotated program at rate 1 and resolve all samples of its heap profile."""
    target = folder / "heap.pb.gz"
    environment = os.environ | {"GODEBUG": "memprofilerate=1"}
    subprocess.run([executable, target], env=environment, check=True, timeout=60)
    profile = read(target.read_bytes(), name=str(target))
    with Executable.open(executable) as opened:
        return _resolved(opened, profile)


def _resolved(executable: Executable, profile: Profile) -> list[Resolved]:
    heap = heap_samples(profile, name="heap")
    mapping = profile.mappings[0]
    text = next(segment for segment in executable.image.segments if segment.executable)
    is_pie = executable.build_info.settings.get("-buildmode") == "pie"
    bias = mapping.start - mapping.offset + text.offset - text.address if is_pie else 0
    addresses = [int(address) - bias for address in profile.locations.address]
    stacks = [
        tuple(
            addresses[place]
            for place in profile.stack[profile.stack_start[i] : profile.stack_start[i + 1]]
        )
        for i in range(len(profile))
    ]
    sites = resolve_all(
        executable, [(stack, int(heap.object_bytes[i])) for i, stack in enumerate(stacks)]
    )
    return [_sample(profile, heap, i, stacks[i], sites[i]) for i in range(len(profile))]


def _sample(profile, heap, i, stack, site) -> Resolved:
    leaf = profile.stack[profile.stack_start[i]]
    first = profile.locations.line_start[leaf]
    function = profile.locations.line_function[first]
    return Resolved(
        function=profile.strings[profile.functions.name[function]],
        file=profile.strings[profile.functions.file[function]],
        line=int(profile.locations.line_number[first]),
        live_bytes=int(heap.live_bytes[i]),
        leaf=stack[0],
        stack=stack,
        object_bytes=int(heap.object_bytes[i]),
        site=site,
    )


def judged(samples: list[Resolved]) -> tuple[list[Resolved], list[Resolved], list[Resolved]]:
    """Return the samples on annotated lines: right, wrong, and of unknown or marked type."""
    wants = wanted()
    right, wrong, unsure = [], [], []
    for sample in samples:
        want = wants.get(sample.line) if sample.file.endswith("annotated/main.go") else None
        if want is None:
            continue
        short = sample.site.type_name.replace(_MODULE, "main.")
        if short in want or sample.site.type_name in want:
            right.append(sample)
        else:
            (wrong if sample.site.certainty.trustworthy else unsure).append(sample)
    return right, wrong, unsure


def typed_share(samples: list[Resolved]) -> tuple[float, float]:
    """Return the shares of live bytes and of live sites whose type is known for certain."""
    live = [sample for sample in samples if sample.live_bytes]
    known = [sample for sample in live if sample.site.certainty.trustworthy]
    all_bytes = sum(sample.live_bytes for sample in live)
    leaves = {sample.leaf for sample in live}
    return (
        sum(sample.live_bytes for sample in known) / all_bytes,
        len({sample.leaf for sample in known}) / len(leaves),
    )


def listing_of(
    go: toolchains.Go, package: str, target: Path, *, flags: list[str], goarch: str = "amd64"
) -> dict[tuple[str, int], dict[str, str]]:
    """Build `package` and return the compiler's listing of its calls.

    By function and offset of the CALL: the types whose addresses registers hold there.
    """
    done = subprocess.run(
        [go.path, "build", "-o", target, *flags, package],
        cwd=SITES,
        env=toolchains.build_environment() | {"GOARCH": goarch},
        stderr=subprocess.PIPE,
        check=True,
        timeout=1200,
    )
    return _calls(done.stderr.decode(errors="replace"))


_HEAD = re.compile(r"(\S+) STEXT ")
_LINE = re.compile(r"\t0x([0-9a-f]+) \d+ \([^)]*\)\t([A-Z0-9.]+)\t(.*)$")
_NO_WRITES = ("PCDATA", "FUNCDATA", "NOP", "TEXT", "CMPQ", "CMPL", "TESTQ", "TESTB", "TESTL")
_ENDS = ("JMP", "RET", "B")


def _calls(listing: str) -> dict[tuple[str, int], dict[str, str]]:
    found: dict[tuple[str, int], dict[str, str]] = {}
    twice = set()
    function, registers = "", {}
    for text in listing.splitlines():
        if head := _HEAD.match(text):
            function, registers = head[1], {}
        elif line := _LINE.match(text):
            offset, operation, operands = int(line[1], 16), line[2], line[3]
            key = (function, offset)
            if operation == "CALL":
                if found.setdefault(key, registers) != registers:
                    twice.add(key)
                registers = {}
            elif operation in _ENDS:
                registers = {}
            elif operation not in (*_NO_WRITES, "CMP", "CMPW"):
                _write(registers, operation, operands)
    return {key: types for key, types in found.items() if key not in twice}


def _write(registers: dict[str, str], operation: str, operands: str) -> None:
    source, _, target = operands.rpartition(", ")
    loads_type = operation in ("LEAQ", "MOVD") and source.startswith(("type:", "$type:"))
    if loads_type and "(SB)" in source:
        registers[target] = source.lstrip("$")[5 : source.lstrip("$").rindex("(SB)")]
    else:
        registers.pop(target, None)


def compared(
    executable: Executable, calls: dict[tuple[str, int], dict[str, str]]
) -> tuple[Counter, list[tuple[str, str, str]]]:
    """Compare all allocation calls with a type argument with the listing.

    Returns how many there are of each outcome, and the disagreements: function, ours, theirs.
    """
    outcome: Counter = Counter()
    differing = []
    resolver, program = Resolver(executable), Program(executable)
    names = _REGISTERS[executable.image.machine]
    for function in executable.pclntab.functions():
        flow = program.flow_at(function.entry)
        for step in flow.instructions if flow else ():
            rule = program.rule(program.callee(step)) if step.op is Op.CALL else None
            if rule is None or rule.means not in _TYPED:
                continue
            site = resolver.site((step.end - 1,), 0)
            calls_types = calls.get((function.name, step.pc - function.entry))
            theirs = (calls_types or {}).get(names[rule.argument])
            type_ = executable.types.at(site.type_address) if site.type_address else None
            outcome["all"] += 1
            if type_ is None:
                outcome["unresolved"] += 1
            elif theirs is None or not site.certainty.trustworthy:
                outcome["not compared"] += 1
            elif "go.shape." in theirs and not is_shape(type_.name):
                # What the block becomes told more than the shape that generic code passes.
                outcome["not compared"] += 1
            elif _spelled(theirs) in {_spelled(type_.full_name), _spelled(type_.name)}:
                outcome["agree"] += 1
            else:
                differing.append((function.name, type_.full_name, theirs))
    return outcome, differing


def _spelled(name: str) -> str:
    """Return a type's name without what the linker's spelling has beyond reflect's."""
    name = re.sub(r"·\d+", "", name).replace("noalg.", "").replace("%2e", ".")
    return re.sub(r"((?:struct \{|;) )(?:[\w/%.-]+\.)(\w+ )", r"\1\2", name)
