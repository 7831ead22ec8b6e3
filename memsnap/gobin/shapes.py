"""Which types stand behind a shape: `main.List[go.shape.*uint8]` as `main.List[*main.Node]`.

Generic code allocates by the shape of its type arguments (`cmd/compile/internal/noder/reader.go`,
`shapify`), since the collector needs no more.  The instances that a program has, and the types
that the dictionary in use mentions, leave few candidates, often one; that is an inference.
"""

from collections.abc import Iterator

from memsnap.gobin.chain import Chain
from memsnap.gobin.code import Op
from memsnap.gobin.program import Program
from memsnap.gobin.slicing import Source, Value
from memsnap.gobin.types import GoType
from memsnap.gobin.typesearch import unnamed_types

_SHAPE = "go.shape."
_ANY_POINTER = "go.shape.*uint8"
_MAX_DICTIONARY_WORDS = 64
_WORD = 8


def instances_like(program: Program, chain: Chain, shape: GoType) -> list[GoType]:
    """Return the types that a shape type may stand for at the leaf, the likelier ones only."""
    mentioned = _dictionary_types(program, chain)
    if shape.name.startswith(_SHAPE):
        return [type_ for type_ in mentioned if _same_layout(type_, shape)]
    base, bracket, arguments = shape.name.partition("[")
    if not bracket or _SHAPE in base or not shape.named:
        return []
    wanted = split_arguments(arguments.removesuffix("]"))
    found = [
        type_
        for type_ in _instances(program, base)
        if _same_layout(type_, shape) and _matches(type_.name, wanted)
    ]
    if len(found) < 2:
        return found
    texts = [type_.name for type_ in mentioned]
    likely = [type_ for type_ in found if _is_mentioned(type_, wanted, texts)]
    return likely or found


def stands_for(type_: GoType, shape: GoType) -> bool:
    """Whether a type may stand behind a shape, by its name, layout and fields."""
    if not _same_layout(type_, shape):
        return False
    if shape.name.startswith(_SHAPE):
        fields = [(field.name, field.type.name) for field in type_.fields]
        return fields == [(field.name, field.type.name) for field in shape.fields]
    base, bracket, arguments = shape.name.partition("[")
    if not bracket or type_.name.partition("[")[0] != base or type_.pkg_path != shape.pkg_path:
        return False
    return _matches(type_.name, split_arguments(arguments.removesuffix("]")))


def split_arguments(text: str) -> list[str]:
    """Return the type arguments in `K,V`, split at the commas outside brackets."""
    parts, depth, start = [], 0, 0
    for place, letter in enumerate(text):
        depth += (letter in "[({") - (letter in "])}")
        if letter == "," and depth == 0:
            parts.append(text[start:place])
            start = place + 1
    return [*parts, text[start:]]


def _same_layout(type_: GoType, shape: GoType) -> bool:
    return (
        type_.kind is shape.kind
        and type_.size == shape.size
        and type_.ptr_bytes == shape.ptr_bytes
        and _SHAPE not in type_.name
        and len(type_.fields) == len(shape.fields)
    )


def _matches(name: str, wanted: list[str]) -> bool:
    """Whether an instance's arguments may have the wanted shapes, by their spelling."""
    arguments = split_arguments(name.partition("[")[2].removesuffix("]"))
    if len(arguments) != len(wanted):
        return False
    for argument, shape in zip(arguments, wanted, strict=True):
        defined = "." in argument.partition("[")[0] and argument[0] not in "*[]("
        if shape == _ANY_POINTER:
            if argument[0] != "*":
                return False
        elif not defined and shape.removeprefix(_SHAPE) != argument:
            return False
    return True


def _is_mentioned(type_: GoType, wanted: list[str], texts: list[str]) -> bool:
    """Whether the dictionary mentions each argument of an instance, or the instance itself."""
    if any(type_.name in text for text in texts):
        return True
    arguments = split_arguments(type_.name.partition("[")[2].removesuffix("]"))
    short = [argument.rpartition("/")[2] for argument in arguments]
    return all(
        any(argument.lstrip("*") in text for text in texts)
        for argument, shape in zip(short, wanted, strict=True)
        if _SHAPE in shape
    )


def _instances(program: Program, base: str) -> list[GoType]:
    """Return the types named `base[...]` of the executable, without shapes."""
    known = program.instances.get(base)
    if known is None:
        known = program.instances[base] = list(_find_instances(program, base))
    return known


def _find_instances(program: Program, base: str) -> Iterator[GoType]:
    """Yield them by what `*base[...]` point to: the linker has a pointer type for each."""
    for pointer in unnamed_types(program.executable, f"*{base}["):
        type_ = pointer.elem
        if type_ and pointer.name == f"*{type_.name}" and _SHAPE not in type_.name:
            yield type_


def _dictionary_types(program: Program, chain: Chain) -> list[GoType]:
    """Return the types in the dictionary that the leaf's function was given."""
    address = _dictionary(program, chain)
    if address is None:
        return []
    found: list[GoType] = []
    for place in range(_dictionary_words(program, chain)):
        word = program.constant_word(address + place * _WORD)
        if word is None:
            break
        type_ = program.type_at(word)
        if type_ is not None:
            found.append(type_)
    return found


def _dictionary(program: Program, chain: Chain) -> int | None:
    """Return the address of the dictionary: the first argument, the second after a receiver."""
    frame = chain.frame(0)
    if frame is None:
        return None
    name = frame.flow.function.name
    if "[go.shape." not in name and "[...]" not in name:
        return None
    register = program.machine.arguments[_dictionary_argument(name)]
    bounds = chain.resolve(Value(Source.PARAMETER, register), 0)
    if len(bounds) != 1:
        return None
    value = next(iter(bounds)).value
    return value.a if value.source is Source.CONST and isinstance(value.a, int) else None


def _dictionary_argument(name: str) -> int:
    """Return 1 for a method, which takes its receiver first, else 0."""
    base = name.partition("[")[0].rpartition("/")[2]
    return 1 if ".(*" in base or base.count(".") > 1 or "]." in name.rpartition("/")[2] else 0


def _dictionary_words(program: Program, chain: Chain) -> int:
    """Return how many words of the dictionary the leaf's function reads, at least."""
    frame = chain.frame(0)
    if frame is None:
        return 0
    register = program.machine.arguments[_dictionary_argument(frame.flow.function.name)]
    dictionary = Value(Source.PARAMETER, register)
    slicer, words = program.slicer(frame.flow), 0
    for index, step in enumerate(frame.flow.instructions):
        if (
            step.op is Op.LOAD
            and 0 <= step.src < 64
            and 0 <= step.value < 8 * _MAX_DICTIONARY_WORDS
        ):
            if step.src == program.machine.stack or step.value % _WORD:
                continue
            if slicer.register(index, step.src) == {dictionary}:
                words = max(words, step.value // _WORD + 1)
    return words
