"""Functions, lines and inlined frames are those of Go's own tools and profiles."""

import itertools
import random

import pytest
from go_truth import differing_locations, inlined_locations, profile_of, source_lines, symbols

from memsnap.gobin.executable import Executable
from memsnap.pprof.reader import read

pytestmark = pytest.mark.go


@pytest.mark.parametrize("flags", [[], ["-buildmode=pie", "-ldflags=-s -w"]], ids=["exe", "pie"])
def test_every_location_of_a_heap_profile_reads_as_the_profile_says(program, tmp_path, flags):
    retain = program("retain", flags=flags)
    profile = profile_of(retain, tmp_path)

    with Executable.open(retain) as executable:
        assert differing_locations(executable, profile) == []
    assert len(profile.locations) > 100
    assert inlined_locations(profile) > 20


def test_every_location_of_a_live_service_reads_as_the_profile_says(service):
    with service("warm_cache", env={"GODEBUG": "memprofilerate=512"}) as running:
        running.step(50)
        profile = read(running.heap(), name="heap")

        with Executable.open(running.program) as executable:
            assert differing_locations(executable, profile) == []
    assert len(profile.locations) > 100


def test_functions_are_those_of_the_symbol_table(program, go):
    known = symbols(go, program("retain"))

    with Executable.open(program("retain")) as executable:
        functions = list(executable.pclntab.functions())

    assert len(functions) == len(executable.pclntab) > 3000
    assert [f for f in functions if f.name not in known.get(f.entry, set())] == []


def test_functions_follow_each_other(zoo):
    functions = list(zoo.pclntab.functions())

    assert all(a.entry < a.end <= b.entry for a, b in itertools.pairwise(functions))
    assert functions[-1].end <= zoo.moduledata.etext


def test_arm64_lines_are_those_of_addr2line(go, arm64_program):
    path = arm64_program("retain", flags=["-buildmode=pie"])
    choice = random.Random(1)

    with Executable.open(path) as executable:
        functions = list(executable.pclntab.functions())
        chosen = choice.sample([f for f in functions if f.end - f.entry > 64], 500)
        addresses = [f.entry + 4 * choice.randrange(8) for f in chosen]
        frames = [
            executable.pclntab.inline_frames(address, elide_wrappers=False) for address in addresses
        ]
        lines = [executable.pclntab.line(address) for address in addresses]

    told = source_lines(go, path, addresses)
    assert [(stack[-1].name, stack[0].file, stack[0].line) for stack in frames] == told
    assert lines == [line for _, _, line in told]


def test_a_function_is_found_from_all_of_its_code_and_by_its_name(zoo):
    main = zoo.pclntab.by_name("main.main")

    assert main.name == "main.main"
    assert main.start_line > 100
    assert zoo.pclntab.function_at(main.entry) == main
    assert zoo.pclntab.function_at(main.end - 1) == main
    assert zoo.pclntab.function_at(main.end) != main
    assert zoo.pclntab.is_entry(main.entry)
    assert not zoo.pclntab.is_entry(main.entry + 1)
    assert zoo.pclntab.by_name("main.nonsense") is None


@pytest.mark.parametrize("place", ["before", "behind", "data"])
def test_addresses_outside_the_text_have_no_function(zoo, place):
    md = zoo.moduledata
    address = {"before": md.text - 1, "behind": md.etext, "data": md.types}[place]

    assert zoo.pclntab.function_at(address) is None
    assert zoo.pclntab.inline_frames(address) == []
    assert zoo.pclntab.inlined_calls(address) == []
    assert zoo.pclntab.line(address) == 0
    assert not zoo.pclntab.is_entry(address)


def test_every_function_is_found_by_its_name(zoo):
    functions = list(zoo.pclntab.functions())
    first = {}
    for function in functions:
        first.setdefault(function.name, function)

    assert [f.name for f in functions[::29] if zoo.pclntab.by_name(f.name) != first[f.name]] == []


def test_lines_and_innermost_names_are_those_of_the_frames(zoo):
    pclntab = zoo.pclntab
    for function in itertools.islice(pclntab.functions(), 0, None, 97):
        for pc in range(function.entry, function.end, 5):
            frames = pclntab.inline_frames(pc)
            assert pclntab.inline_lines(pc) == [(frame.name, frame.line) for frame in frames]
            assert pclntab.innermost_name(pc) == frames[0].name


def test_a_line_is_the_same_however_often_it_is_asked_for(program):
    path = program("retain")
    with Executable.open(path) as executable:
        main = executable.pclntab.by_name("main.main")
        places = range(main.entry, main.end, 3)
        often = [executable.pclntab.line(pc) for pc in places]

    for pc, line in zip(places, often, strict=True):
        with Executable.open(path) as fresh:
            assert fresh.pclntab.line(pc) == line


def test_names_keep_the_linkers_escapes(zoo):
    assert zoo.pclntab.by_name("memsnap.test/programs/pets%2ev2.(*Cat).Purr")


def test_wrappers_are_left_out_of_frames_where_there_is_something_else(zoo):
    wrappers = [f for f in zoo.pclntab.functions() if zoo.pclntab.is_wrapper(f)]
    stacks = [
        (zoo.pclntab.inline_frames(pc), zoo.pclntab.inline_frames(pc, elide_wrappers=False))
        for f in wrappers
        for pc in range(f.entry, f.end, 8)
    ]

    shortened = [(short, full) for short, full in stacks if short != full]
    assert len(wrappers) > 300
    assert shortened
    assert all(short == full[: len(short)] for short, full in shortened)
    assert all(stack for stack, _ in stacks)


def test_inlined_calls_lead_from_the_inside_out(program):
    with Executable.open(program("retain")) as executable:
        pclntab = executable.pclntab
        main = pclntab.by_name("main.main")
        chains = [pclntab.inlined_calls(pc) for pc in range(main.entry, main.end)]

    deepest = max(chains, key=len)
    assert len(deepest) >= 3
    assert all(main.entry <= call.parent_pc < main.end for call in deepest)
    names = {tuple(call.name for call in chain) for chain in chains}
    assert ("main.small", "main.middle", "main.outer") in names
