"""The list of an executable's allocation sites, against decoding, the source, and other builds."""

from collections import defaultdict
from pathlib import Path

import pytest
import toolchains
from site_truth import ANNOTATED, wanted

from memsnap.gobin.code import Op
from memsnap.gobin.executable import Executable
from memsnap.gobin.listing import allocation_calls, is_runtime, list_sites
from memsnap.gobin.program import Program

pytestmark = pytest.mark.go


@pytest.fixture(scope="module")
def annotated(go: toolchains.Go) -> Path:
    return go.build(ANNOTATED)


@pytest.mark.parametrize("goarch", ["amd64", "arm64"])
def test_the_search_finds_what_decoding_every_function_finds(program, arm64_program, goarch):
    path = program("tiny") if goarch == "amd64" else arm64_program("tiny")
    with Executable.open(path) as executable:
        decoded = Program(executable)
        slow = [
            (step.pc, step.end, decoded.callee(step))
            for function in executable.pclntab.functions()
            for step in getattr(decoded.flow_at(function.entry), "instructions", ())
            if step.op is Op.CALL and decoded.allocates(step)
        ]
        fast = [(call.pc, call.end, call.callee) for call in allocation_calls(Program(executable))]

    assert len(fast) > 200
    assert fast == [
        call for call in slow if not call[2].startswith(("runtime.mapdelete", "runtime.mapIter"))
    ]


def test_sites_on_annotated_lines_have_an_annotated_type(annotated):
    wants, found = wanted(), defaultdict(set)
    with Executable.open(annotated) as executable:
        for listed in list_sites(executable):
            if listed.file.endswith("annotated/main.go") and listed.site.certainty.trustworthy:
                found[listed.line].add(listed.site.type_name)

    module = "example.com/programs/annotated."
    types = {
        line: {name.replace(module, "main.") for name in found[line]}
        for line in wants
        if found[line]
    }
    assert len(types) > 0.7 * len(wants)
    assert {line: names - wants[line] for line, names in types.items() if names - wants[line]} == {}


def test_a_stripped_build_has_the_same_sites(go, annotated):
    def sites(path):
        with Executable.open(path) as executable:
            return [
                (s.function, s.code_of, s.file, s.line, s.callee, s.site.kind, s.site.full_name)
                for s in list_sites(executable)
            ]

    assert sites(go.build(ANNOTATED, flags=["-ldflags=-s -w"])) == sites(annotated)


def test_the_runtime_itself_is_left_out(annotated):
    with Executable.open(annotated) as executable:
        sites = list(list_sites(executable))

    assert not any(is_runtime(site.code_of) or is_runtime(site.function) for site in sites)


def test_an_inlined_function_is_named_with_the_function_that_holds_its_code(annotated):
    with Executable.open(annotated) as executable:
        inlined = [s for s in list_sites(executable) if s.function != s.code_of]

    assert ("errors.New", "main.boxes") in {(s.function, s.code_of) for s in inlined}
    assert all(s.line > 0 for s in inlined)


def test_progress_runs_up_to_the_number_of_functions(program):
    told = []
    with Executable.open(program("tiny")) as executable:
        functions = len(executable.pclntab)
        list(list_sites(executable, progress=lambda done, total: told.append((done, total))))

    assert told == sorted(told)
    assert told[0] == (0, functions)
    assert told[-1] == (functions, functions)
