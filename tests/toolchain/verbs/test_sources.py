"""Arguments as objects and as paths."""

import pytest

import spikeport
from spikeport.export.errors import ArchiveError, NetworkError
from spikeport.toolchain.verbs import sources


def test_a_path_and_an_object_are_the_same_network(tiny_run, network):
    integer = sources.integer_network(network)
    assert sources.integer_network(integer) is integer
    assert sources.any_network(integer) is integer
    real = sources.float_network(str(tiny_run / "network_float.safetensors"))
    assert sources.float_network(real) is real


def test_the_wrong_kind_is_refused_with_what_to_do(tiny_run):
    real = tiny_run / "network_float.safetensors"
    with pytest.raises(ArchiveError, match="holds a float network; run 'spikeport quantize' on it first"):
        spikeport.check(real)
    with pytest.raises(NetworkError, match="a FloatNetwork was given; expected an IntegerNetwork: quantize it first"):
        spikeport.check(spikeport.read_network(real))
    with pytest.raises(NetworkError, match="a NoneType was given"):
        sources.integer_network(None)
