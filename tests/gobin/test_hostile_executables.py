"""Damaged executables end in a FormatError or in answers, never in anything else.

Real ones are cut off and get bits flipped, above all where the tables that lead to others are.
"""

import contextlib
import itertools
import struct

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memsnap.errors import FormatError
from memsnap.gobin.descriptors import Kind
from memsnap.gobin.executable import Executable
from memsnap.gobin.image import Image
from memsnap.gobin.layout import struct_layout

pytestmark = pytest.mark.go

EXAMPLES = settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.fixture(scope="module", params=["exe", "pie"])
def pristine(request, program) -> bytes:
    """A small stripped executable: damage is rarely in what nobody reads."""
    flags = ["-ldflags=-s -w"]
    return program(
        "tiny", flags=[*flags, "-buildmode=pie"] if request.param == "pie" else flags
    ).read_bytes()


@pytest.fixture(scope="module")
def places(pristine) -> list[tuple[int, int]]:
    """File offset and size of what leads to other things."""
    with Executable(Image(pristine, name="svc")) as executable:
        image, md = executable.image, executable.moduledata
        mains = [f for f in executable.pclntab.functions() if f.name.startswith("main.")]
        types = [t for t in executable.types.all() if t.kind is Kind.STRUCT]
        return [
            (0, 64 + 56 * 12),
            (image.offset(md.address), 48 * 8),
            (image.offset(md.header.address), 72),
            (image.offset(md.header.table), 4096),
            (image.offset(mains[0].record), 512),
            (image.offset(md.pc_tables[0]), 4096),
            (image.offset(md.gofunc), 4096),
            (image.offset(md.types), 4096),
            (image.offset(types[0].address), 4096),
            (image.sections[".go.buildinfo"].offset, 256),
            (len(pristine) - 4096, 4096),
            (0, len(pristine)),
        ]


def ask_everything(data: bytes) -> int:
    """Ask an executable for all that there is and return how much it had to say."""
    with contextlib.suppress(FormatError), Executable(Image(data, name="svc")) as executable:
        pclntab = executable.pclntab
        said = len(executable.build_info.settings) + len(executable.image.build_id)
        said += pclntab.by_name("main.main") is not None
        for func in itertools.islice(pclntab.functions(), 0, 2000, 37):
            for pc in (func.entry, (func.entry + func.end) // 2, func.end):
                said += len(pclntab.inline_frames(pc))
        for type_ in itertools.islice(executable.types.all(), 400):
            said += len(type_.full_name) + len(type_.fields) + len(type_.interface_methods)
            said += struct_layout(type_) is not None
            said += type_.map_parts is not None
        return said
    return 0


def test_the_pristine_file_has_much_to_say(pristine):
    assert ask_everything(pristine) > 5000


@EXAMPLES
@given(data=st.data())
def test_flipped_bits(pristine, places, data):
    changed = bytearray(pristine)
    for _ in range(data.draw(st.integers(1, 12))):
        start, size = data.draw(st.sampled_from(places))
        at = start + data.draw(st.integers(0, size - 1))
        changed[at % len(changed)] ^= 1 << data.draw(st.integers(0, 7))

    ask_everything(bytes(changed))


@EXAMPLES
@given(data=st.data())
def test_words_of_another_size(pristine, places, data):
    changed = bytearray(pristine)
    for _ in range(data.draw(st.integers(1, 4))):
        start, size = data.draw(st.sampled_from(places))
        at = start + data.draw(st.integers(0, size - 8)) // 4 * 4
        value = data.draw(
            st.sampled_from(
                [0, 1, 7, 0x7FFFFFFF, 0xFFFFFFFF, 1 << 40, (1 << 63) - 1, (1 << 64) - 1]
            )
        )
        changed[at : at + 8] = struct.pack("<Q", value)

    ask_everything(bytes(changed))


@EXAMPLES
@given(data=st.data())
def test_truncation(pristine, places, data):
    start, size = data.draw(st.sampled_from(places))

    ask_everything(pristine[: start + data.draw(st.integers(0, size - 1))])


@EXAMPLES
@given(data=st.data())
def test_a_stretch_of_anything(pristine, places, data):
    start, size = data.draw(st.sampled_from(places))
    at = start + data.draw(st.integers(0, size - 1))
    filler = data.draw(st.binary(min_size=1, max_size=64)) * data.draw(st.integers(1, 32))

    ask_everything((pristine[:at] + filler + pristine[at + len(filler) :])[: len(pristine)])
