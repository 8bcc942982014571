"""Rules of a dialect in words, and what a caller may tell."""

from dataclasses import replace

import pytest

from spikeport.export.errors import FormatError
from spikeport.export.nir_import.dialect import DIALECTS, RESETS, Dialect, named, told


def test_rules_are_a_sentence_about_the_neurons_of_the_file():
    plain = replace(DIALECTS["snntorch"], kinds=frozenset({"LIF"}))
    assert plain.sentence() == (
        "snntorch: a step of dt 0.0001 keeps 1 - dt / tau; fires at v > threshold, once a step; a spike takes the "
        "threshold off v in the next step, before the comparison; v starts at 0; input of LIF counts as the file's r "
        "and w_in say"
    )
    assert "tau" not in replace(DIALECTS["sinabs"], kinds=frozenset({"IF"})).sentence()


def test_every_rule_changes_the_sentence():
    base = Dialect(name="nir", reset="hard")
    changes = [
        {"dt": 0.5}, {"exponential": True}, {"inclusive": True}, {"most": None}, {"most": 3}, {"floor": -1.0},
        {"floor": "threshold"}, {"start": "v_leak"}, {"gain": "one"}, {"gain_if": "one"}, {"gain_li": "leak"},
        {"gain_current": "kept"}, {"v_reset": 0.5}, {"tau_syn": 3.0}, {"silent_start": True}, {"sends_late": True},
        *({"reset": reset} for reset in RESETS if reset != "hard"),
    ]  # fmt: skip
    sentences = {replace(base, **change).sentence() for change in changes}
    assert len(sentences | {base.sentence()}) == len(changes) + 1


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"floor": "-0.5", "most": "2"}, {"floor": -0.5, "most": 2}),
        ({"floor": "none", "most": "any", "v_reset": "none"}, {"floor": None, "most": None, "v_reset": None}),
        ({"floor": "threshold"}, {"floor": "threshold"}),
        ({"normalized": "LIF"}, {"gain": "leak", "gain_li": "one"}),
        ({"normalized": "LIF, LI"}, {"gain": "leak", "gain_li": "leak"}),
        ({"normalized": False}, {"gain": "one", "gain_li": "one"}),
        ({"dt": None, "tau_syn": 2.0}, {"tau_syn": 2.0}),
    ],
)
def test_words_become_values(given, expected):
    assert told("sinabs", given) == expected


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"floor": "low"}, "floor is the text 'low'; expected a number, or 'none' or 'threshold'"),
        ({"most": "many"}, "most is the text 'many'; expected a number, or 'any'"),
        ({"normalized": "IF"}, "normalized is the text 'IF'; expected 'LIF'"),
    ],
)
def test_other_words_are_refused(given, message):
    with pytest.raises(FormatError, match=message):
        told("sinabs", given)


def test_unknown_dialect_is_refused_with_those_there_are():
    with pytest.raises(FormatError, match="no dialect 'brian'; there are auto, nir, spikeport, snntorch"):
        named("brian")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"gain": "twice"}, "gain is 'twice'; expected one of file, one, leak, kept"),
        ({"floor": "low"}, "floor is the text 'low'"),
        ({"inclusive": "yes"}, "inclusive is the text 'yes'; expected true or false"),
        ({"dt": 0.0}, "dt is 0"),
    ],
)
def test_rules_out_of_range_are_refused(change, message):
    with pytest.raises(FormatError, match=message):
        Dialect(name="nir", **change)
