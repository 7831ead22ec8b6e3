"""A pprof profile as frozen columns: the checked value that every reader returns.

The message is `perftools.profiles.Profile` (google/pprof, `proto/profile.proto`).  Ids of the
wire are gone: mappings, functions and locations refer to each other by index.  Reading and
writing live in `decode`, `encode` and `legacy`.
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]
UInt64s = npt.NDArray[np.uint64]
Bools = npt.NDArray[np.bool_]

# The number of the one field that memsnap adds to the message: length-delimited, and skipped by
# every other reader as unknown (see `docs/snap-format.md`).
EXTENSION_FIELD = 1000


@dataclass(frozen=True, slots=True)
class ValueType:
    """What one column of sample values measures, as in `inuse_space` `bytes`."""

    type: str
    unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapping:
    """One mapped file of the profiled process."""

    start: int = 0
    limit: int = 0
    offset: int = 0
    file: str = ""
    build_id: str = ""
    has_functions: bool = False
    has_filenames: bool = False
    has_line_numbers: bool = False
    has_inline_frames: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Functions:
    """Columns of length F.  Texts are indices into `Profile.strings`."""

    name: Int32s
    system_name: Int32s
    file: Int32s
    start_line: Int64s

    def __len__(self) -> int:
        return len(self.name)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Locations:
    """Columns of length L, and their lines as a ragged column.

    Location `i` has the lines `line_start[i]:line_start[i + 1]`, innermost (inlined) first; it
    has none where the profile is not symbolised.  `mapping` is -1 where there is none.
    """

    mapping: Int32s
    address: UInt64s
    is_folded: Bools
    line_start: Int64s  # L + 1
    line_function: Int32s
    line_number: Int64s
    line_column: Int64s

    def __len__(self) -> int:
        return len(self.address)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Labels:
    """All labels of all samples, in sample order.

    `string` is an index into `Profile.strings`, -1 for a numeric label; `number` is 0 for a
    string label; `unit` is an index into `Profile.strings`, 0 where none is given.
    """

    sample: Int32s
    key: Int32s
    string: Int32s
    number: Int64s
    unit: Int32s

    def __len__(self) -> int:
        return len(self.sample)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Profile:
    """A whole profile of S samples with V values each.

    Sample `i` has the stack `stack[stack_start[i]:stack_start[i + 1]]`, leaf first, as indices
    of `locations`.  `strings[0]` is always empty.  `extension` is the content of the one field
    that memsnap adds to the message (see `docs/snap-format.md`), empty for other profiles.
    """

    sample_types: tuple[ValueType, ...]
    values: Int64s  # (S, V)
    stack_start: Int64s  # S + 1
    stack: Int32s
    labels: Labels
    locations: Locations
    functions: Functions
    mappings: tuple[Mapping, ...]
    strings: tuple[str, ...]
    default_sample_type: str = ""
    period_type: ValueType | None = None
    period: int = 0
    time_nanos: int = 0
    duration_nanos: int = 0
    drop_frames: str = ""
    keep_frames: str = ""
    doc_url: str = ""
    comments: tuple[str, ...] = ()
    extension: bytes = field(default=b"", repr=False)

    def __len__(self) -> int:
        return len(self.stack_start) - 1
