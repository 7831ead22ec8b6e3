"""What the runtime allocates for itself is told by who asks and by the block's size."""

import pytest

from memsnap.gobin.runtimeblocks import runtime_block
from memsnap.gobin.site import Certainty


@pytest.mark.parametrize("callee", ["runtime.chanrecv1", "runtime.selectgo"])
@pytest.mark.parametrize("block", [96, 112])
def test_a_goroutine_that_waits_is_a_sudog(callee, block):
    site = runtime_block(callee, block)

    assert (site.type_name, site.certainty) == ("runtime.sudog", Certainty.INFERRED)


@pytest.mark.parametrize(
    ("callee", "block", "name"),
    [
        ("runtime.typeAssert", 48, "abi.TypeAssertCache"),  # 8 + 2 * 16
        ("runtime.interfaceSwitch", 112, "abi.InterfaceSwitchCache"),  # 8 + 4 * 24
        ("runtime.typeAssert", 9472, "runtime.itabTableType"),  # 16 + 1,024 * 8
        ("runtime.typeAssert", 139_264, "runtime.itabTableType"),  # 16 + 16,384 * 8, in pages
    ],
)
def test_a_type_assertion_fills_its_cache_or_the_table_of_all(callee, block, name):
    assert runtime_block(callee, block).type_name == name


@pytest.mark.parametrize(
    ("callee", "block"),
    [("runtime.chanrecv1", 64), ("runtime.typeAssert", 64), ("runtime.gopanic", 96)],
)
def test_other_blocks_and_functions_are_not_known(callee, block):
    assert runtime_block(callee, block) is None
