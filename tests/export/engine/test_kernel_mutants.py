"""A kernel that drops, doubles or shifts a synapse gives a bad verdict, with the projection and the numbers."""

import numpy as np
import pytest

from spikeport.hardware_profiles.counting import count
from tests.export.engine.kernel_mutants import KERNELS, KINDS, TABLES, apply, force, network_of

MUTANTS = (*KERNELS, *TABLES)
CASES = tuple(dict.fromkeys(mutant.case for mutant in MUTANTS))


def verified(case, patch):
    """Return the verification of a case's network, all of its projections by the kernels of the case."""
    network, driven, kernel = network_of(case)
    force(kernel, patch)
    with np.errstate(all="ignore"):
        return count(network, driven, verify=len(driven)).verification


@pytest.mark.parametrize("case", CASES)
def test_right_kernels_pass(case, monkeypatch):
    found = verified(case, monkeypatch.setattr)
    assert found.passed
    assert all(layer.simulated for layer in found.layers)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.label)
def test_every_mutant_gives_a_bad_verdict(mutant, monkeypatch):
    apply(mutant, monkeypatch.setattr, compiled=False)
    found = verified(mutant.case, monkeypatch.setattr)
    assert not found.passed
    assert any(sentence.startswith(("input -> a: ", "a -> b: ", "b -> readout: ")) for sentence in found.reasons)


def test_every_kernel_has_mutants_of_each_kind():
    adding = ("pad_planes", "sum_windows", "add_planes", "list_events", "add_lists", "add_rows")
    for name in (*adding, "integrate_and_fire", "leak_and_fire"):
        assert {mutant.kind for mutant in KERNELS if mutant.name == name} == set(KINDS)
