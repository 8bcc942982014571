"""No more cores than the search for equal blocks took, which `benchmarks/earlier_placement` keeps."""

import importlib
import sys
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeport.export.errors import PlacementError
from spikeport.hardware_profiles.placement import STRATEGIES, place
from tests.hardware_profiles.networks import limited, needs
from tests.strategies import cases, integer_networks

BENCHMARKS = str(Path(__file__).parents[3] / "benchmarks")


@pytest.fixture(scope="module")
def earlier():
    """Return the earlier search: a network's cores with one population each."""
    sys.path.insert(0, BENCHMARKS)
    yield importlib.import_module("earlier_placement").cores
    sys.path.remove(BENCHMARKS)


@pytest.mark.parametrize("strategy", STRATEGIES)
@given(data=st.data(), network=integer_networks())
@cases(60)
def test_never_more_cores_than_before(earlier, strategy, data, network):
    limits = {name: max(1, need) for name, need in needs(network, strategy).items()}
    extra = data.draw(st.sampled_from([0, 2, 9, 60]))
    limits = {name: need + extra for name, need in limits.items()}
    profile = limited(neurons=data.draw(st.sampled_from([1, 4, 12, 1024])), **limits)
    encoding = msgspec.structs.replace(profile.encoding, delay_bits=None)  # the earlier search knew no delays in lists
    profile = msgspec.structs.replace(profile, encoding=encoding)
    try:
        before = earlier(network, profile, strategy)
    except PlacementError:
        return
    placement = place(network, profile, strategy)
    assert len(placement.cores) <= before
    assert sum(cut.size for cut in placement.cuts.values()) <= before
