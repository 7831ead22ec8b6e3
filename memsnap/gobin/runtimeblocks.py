"""What functions of the runtime allocate for themselves, where the block's size says which it is.

`runtime/chan.go`, `select.go`, `sema.go`: a goroutine that waits needs a sudog; `runtime/iface.go`:
type assertions fill the table of itabs and, since Go 1.22, a cache of their own.
"""

from memsnap.gobin.kinds import AllocKind
from memsnap.gobin.site import Certainty, Site
from memsnap.gobin.sizeclasses import fits

_WAITING = frozenset(
    "runtime." + name
    for name in (
        "acquireSudog",
        "chanrecv",
        "chanrecv1",
        "chanrecv2",
        "chansend",
        "chansend1",
        "selectgo",
        "semacquire",
        "semacquire1",
    )
)
_SUDOG_BLOCKS = (96, 112)  # bytes; two of its pointers grew by a word for traces of leaks
_ITAB_TABLE_HEAD, _ITAB_TABLE_ENTRY = 16, 16
_CACHE_HEAD = 8
_CACHES = {
    # By function: the type of its cache, and the bytes of an entry.
    "runtime.typeAssert": ("internal/abi.TypeAssertCache", 16),
    "runtime.interfaceSwitch": ("internal/abi.InterfaceSwitchCache", 24),
}
# A table is replaced by one of 2 + 2 * 512 words or more; a cache has 512 entries only where one
# assertion met as many types, which is out of the question.
_ITAB_TABLES = [1 << power for power in range(9, 18)]
_CACHE_ENTRIES = [1 << power for power in range(9)]


def runtime_block(callee: str, block: int) -> Site | None:
    """Return what the runtime function `callee`, called by ordinary code, made of `block` bytes.

    None where it may be several things.
    """
    if callee in _WAITING and block in _SUDOG_BLOCKS:
        return _own("runtime.sudog")
    if callee not in _CACHES:
        return None
    name, entry_bytes = _CACHES[callee]
    if any(_is(block, _ITAB_TABLE_HEAD + _ITAB_TABLE_ENTRY * n) for n in _ITAB_TABLES):
        return _own("runtime.itabTableType")
    if any(_is(block, _CACHE_HEAD + entry_bytes * n) for n in _CACHE_ENTRIES):
        return _own(name)
    return None


def _is(block: int, size: int) -> bool:
    return fits(block, size, pointers=False)


def _own(name: str) -> Site:
    return Site(
        kind=AllocKind.RUNTIME,
        certainty=Certainty.INFERRED,
        type_name=name.rpartition("/")[2],
        full_name=name,
    )
