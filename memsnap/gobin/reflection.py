"""Types that only reflection knows, from what the program handed to the library.

Functions of `reflect` that get a constant type are modelled exactly.  Below a decoder the type
at hand is a value of the running program; but what the caller passed in names the root, and the
types that can be reached from it with the right kind and size are few.  Those answers are
inferred, or one of several.
"""

from collections.abc import Iterator

from memsnap.gobin.answers import container_site, elements_site, object_site, one_of
from memsnap.gobin.chain import Chain
from memsnap.gobin.descriptors import Kind
from memsnap.gobin.jsonpath import decoded
from memsnap.gobin.kinds import AllocKind
from memsnap.gobin.program import Program
from memsnap.gobin.site import Certainty, Site, unknown
from memsnap.gobin.slicing import Source
from memsnap.gobin.types import GoType

LIBRARIES = (
    "reflect.",
    "internal/reflectlite.",
    "encoding/",
    "database/sql.",
    "text/template",
    "html/template",
    "net/rpc",
    "gopkg.in/yaml",
    "go.yaml.in/yaml",
    "sigs.k8s.io/yaml",
    "sigs.k8s.io/json",
    "github.com/goccy/go-yaml",
    "github.com/goccy/go-json",
    "github.com/json-iterator/go",
    "github.com/modern-go/reflect2",
    "github.com/BurntSushi/toml",
    "github.com/pelletier/go-toml",
    "github.com/mitchellh/mapstructure",
    "github.com/go-viper/mapstructure",
    "github.com/vmihailenco/msgpack",
    "github.com/ugorji/go/codec",
)
_CALLING = ("text/template", "html/template")
"""Libraries that also handle what methods return, of types that no field leads to."""
_MODELS = {
    "reflect.MakeSlice": Kind.SLICE,
    "reflect.MakeMapWithSize": Kind.MAP,
    "reflect.MakeMap": Kind.MAP,
    "reflect.MakeChan": Kind.CHAN,
}
_OBJECTS = ("unsafe_New", "New", "Zero")
_BOXING = ("reflect.Value.Interface", "reflect.valueInterface", "reflect.packEface", "reflect.Zero")
_OF_MAPS = ("reflect.(*MapIter).", "reflect.Value.MapIndex", "reflect.Value.MapKeys")
# A pointer-shaped value is the interface's data word itself, so that no box is made for it.
_UNBOXED = (Kind.POINTER, Kind.MAP, Kind.CHAN, Kind.FUNC, Kind.UNSAFE_POINTER, Kind.INTERFACE)
_MAX_FRAMES = 64
_MAX_REACHED = 2000


def modelled(program: Program, chain: Chain, block: int) -> Site | None:
    """Return the answer where a function of `reflect` got a type that the callers know."""
    for level in range(1, 4):
        frame = chain.frame(level)
        if frame is None:
            return None
        name = frame.flow.function.name
        if name in _MODELS:
            # The type is a reflect.Type: an interface, its data word the descriptor.
            types = _argument_types(program, chain, level + 1, program.machine.arguments[1])
            if len(types) != 1 or types[0].kind is not _MODELS[name]:
                return None
            return _container(types[0], block)
        if not name.startswith("reflect."):
            return None
    return None


def _container(type_: GoType, block: int) -> Site | None:
    if type_.kind is not Kind.SLICE:
        return container_site(AllocKind.REFLECT, type_, Certainty.CALLER_CHAIN, block)
    elem = type_.elem
    return elements_site(AllocKind.SLICE, elem, Certainty.CALLER_CHAIN, block) if elem else None


def inferred(program: Program, chain: Chain, leaf: str, block: int) -> Site | None:
    """Return what types reachable from the root may be allocated at a leaf in `reflect`."""
    root = _root(program, chain)
    if root is None:
        return None
    function, types = root
    reached, open_ended = decoded(chain, types) or _reachable(types)
    open_ended |= function.startswith(_CALLING)
    site = _candidates(leaf, _entry(program, chain), reached, block)
    via = f"{_short(function)}({', '.join(type_.name for type_ in types)})"
    if open_ended or site.certainty is Certainty.UNKNOWN:
        names = site.candidates or ((site.type_name,) if site.type_name else ())
        certainty = Certainty.ONE_OF if names else Certainty.UNKNOWN
        return Site(kind=AllocKind.REFLECT, certainty=certainty, candidates=names, via=via)
    return Site(
        kind=AllocKind.REFLECT,
        certainty=site.certainty,
        type_name=site.type_name,
        full_name=site.full_name,
        part=site.part,
        candidates=site.candidates,
        type_address=site.type_address,
        via=via,
    )


def _short(function: str) -> str:
    return function.rpartition("/")[2]


def _root(program: Program, chain: Chain) -> tuple[str, list[GoType]] | None:
    """Return the library function that the first frame outside calls, and its constant types."""
    inner = ""
    for level in range(_MAX_FRAMES):
        frame = chain.frame(level)
        if frame is None:
            return None
        name = frame.flow.function.name
        if not name.startswith(LIBRARIES):
            pc = frame.flow.instructions[frame.call].pc
            for inlined in program.pclntab.inline_frames(pc):
                if inlined.name.startswith(LIBRARIES):
                    inner = inlined.name
            if not inner:
                return None
            found: dict[int, GoType] = {}
            for register in program.machine.arguments[:6]:
                for type_ in _argument_types(program, chain, level, register):
                    if type_.kind is Kind.POINTER or type_.kind is Kind.MAP:
                        found[type_.address] = type_
            return (inner, list(found.values())) if found else None
        inner = name
    return None


def _argument_types(program: Program, chain: Chain, level: int, register: int) -> list[GoType]:
    """Return the types whose descriptors a register holds at a frame's call, if all are."""
    found = []
    for bound in chain.argument(level, register):
        value = bound.value
        if value.source is not Source.CONST or not isinstance(value.a, int):
            return []
        type_ = program.type_at(value.a)
        if value.a == 0:
            continue  # a nil check's other way
        if type_ is None:
            return []
        found.append(type_)
    return found


def _reachable(roots: list[GoType]) -> tuple[list[GoType], bool]:
    """Return the types reachable from the roots, and whether an interface makes it open-ended.

    Fields that are not exported lead nowhere: reflection neither sets them nor hands them out.
    """
    found: dict[int, GoType] = {}
    todo, open_ended = list(roots), False
    while todo and len(found) < _MAX_REACHED:
        type_ = todo.pop()
        if type_.address in found:
            continue
        found[type_.address] = type_
        open_ended |= type_.kind is Kind.INTERFACE
        todo.extend(_parts(type_))
    return list(found.values()), open_ended or bool(todo)


def _parts(type_: GoType) -> Iterator[GoType]:
    if type_.kind is Kind.FUNC:
        return
    for part in (type_.elem, type_.key):
        if part is not None:
            yield part
    for field in type_.fields:
        if field.embedded or field.name[:1].isupper():
            yield field.type


def _entry(program: Program, chain: Chain) -> str:
    """Return the function of `reflect` that was called from outside it."""
    entry = ""
    for level in range(_MAX_FRAMES):
        frame = chain.frame(level)
        if frame is None:
            return ""
        for called in program.pclntab.inline_frames(frame.flow.instructions[frame.call].pc):
            if not called.name.startswith("reflect."):
                return entry
            entry = called.name
    return ""


def _candidates(leaf: str, entry: str, reached: list[GoType], block: int) -> Site:
    """Return the types of the kind that the leaf function makes which fit the block."""
    function = leaf.rpartition(".")[2]
    if "map" in function.lower():
        maps = [type_ for type_ in reached if type_.kind is Kind.MAP]
        return one_of(AllocKind.MAP, maps, block, container_site)
    if function.startswith(_OBJECTS) and function != "unsafe_NewArray":
        return one_of(AllocKind.NEW, _distinct(_objects(entry, reached)), block, object_site)
    if "slice" in function or function == "unsafe_NewArray" or "row" in function:
        elements = [type_.elem for type_ in reached if type_.kind is Kind.SLICE]
        return one_of(AllocKind.SLICE, _distinct(elements), block, elements_site)
    return unknown(AllocKind.REFLECT)


def _objects(entry: str, reached: list[GoType]) -> list[GoType | None]:
    """Return the types of which a function of `reflect` may make one object."""
    in_maps = [t for m in reached if m.kind is Kind.MAP for t in (m.key, m.elem)]
    if entry.startswith(_BOXING):
        return [type_ for type_ in reached if type_.kind not in _UNBOXED]
    if entry.startswith(_OF_MAPS):
        return in_maps
    # Decoders fill pointers, and maps through a scratch key and element.
    return [type_.elem for type_ in reached if type_.kind is Kind.POINTER] + in_maps


def _distinct(types: list[GoType | None]) -> list[GoType]:
    return list({type_.address: type_ for type_ in types if type_ is not None}.values())
