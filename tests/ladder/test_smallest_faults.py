"""How small a fault may be and is still caught at its rung."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compare import align
from compare.ladder.faults import FAULTS
from compare.ladder.smallest import Smallest, smallest_size
from shared.system.errors import UserError

SIZED = [name for name, fault in FAULTS.items() if fault.size]


@given(st.sampled_from(SIZED), st.floats(1e-15, 1))
def test_bisection_ends_at_the_last_half_that_is_caught(name, share):
    fault = FAULTS[name]
    threshold = share * fault.size
    smallest = smallest_size(fault, lambda fault: fault.size >= threshold)
    assert threshold <= smallest < 2 * threshold


def test_fault_that_is_not_caught_has_no_smallest_size():
    assert smallest_size(FAULTS["no-decay"], lambda _: False) is None
    missed = Smallest("no-decay", "optimiser step", 1.0, None, "of the decay")
    assert missed.missed
    assert str(missed).endswith("NOT caught")


@pytest.mark.parametrize("other", [["--inject", "no-decay"], ["--rungs", "forward"]])
def test_the_search_belongs_to_a_whole_ladder(other, tmp_path):
    with pytest.raises(UserError, match="--smallest-faults: expected a whole ladder"):
        align.main(["--smallest-faults", "--out", str(tmp_path), *other])
