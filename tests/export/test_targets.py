"""Formats of targets: what several hold together, and that Lava's are the widest."""

from dataclasses import fields, replace

from hypothesis import given
from hypothesis import strategies as st

from spikeport.export.targets import LAVA, Target, common

NARROW = replace(
    LAVA,
    name="narrow",
    accumulator=(-100, 90),
    threshold=(1, 50),
    bias_mantissa=(-7, 9),
    weight_bits=4,
    exponent=(0, 3),
    sign_modes=("mixed",),
    delay=5,
    unknown=("current of narrow",),
)
OTHER = replace(LAVA, name="other", accumulator=(-50, 200), threshold=(0, 40), delay=9, sign_modes=("excitatory",))


def test_several_targets_hold_what_each_of_them_holds():
    both = common([NARROW, OTHER])
    assert both == replace(common([OTHER, NARROW]), name="narrow and other")
    assert (both.accumulator, both.threshold, both.bias_mantissa) == ((-50, 90), (1, 40), (-7, 9))
    assert (both.weight_bits, both.exponent, both.delay, both.sign_modes) == (4, (0, 3), 5, ())
    assert both.unknown == ("current of narrow",)
    assert common([NARROW]) == NARROW
    assert common([]) is LAVA


@given(values=st.lists(st.tuples(st.integers(-9, 0), st.integers(1, 9)), min_size=1, max_size=4))
def test_a_value_lies_in_the_common_range_where_every_target_holds_it(values):
    both = common([Target(name=str(index), accumulator=each) for index, each in enumerate(values)])
    for value in range(-10, 11):
        held = all(low <= value <= high for low, high in values)
        assert (both.accumulator[0] <= value <= both.accumulator[1]) == held


def test_every_field_is_described_and_named():
    documented = Target.__doc__ or ""
    apart = {"name", "current", "potential", "threshold", "bias_mantissa", "bias_exponent", "sign_modes"}
    assert all(f"``{field.name}``" in documented for field in fields(Target) if field.name not in apart)
    assert LAVA.sentence == "Lava's arithmetic"
    assert NARROW.sentence == ("the formats of narrow, as far as they are known (not known: current of narrow)")
    assert OTHER.sentence == "the formats of other"


def test_largest_weight_is_that_of_the_bits_at_the_largest_exponent():
    assert NARROW.largest_weight == 7 << 3
    assert LAVA.largest_weight == 127 << 15
