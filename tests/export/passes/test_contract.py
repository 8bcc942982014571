"""Passes run in an order that follows from what each requires; out of order they are refused; errors name the pass."""

import importlib
import pkgutil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeport.export import passes
from spikeport.export.errors import NetworkError
from spikeport.export.network import MaxPooling, Normalization
from spikeport.export.passes import PASSES, contract, fold_synapses, folded
from spikeport.export.passes.contract import BALANCED, NO_MAX_POOLING, NO_NORMALIZATION, Pass, in_order, network_pass
from tests.export.passes.test_passes import one_projection
from tests.strategies import float_networks, residual_networks

SHIFT = Normalization(scale=np.ones(1), shift=np.ones(1))


def test_every_file_of_the_folder_is_a_pass_that_runs():
    names = {module.name for module in pkgutil.iter_modules(passes.__path__)} - {"contract"}
    assert {each.name for each in PASSES} == names
    for each in PASSES:
        assert isinstance(each, Pass)
        assert each.guarantees
        assert each.__doc__.startswith("Return ``network``")
        assert getattr(importlib.import_module(f"spikeport.export.passes.{each.name}"), each.name) is each


def test_order_follows_from_what_passes_require():
    assert [each.name for each in PASSES] == [
        "expand_max_pooling",
        "expand_paths",
        "normalize_neurons",
        "fold_normalization",
        "fold_synapses",
        "balance_delays",
    ]
    assert in_order(reversed(PASSES)) == PASSES


@pytest.mark.parametrize("missing", [0, 1, 2, 3, 4])
def test_order_without_a_required_pass_is_refused(missing):
    with pytest.raises(NetworkError, match=r"no order of the passes balance_delays"):
        in_order((*PASSES[:missing], *PASSES[missing + 1 :]))


@given(network=st.one_of(float_networks(), residual_networks()))
def test_guarantees_stay_to_the_end(network):
    given = {each for done in PASSES for each in done.guarantees}
    assert {each for each in vars(contract).values() if isinstance(each, contract.Property)} == given
    assert [each.name for each in given if not each.holds(folded(network))] == []


@pytest.mark.parametrize(
    ("change", "stages", "message"),
    [
        (fold_synapses, (SHIFT,), "fold_synapses requires no normalisation stages; run the pass that guarantees it"),
        (fold_synapses, (MaxPooling(size=(2, 2), stride=(2, 2)),), "fold_synapses requires no max pooling stages"),
    ],
)
def test_pass_out_of_order_is_refused(change, stages, message):
    shape = (1, 2, 2)
    for stage in stages:
        shape = stage.output_shape(shape)
    with pytest.raises(NetworkError, match=message):
        change(one_projection(*stages, shape=(1, 2, 2), target=shape))


def test_error_names_pass_and_projection():
    before = one_projection(MaxPooling(size=(2, 2), stride=(2, 2)), shape=(1, 2, 2), target=(1, 1, 1))
    with pytest.raises(NetworkError, match=r"^pass expand_max_pooling, projection input -> a: max pooling of what is"):
        folded(before)


def test_result_without_what_was_guaranteed_is_refused():
    @network_pass(guarantees=(NO_NORMALIZATION,))
    def forgetful(network):
        return network

    with pytest.raises(NetworkError, match="pass forgetful guarantees no normalisation stages, but its result has not"):
        forgetful(one_projection(SHIFT, shape=(1, 2, 2), target=(1, 2, 2)))


def test_passes_that_wait_for_each_other_have_no_order():
    one = network_pass(requires=(BALANCED,), guarantees=(NO_MAX_POOLING,))(lambda network: network)
    two = network_pass(requires=(NO_MAX_POOLING,), guarantees=(BALANCED,))(lambda network: network)
    with pytest.raises(NetworkError, match="each requires what only others of them guarantee"):
        in_order((one, two))
