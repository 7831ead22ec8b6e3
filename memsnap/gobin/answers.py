"""From an allocation function and its type argument to the site's answer, checked by block size."""

from collections.abc import Callable

from memsnap.gobin.descriptors import Kind
from memsnap.gobin.kinds import AllocKind
from memsnap.gobin.mapblocks import part_of
from memsnap.gobin.names import readable
from memsnap.gobin.site import Certainty, Site, unknown
from memsnap.gobin.sizeclasses import fits, fits_many
from memsnap.gobin.types import GoType

_CHAN_HEADERS = (96, 104, 112)  # hchan, and with the timer of Go 1.23; its class


def object_site(kind: AllocKind, type_: GoType, certainty: Certainty, block: int) -> Site:
    """Return the answer for one object of a type in a block of `block` bytes (0: not known)."""
    if block and not fits(block, type_.size, pointers=type_.ptr_bytes > 0):
        return unknown(AllocKind.RUNTIME)
    return _named(kind, type_, certainty)


def elements_site(kind: AllocKind, type_: GoType, certainty: Certainty, block: int) -> Site:
    """Return the answer for an array of elements behind a slice."""
    if block and not fits_many(block, type_.size, pointers=type_.ptr_bytes > 0):
        return unknown(AllocKind.RUNTIME)
    return Site(
        kind=kind,
        certainty=_checked(type_, certainty),
        type_name=readable(f"[]{shown(type_.name)}"),
        full_name=readable(f"[]{shown(type_.full_name)}"),
        type_address=type_.address,
    )


def container_site(kind: AllocKind, type_: GoType, certainty: Certainty, block: int) -> Site:
    """Return the answer for a part of a map or channel of this type."""
    if type_.kind is Kind.CHAN:
        elem = type_.elem
        part = "header" if block in _CHAN_HEADERS or not elem or not elem.ptr_bytes else "buffer"
        return _named(
            AllocKind.CHAN, type_, certainty, part=part if elem and elem.ptr_bytes else ""
        )
    if type_.kind is not Kind.MAP:
        return unknown(kind)
    map_part = part_of(type_, block) if block else ""
    if map_part is None:
        return unknown(AllocKind.RUNTIME)
    return _named(AllocKind.MAP, type_, certainty, part=map_part)


def one_of(kind: AllocKind, types: list[GoType], block: int, build: Callable[..., Site]) -> Site:
    """Return the answer for several types: those that fit the block, marked if more than one."""
    sites = [build(kind, type_, Certainty.INFERRED, block) for type_ in types]
    sites = [site for site in sites if site.certainty is not Certainty.UNKNOWN]
    names = tuple(sorted({site.type_name for site in sites}))
    if len({site.full_name for site in sites}) == 1:
        return sites[0]
    if not sites:
        return unknown(kind)
    return Site(kind=kind, certainty=Certainty.ONE_OF, candidates=names)


def pointer_free(kind: AllocKind, name: str) -> Site:
    """Return the answer for blocks without pointers whose type the code does not say."""
    return Site(kind=kind, certainty=Certainty.SHAPE, type_name=name, full_name=name)


def shown(name: str) -> str:
    """Return a type's name with shapes as what is known of them: any pointer as `*?`."""
    return name.replace("go.shape.*uint8", "*?").replace("go.shape.", "")


def is_shape(name: str) -> bool:
    """Whether a type stands for all types of its layout in generic code."""
    return "go.shape." in name


def _named(kind: AllocKind, type_: GoType, certainty: Certainty, *, part: str = "") -> Site:
    return Site(
        kind=kind,
        certainty=_checked(type_, certainty),
        type_name=readable(shown(type_.name)),
        full_name=readable(shown(type_.full_name)),
        part=part,
        type_address=type_.address,
    )


def _checked(type_: GoType, certainty: Certainty) -> Certainty:
    return Certainty.SHAPE if is_shape(type_.name) else certainty
