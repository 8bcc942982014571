"""Tables to typed structs: what msgspec gives, and every fault where it stops at the first."""

from typing import Annotated, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from spikeport.toolchain.attacks.pgd import Pgd
from spikeport.toolchain.nn.spiking import Spiking
from spikeport.toolchain.tables import MISSING, converted, keys_of, nearest, resolved
from spikeport.toolchain.training.settings import Training


class Inner(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    count: Annotated[int, Meta(ge=1, le=5)]
    word: Literal["a", "b"] = "a"
    depth: Literal[18, 34] = 18


class Outer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    inner: Inner
    several: tuple[Inner, ...] = ()
    maybe: Inner | None = None
    named: dict[str, Inner] = {}
    plan: tuple[int | Literal["P"], ...] = ()
    rate: float = 0.5


good = st.fixed_dictionaries({"count": st.integers(1, 5)}, optional={"word": st.sampled_from("ab")})
outer = st.fixed_dictionaries(
    {"inner": good},
    optional={
        "several": st.lists(good, max_size=3),
        "maybe": good,
        "named": st.dictionaries(st.sampled_from(["x", "y"]), good),
        "plan": st.lists(st.integers(0, 9) | st.just("P")),
        "rate": st.floats(0, 1) | st.integers(0, 3),
    },
)
bad_leaf = st.sampled_from([("count", 0), ("count", 9), ("count", "1"), ("count", 1.5), ("word", "c"), ("other", 1)])


@given(outer)
def test_a_good_table_gives_what_msgspec_gives(table):
    faults = []
    assert converted(table, Outer, "", faults) == msgspec.convert(table, Outer)
    assert faults == []


@given(outer, st.lists(bad_leaf, min_size=1, max_size=4))
def test_every_fault_is_found_with_its_path(table, bad):
    """Damage the tables of a list one by one: as many faults as damaged keys, each under its path."""
    table = {**table, "several": [{"count": 1} for _ in bad]}
    for entry, (key, value) in zip(table["several"], bad, strict=True):
        entry[key] = value
    faults = []
    assert converted(table, Outer, "top", faults) is MISSING
    assert [path for path, _ in faults] == [f"top.several[{index}].{key}" for index, (key, _) in enumerate(bad)]


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ({"inner": 3}, [("inner", "expected a table, got 3")]),
        ({}, [("inner", "is missing")]),
        ({"inner": {}}, [("inner.count", "is missing")]),
        (
            {"inner": {"count": 1, "wrd": "a"}},
            [("inner.wrd", "is no key; expected count, word, depth; did you mean 'word'?")],
        ),
        ({"inner": {"count": 1, "depth": 20}}, [("inner.depth", "20; expected 18, 34")]),
        ({"inner": {"count": 1}, "plan": [1, "Q"]}, [("plan[1]", "'Q'; expected P")]),
        ({"inner": {"count": 1}, "named": {"x": {}}}, [("named.x.count", "is missing")]),
        ({"inner": {"count": 1}, "rate": "fast"}, [("rate", "expected `float`, got `str`, found 'fast'")]),
    ],
)
def test_a_fault_says_what_was_found_and_expected(table, expected):
    faults = []
    converted(table, Outer, "", faults)
    assert faults == expected


def test_choices_are_resolved_by_their_kind():
    assert resolved(keys_of(Spiking)["encoder"], {"kind": "direct"}).__name__ == "Direct"
    assert resolved(keys_of(Spiking)["encoder"], {"kind": "no"}) is None
    assert resolved(keys_of(Spiking)["encoder"], {"kind": ["direct"]}) is None
    assert resolved(Training, {}) is Training
    assert {"kind", "steps"} <= keys_of(Pgd).keys()


def test_the_nearest_word_is_named_where_one_is_near():
    assert nearest("epoch", ["epochs", "seed"]) == "; did you mean 'epochs'?"
    assert nearest("zzz", ["epochs", "seed"]) == ""
    assert nearest("k" * 100_000, ["epochs"]) == ""
