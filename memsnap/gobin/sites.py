"""The Go type that an allocation site allocates, from the executable and a sample's stack.

A heap profile says where and how much; the code at that place says what: the call of an
allocation function carries the type as an argument.  Most are constants just before the call;
others come out of a backward slice, the sample's callers, or what is done with the result.
Every answer carries how it was found; nothing is guessed silently.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

from memsnap.gobin.answers import (
    container_site,
    elements_site,
    is_shape,
    object_site,
    one_of,
    pointer_free,
)
from memsnap.gobin.chain import Bound, Chain
from memsnap.gobin.closures import closure_behind
from memsnap.gobin.code import Instruction
from memsnap.gobin.executable import Executable
from memsnap.gobin.forward import (
    box_types,
    closure_of,
    handed_map_type,
    shaped_type,
    small_map_type,
)
from memsnap.gobin.kinds import BOX_SIZES, FIXED_LEAVES, AllocKind, Means, Rule, may_be_closure
from memsnap.gobin.mapblocks import HEADER_BYTES
from memsnap.gobin.program import Program
from memsnap.gobin.reflection import inferred, modelled
from memsnap.gobin.runtimeblocks import runtime_block
from memsnap.gobin.search import hidden_calls
from memsnap.gobin.shapes import instances_like
from memsnap.gobin.site import Certainty, Site, fixed, unknown
from memsnap.gobin.slicing import Source
from memsnap.gobin.types import GoType

_FAST_BYTES = 48
_MERGED_VARIABLES_BYTES = 64
_ELEMENT_LEAVES = ("reflect.unsafe_NewArray", "reflect.growslice")
_OBJECT_LEAVES = ("reflect.unsafe_New", "internal/reflectlite.unsafe_New")
_RUNTIME_PACKAGES = ("internal/runtime/",)


def resolve(executable: Executable, addresses: Sequence[int], object_bytes: int) -> Site:
    """Return what is allocated at a sample's stack.

    `addresses` are the sample's location addresses, innermost first, as link-time addresses: each
    lies in the call, one less than where it returns to.  `object_bytes` is the sample's `bytes`
    label, 0 if it has none.  For more than one sample use `resolve_all`, or a `Resolver`.
    """
    return Resolver(executable).site(addresses, object_bytes)


def resolve_all(executable: Executable, stacks: Iterable[tuple[Sequence[int], int]]) -> list[Site]:
    """Return what is allocated at each (addresses, object_bytes), as `resolve` does."""
    resolver = Resolver(executable)
    listed = [(tuple(addresses), size) for addresses, size in stacks]
    # By address, so that a function is decoded once for all its sites.
    order = sorted(range(len(listed)), key=lambda place: listed[place][0][:1])
    found = {place: resolver.site(*listed[place]) for place in order}
    return [found[place] for place in range(len(listed))]


class Typed(NamedTuple):
    """The types that an argument may be; `nil` if it may be none."""

    types: list[GoType]
    nil: bool
    certainty: Certainty


_UNTYPED = Typed([], nil=False, certainty=Certainty.UNKNOWN)


class Resolver:
    """Resolves sites of one executable, and remembers them by the callers they depend on."""

    def __init__(self, executable: Executable) -> None:
        self._program = Program(executable)
        self._known: dict[tuple[int, tuple[int, ...]], Site] = {}
        self._depths: dict[int, set[int]] = {}

    def site(self, addresses: Sequence[int], object_bytes: int) -> Site:
        """Return what is allocated at a stack; see `resolve`."""
        stack = self._without_allocator(tuple(addresses))
        if not stack:
            return unknown()
        for depth in self._depths.get(stack[0], ()):
            known = self._known.get((object_bytes, stack[:depth]))
            if known is not None and (depth <= len(stack)):
                return known
        question = _Question(self._program, stack, object_bytes)
        site = question.answer()
        # What was asked beyond the stack's end is true of this very stack only.
        depth = question.used
        self._depths.setdefault(stack[0], set()).add(depth)
        self._known[object_bytes, stack[:depth]] = site
        return site

    def _without_allocator(self, addresses: tuple[int, ...]) -> tuple[int, ...]:
        """Drop the leading frames of the allocator, which stacks within the runtime keep."""
        for place, address in enumerate(addresses[:-1]):
            function = self._program.pclntab.function_at(address)
            name = function.name if function else ""
            if not (self._program.rule(name) or name.startswith(_RUNTIME_PACKAGES)):
                return addresses[place:]
        return addresses[-1:]


class _Question:
    """One stack and block size on the way to its answer."""

    def __init__(self, program: Program, stack: tuple[int, ...], block: int) -> None:
        self.chain = Chain(program, stack)
        self._program = program
        self._stack = stack
        self._block = block
        self._inner_used = 0

    @property
    def used(self) -> int:
        """How many addresses of the stack the answer depends on."""
        return max(self.chain.used, self._inner_used, 1)

    def answer(self) -> Site:
        leaf = self._program.pclntab.function_at(self._stack[0])
        name = leaf.name if leaf else ""
        site = _of_leaf(name) or self._by_call(name)
        if site.certainty in (Certainty.SHAPE, Certainty.UNKNOWN):
            inlined = self._program.pclntab.inline_frames(self._stack[0])[:1]
            site = _of_leaf(inlined[0].name if inlined else "") or site
        if site.type_name or not name.startswith("reflect."):
            return site
        return (
            modelled(self._program, self.chain, self._block)
            or inferred(self._program, self.chain, name, self._block)
            or site
        )

    def _by_call(self, leaf: str) -> Site:
        """Answer by the call at the leaf."""
        call = self._program.call_before(self._stack[0] + 1)
        callee = self._program.callee(call) if call else ""
        rule = self._program.rule(callee)
        if call is None or rule is None:
            return runtime_block(callee, self._block) or self._hidden()
        return self._by_rule(rule, call, callee, leaf)

    def _by_rule(self, rule: Rule, call: Instruction, callee: str, leaf: str) -> Site:
        plain: dict[Means, Callable[[], Site]] = {
            Means.FIXED: lambda: fixed(rule.kind, rule.fixed),
            Means.MOVED: lambda: pointer_free(rule.kind, "pointer-free slice"),
            Means.SMALL_MAP: self._small_map,
            Means.BOX: lambda: self._box(call, BOX_SIZES[callee.rpartition(".")[2]]),
        }
        if rule.means in plain:
            return plain[rule.means]()
        typed = self._type_argument(call, self._program.machine.arguments[rule.argument])
        if rule.means is Means.MALLOC:
            return self._malloc(rule, call, typed, leaf)
        if rule.means is Means.OBJECT:
            return self._object(rule.kind, typed)
        build = elements_site if rule.means is Means.ELEMENT else container_site
        return self._answer(rule.kind, typed, build)

    def _answer(self, kind: AllocKind, typed: Typed, build: Callable[..., Site]) -> Site:
        if not typed.types:
            return unknown(kind)
        if len(typed.types) == 1 and is_shape(typed.types[0].name):
            typed = self._behind(typed)
        if len(typed.types) > 1:
            return one_of(kind, typed.types, self._block, build)
        return build(kind, typed.types[0], typed.certainty, self._block)

    def _behind(self, typed: Typed) -> Typed:
        """Return what a shape stands for here, what it may stand for, or the shape itself."""
        type_ = shaped_type(self._program, self.chain, typed.types[0])
        if type_ is not None:
            return Typed([type_], nil=typed.nil, certainty=Certainty.FORWARD)
        found = instances_like(self._program, self.chain, typed.types[0])
        return Typed(found, nil=typed.nil, certainty=Certainty.INFERRED) if found else typed

    def _object(self, kind: AllocKind, typed: Typed) -> Site:
        site = self._answer(kind, typed, object_site)
        if len(typed.types) == 1 and may_be_closure(typed.types[0]):
            name = closure_behind(self._program, self._stack[0] + 1)
            name = name or closure_of(self._program, self.chain)
            if name and site.certainty is not Certainty.UNKNOWN:
                return Site(
                    kind=AllocKind.CLOSURE,
                    certainty=Certainty.FORWARD,
                    type_name=f"closure {name}",
                    full_name=f"closure {name}",
                    type_address=typed.types[0].address,
                )
        return site

    def _malloc(self, rule: Rule, call: Instruction, typed: Typed, leaf: str) -> Site:
        """Answer for `mallocgc(size, type, needzero)`."""
        elements = leaf in _ELEMENT_LEAVES
        if len(typed.types) == 1 and not elements:
            size = typed.types[0].size
            if leaf in _OBJECT_LEAVES or self._has_size(call, size) or self._sizes() == {size}:
                return self._object(rule.kind, typed)
        if typed.types or not typed.nil:
            return self._answer(AllocKind.SLICE, typed, elements_site)
        sizes = self._sizes()
        if sizes and max(sizes) <= _MERGED_VARIABLES_BYTES:
            return pointer_free(AllocKind.VARIABLES, "pointer-free variables")
        return pointer_free(AllocKind.SLICE, "pointer-free slice")

    def _sizes(self) -> set[int] | None:
        """Return what the first argument of the leaf's call may be, if all are numbers."""
        return self._constants(self.chain.argument(0, self._program.machine.arguments[0]))

    def _box(self, call: Instruction, size: int) -> Site:
        types = box_types(self._program, self.chain, call, size)
        certainty = Certainty.FORWARD
        return self._answer(
            AllocKind.BOX, Typed(types, nil=False, certainty=certainty), object_site
        )

    def _small_map(self) -> Site:
        type_, certainty = small_map_type(self._program, self.chain), Certainty.FORWARD
        if type_ is None:
            type_, certainty = handed_map_type(self._program, self.chain), Certainty.INFERRED
        if type_ is None and self._block not in (0, HEADER_BYTES):
            return unknown(AllocKind.RUNTIME)
        if type_ is None:
            return Site(
                kind=AllocKind.MAP,
                certainty=Certainty.SHAPE,
                part="header",
                type_name="map",
                full_name="map",
            )
        return container_site(AllocKind.MAP, type_, certainty, self._block)

    def _hidden(self) -> Site:
        """Answer where the call at the leaf is not an allocation function's.

        Up to Go 1.25 the runtime may drop the frame that calls `mallocgc`; the leaf of an inlined
        helper is no call at all; and functions of the runtime allocate for themselves.  The
        allocation calls below are searched, and accepted if they agree for this block size.
        """
        found: dict[str, Site] = {}
        paths = list(hidden_calls(self._program, self._stack[0]))
        for path in paths:
            question = _Question(self._program, (*path, *self._stack[1:]), self._block)
            found_site = question.answer()
            self._inner_used = max(self._inner_used, question.used + 1 - len(path))
            if found_site.certainty is Certainty.UNKNOWN:
                if found_site.kind is AllocKind.RUNTIME:
                    continue
                return unknown()
            found[found_site.full_name] = found_site
        if len(found) != 1 or not self._block:
            return unknown()
        site = next(iter(found.values()))
        inner = self._program.pclntab.function_at(paths[0][0])
        is_plain = len(paths) == 1 and inner and not inner.name.startswith("runtime.")
        if site.certainty.trustworthy and not is_plain:
            return replace(site, certainty=Certainty.INFERRED)
        return site

    def _type_argument(self, call: Instruction, register: int) -> Typed:
        """Return the types that a register may hold at the call, with how that was found."""
        program = self._program
        for address in program.machine.address_before(self._before(call), call.pc, register):
            type_ = program.type_at(address)
            if type_ is not None:
                return Typed([type_], nil=False, certainty=Certainty.CONSTANT)
        bounds = self.chain.argument(0, register)
        constants = self._constants(bounds)
        if constants is None:
            return _UNTYPED
        types = [program.type_at(address) for address in sorted(constants) if address]
        if None in types:
            return _UNTYPED
        certainty = Certainty.CALLER_CHAIN if self.chain.used > 1 else Certainty.CONSTANT
        return Typed([t for t in types if t], nil=0 in constants, certainty=certainty)

    def _has_size(self, call: Instruction, size: int) -> bool:
        """Whether a call's first argument is plainly the number `size`."""
        machine = self._program.machine
        return machine.has_number(self._before(call), call.pc, machine.arguments[0], size)

    def _before(self, call: Instruction) -> bytes:
        """Return some code of the function in front of a call."""
        function = self._program.pclntab.function_at(call.pc)
        start = max(call.pc - _FAST_BYTES, function.entry if function else call.pc)
        return bytes(self._program.image.read(start, call.pc - start))

    @staticmethod
    def _constants(bounds: frozenset[Bound]) -> set[int] | None:
        """Return the numbers if all values are numbers."""
        found: set[int] = set()
        for bound in bounds:
            value = bound.value
            if value.source is not Source.CONST or not isinstance(value.a, int):
                return None
            found.add(value.a)
        return found


def _of_leaf(function: str) -> Site | None:
    """Return the answer for all that a function allocates itself, inlined or not."""
    rule = FIXED_LEAVES.get(function)
    return fixed(rule.kind, rule.fixed) if rule else None
