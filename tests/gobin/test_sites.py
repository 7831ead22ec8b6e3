"""Allocation sites: the source's annotations, the compiler's listing, and both architectures."""

import random
from collections import defaultdict

import pytest
import toolchains
from site_truth import (
    ANNOTATED,
    compared,
    judged,
    listing_of,
    run,
    typed_share,
    wanted,
)

from memsnap.gobin.code import Op
from memsnap.gobin.executable import Executable
from memsnap.gobin.kinds import AllocKind
from memsnap.gobin.program import Program
from memsnap.gobin.site import Certainty
from memsnap.gobin.sites import Resolver, resolve, resolve_all

pytestmark = pytest.mark.go

LINKED = {
    "plain": [],
    "stripped": ["-ldflags=-s -w"],
    "pie": ["-buildmode=pie"],
    "stripped-pie": ["-buildmode=pie", "-ldflags=-s -w"],
}


@pytest.fixture(scope="module")
def annotated(go):
    return go.build(ANNOTATED)


@pytest.fixture(scope="module")
def samples(annotated, tmp_path_factory):
    return run(annotated, tmp_path_factory.mktemp("annotated"))


@pytest.fixture
def on_line(samples):
    """A function that returns the sites on the one line that holds a text."""
    lines = (ANNOTATED / "main.go").read_text().splitlines()

    def find(text):
        (number,) = [n for n, line in enumerate(lines, 1) if text in line]
        return [s.site for s in samples if s.line == number and s.file.endswith("main.go")]

    return find


@pytest.mark.parametrize("flags", LINKED.values(), ids=LINKED.keys())
def test_annotated_allocations_have_the_annotated_type(go, tmp_path, flags):
    samples = run(go.build(ANNOTATED, flags=flags), tmp_path)

    right, wrong, unsure = judged(samples)
    live_bytes, live_sites = typed_share(samples)

    assert [(s.line, s.site.type_name, s.object_bytes) for s in wrong] == []
    assert len({s.line for s in right}) > 0.8 * len(wanted())
    assert len(unsure) <= 6
    assert live_bytes > 0.96
    assert live_sites > 0.9


def test_a_generic_function_gets_its_types_from_the_callers_dictionary(on_line):
    sites = on_line("return make([]T, n) // want: []main.Node | []*main.Big")

    assert {site.type_name for site in sites} == {"[]main.Node", "[]*main.Big"}
    assert {site.certainty for site in sites} == {Certainty.CALLER_CHAIN}


def test_a_closure_gets_its_types_from_what_it_captured(on_line):
    sites = on_line("items := make([]T, n)")

    assert {site.type_name for site in sites} == {"[]*main.Node", "[]string"}
    assert {site.certainty for site in sites} == {Certainty.CALLER_CHAIN}


def test_a_closure_gets_its_types_from_the_call_that_made_it(on_line):
    sites = on_line("return make([]T, n) // want: []main.Node | []main.Money")

    assert {site.type_name for site in sites} == {"[]main.Node", "[]main.Money"}
    assert {site.certainty for site in sites} == {Certainty.CALLER_CHAIN}


def test_a_generic_method_called_through_an_interface_is_found_in_its_method_table(on_line):
    sites = [site for site in on_line("made := make([]T, n*f.scale)") if site.type_name]

    assert {site.type_name for site in sites} == {"[]main.Node", "[]int", "[]main.Big"}
    assert {site.certainty for site in sites} == {Certainty.CALLER_CHAIN}


def test_a_generic_method_of_an_interface_out_of_memory_is_not_guessed(on_line):
    sites = on_line("made := make([]T, n*f.scale)")

    assert "[]main.Wide" not in {site.type_name for site in sites}
    assert any(site.certainty is Certainty.UNKNOWN for site in sites)


def test_what_a_method_or_a_changed_field_hands_to_reflection_is_not_guessed(samples):
    by_caller = defaultdict(set)
    with_first_or_second = [s.site for s in samples if s.object_bytes == 416 and s.live_bytes]
    for site in with_first_or_second:
        by_caller[site.certainty.trustworthy].add(site.type_name)

    assert by_caller == {True: {"main.First"}, False: {""}}


def test_a_generic_object_has_the_type_of_the_pointers_that_it_is_kept_by(on_line):
    sites = on_line("l := &List[T]{}")

    assert {site.certainty for site in sites} == {Certainty.FORWARD}
    assert {site.type_name for site in sites} == {
        "main.List[*main.Node]",
        "main.List[int]",
        "main.List[*main.Point]",
    }


def test_an_instance_known_by_its_shape_only_is_marked_as_inferred(samples):
    sites = {s.site for s in samples if s.site.type_name.startswith("sync.entry[")}

    assert {(site.type_name, site.certainty) for site in sites} == {
        ("sync.entry[any,any]", Certainty.INFERRED)
    }


def test_a_closure_is_named_after_its_function_literal(on_line):
    (site,) = [s for s in on_line("return func() int {") if s.kind is AllocKind.CLOSURE]

    assert site.type_name == "closure main.counter.func1"


def test_a_method_value_is_named_after_its_method(on_line):
    names = {site.type_name for site in on_line("node.size)")}

    assert "closure main.(*Node).size-fm" in names


def test_a_boxed_value_is_typed_by_the_interface_that_it_goes_into(on_line):
    (site,) = [s for s in on_line("append(kept.anys, Label(text()))") if s.kind is AllocKind.BOX]

    assert (site.type_name, site.kind, site.certainty) == (
        "main.Label",
        AllocKind.BOX,
        Certainty.FORWARD,
    )


def test_the_parts_of_a_map_are_told_by_their_size(on_line):
    parts = {site.part for site in on_line('a["key"+strconv.Itoa(i)] = i') if site.part}

    assert "groups" in parts
    assert {"directory", "table"} & parts


def test_the_header_of_a_map_has_the_type_of_the_place_that_it_is_stored_to(on_line):
    in_field, in_element = on_line("g.Names = map"), on_line("g.Cells[i] = map")
    in_map = {s for s in on_line('e["one"] = make') if s.part == "header"}

    assert {(s.type_name, s.certainty) for s in in_field} == {
        ("map[string]bool", Certainty.FORWARD)
    }
    assert {(s.type_name, s.certainty) for s in in_element} == {("map[int]int", Certainty.FORWARD)}
    assert {(s.type_name, s.certainty) for s in in_map} == {("map[string]bool", Certainty.FORWARD)}


def test_the_header_of_a_map_has_the_type_of_the_place_that_callers_store_it_to(on_line):
    (site,) = on_line("names := map[string]bool{}")

    assert (site.type_name, site.certainty) == ("map[string]bool", Certainty.FORWARD)


def test_the_header_of_a_map_in_a_variable_has_the_type_of_other_uses_of_the_variable(on_line):
    (site,) = on_line("registry = map[string]*Point{}")

    assert (site.type_name, site.certainty) == ("map[string]*main.Point", Certainty.FORWARD)


def test_the_header_of_a_map_that_is_handed_on_has_the_type_that_it_is_used_as(on_line):
    (site,) = on_line("take(map[string]bool{})")

    assert (site.type_name, site.certainty) == ("map[string]bool", Certainty.INFERRED)


def test_what_an_inlined_helper_allocates_is_known_by_its_name(samples):
    sites = {s.site for s in samples if s.function.endswith(".Clone")}

    assert {(site.type_name, site.certainty) for site in sites} == {("string", Certainty.FIXED)}


def test_reflection_with_a_constant_type_is_exact(samples):
    sites = [s.site for s in samples if s.function == "reflect.unsafe_NewArray" and s.live_bytes]

    assert {(site.type_name, site.certainty) for site in sites} == {
        ("[]main.Node", Certainty.CALLER_CHAIN)
    }


def test_what_a_decoder_makes_is_inferred_from_what_it_was_given(samples):
    sites = {s.site for s in samples if s.site.via and s.live_bytes}

    assert {site.via for site in sites} >= {"json.Unmarshal(*main.Document)"}
    assert {site.type_name for site in sites} >= {"main.Document", "map[string]string"}
    assert not any(site.certainty.trustworthy for site in sites)


def test_a_block_of_another_size_is_not_given_the_sites_type(annotated, samples):
    node = next(s for s in samples if s.site.type_name == "main.Node")

    with Executable.open(annotated) as executable:
        assert resolve(executable, node.stack, 48).type_name == "main.Node"
        assert resolve(executable, node.stack, 96).certainty is Certainty.UNKNOWN


def test_one_at_a_time_and_all_at_once_answer_alike(annotated, samples):
    questions = [(s.stack, s.object_bytes) for s in samples]
    with Executable.open(annotated) as executable:
        resolver = Resolver(executable)
        single = [resolver.site(*question) for question in reversed(questions)]

        assert resolve_all(executable, questions) == single[::-1]


def test_any_address_has_an_answer(annotated):
    chance = random.Random(7)
    with Executable.open(annotated) as executable:
        low, high = executable.image.text_range
        resolver = Resolver(executable)
        stacks = [
            tuple(chance.randrange(low - 64, high + 64) for _ in range(chance.randrange(5)))
            for _ in range(400)
        ]
        sites = [resolver.site(stack, chance.choice((0, 16, 48, 4096))) for stack in stacks]

    assert {site.certainty for site in sites} >= {Certainty.UNKNOWN}


@pytest.mark.parametrize("goarch", ["amd64", "arm64"])
def test_types_agree_with_the_compilers_listing(go, tmp_path, goarch):
    target = tmp_path / "annotated"
    calls = listing_of(go, "./annotated", target, flags=["-gcflags=-S"], goarch=goarch)

    with Executable.open(target) as executable:
        outcome, differing = compared(executable, calls)

    assert differing == []
    assert outcome["agree"] > 60
    assert outcome["unresolved"] < 0.08 * outcome["all"]


def test_both_architectures_answer_alike(go, tmp_path):
    assert _differing_by_architecture(go, tmp_path) == {}


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("minor", toolchains.RELEASES)
def test_both_architectures_answer_alike_in_every_release(go_release, tmp_path, minor):
    assert _differing_by_architecture(go_release(minor), tmp_path) == {}


def _differing_by_architecture(go, folder):
    """Return the lines with other certain types on arm64 than on amd64: theirs by ours."""
    target = folder / "annotated"
    listing_of(go, "./annotated", target, flags=[], goarch="arm64")
    with Executable.open(go.build(ANNOTATED)) as ours, Executable.open(target) as theirs:
        mine, other = _types_by_line(ours), _types_by_line(theirs)
    assert len(mine) > 100
    return {line: (mine[line], other.get(line)) for line in mine if mine[line] != other.get(line)}


def _types_by_line(executable):
    """Return the certain types at each line of package main, and what is called there."""
    program, resolver = Program(executable), Resolver(executable)
    found = defaultdict(set)
    for function in executable.pclntab.functions():
        if not function.name.startswith("main."):
            continue
        for step in program.flow_at(function.entry).instructions:
            if step.op is Op.CALL and program.allocates(step):
                site = resolver.site((step.end - 1,), 0)
                line = executable.pclntab.line(step.pc)
                if site.certainty.trustworthy:
                    found[function.name, line].add((site.type_name, site.kind))
    return found


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("minor", toolchains.RELEASES)
@pytest.mark.parametrize("flags", LINKED.values(), ids=LINKED.keys())
def test_every_release_has_the_annotated_types(go_release, tmp_path, minor, flags):
    live_bytes, live_sites = _shares_in_release(go_release(minor), tmp_path, flags)

    assert live_bytes > 0.96
    assert live_sites > 0.92


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("minor", toolchains.RELEASES)
def test_every_release_has_the_annotated_types_without_optimisation(go_release, tmp_path, minor):
    flags = ["-gcflags=all=-N -l"]

    live_bytes, live_sites = _shares_in_release(go_release(minor), tmp_path, flags)

    assert live_bytes > 0.96
    assert live_sites > 0.88


def _shares_in_release(go, folder, flags):
    """Return the shares of live bytes and sites with a certain type; none may be wrong."""
    samples = run(go.build(ANNOTATED, flags=flags), folder)
    right, wrong, unsure = judged(samples)
    live_bytes, live_sites = typed_share(samples)
    print(
        f"{go.version} {flags}: {len(right)} right, {len(wrong)} wrong, {len(unsure)} open; "
        f"{live_bytes:.1%} of bytes, {live_sites:.1%} of sites"
    )
    assert [(s.line, s.site.type_name, s.object_bytes) for s in wrong] == []
    assert len(right) > 100
    return live_bytes, live_sites


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("minor", ["1.21", "1.26"])
def test_how_deep_a_document_is_tells_what_is_decoded(go_release, tmp_path, minor):
    samples = run(go_release(minor).build(ANNOTATED), tmp_path)

    folders = [s.site for s in samples if s.site.via == "json.Unmarshal(*main.Folder)"]
    inferred = {s.type_name for s in folders if s.certainty is Certainty.INFERRED}

    # Something is decoded into an interface below a file: only what is above it is certain.
    assert "map[string]main.File" in inferred
    assert not any(s.certainty.trustworthy for s in folders)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("minor", "goarch"), [("1.21", "amd64"), ("1.24", "arm64"), ("1.27", "amd64")]
)
def test_a_large_program_agrees_with_the_compilers_listing(go_release, tmp_path, minor, goarch):
    target = tmp_path / "vet"
    go = go_release(minor)
    calls = listing_of(go, "cmd/vet", target, flags=["-gcflags=all=-S"], goarch=goarch)

    with Executable.open(target) as executable:
        outcome, differing = compared(executable, calls)
    print(f"Go {minor} {goarch}: {len(differing)} disagree", dict(outcome))

    assert differing == []
    assert outcome["agree"] > 0.8 * outcome["all"]
    assert outcome["unresolved"] <= 0.02 * outcome["all"]
