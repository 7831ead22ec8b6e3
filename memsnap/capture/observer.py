"""Would this heap profile be the first that its process ever wrote?

The first profile makes the process allocate compressor state and tables (compress/flate,
hash/crc32; 0.5 to 1 MB) that stay or recur, so that a series whose base is the very first
profile shows them as growth.  One profile thrown away beforehand moves them into the base.
"""

from memsnap.pprof.profile import Profile

# Every writer of profile.proto goes through this builder (Go 1.21 to 1.27,
# runtime/pprof/proto.go), and ordinary code never does, unlike runtime/pprof's labels.
_BUILDER = ("runtime/pprof.newProfileBuilder", "runtime/pprof.(*profileBuilder).")


def shows_earlier_profile(heap: Profile) -> bool:
    """Whether `heap` holds allocations made while an earlier profile was written.

    A profile is as of a GC before its own writing, so it can show earlier writings only: True is
    certain, and the profile may serve as a base.  False may be chance, for allocations are
    sampled; taking one profile more than needed is then the whole harm.
    """
    names = {heap.strings[i] for i in heap.functions.name}
    return any(name.startswith(_BUILDER) for name in names)
