"""The float network beside integers: objects, archives, checkpoints and models, all of them the same network."""

import numpy as np
import pytest
import torch

from spikeport.export import archive
from spikeport.export.errors import NetworkError
from spikeport.export.passes import folded
from spikeport.export.quantize import quantize
from spikeport.toolchain import checkpoint
from spikeport.toolchain.lowering import lower
from spikeport.toolchain.nn.ann import ANN
from spikeport.toolchain.verbs.float_networks import float_of
from tests.toolchain.analysis.thresholds.small import small


def test_every_form_of_a_network_is_the_same(tmp_path):
    model = small()
    network = lower(small().double())
    integers = quantize(folded(network))
    checkpoint.write(model, tmp_path / "snn.safetensors")
    archive.write(network, tmp_path / "float.safetensors")
    expected = archive.digest(network)
    for given in (network, model, tmp_path / "snn.safetensors", str(tmp_path / "float.safetensors")):
        assert archive.digest(float_of(given, integers)) == expected
    assert next(model.parameters()).dtype == torch.float32  # the model itself stays as it was


def test_a_network_without_spikes_is_refused():
    model = small()
    integers = quantize(folded(lower(model)))
    with pytest.raises(NetworkError, match="the float network is a ANN; expected a spiking network"):
        float_of(ANN(model.specification), integers)
    with pytest.raises(NetworkError, match="the float network is a ndarray; expected a spiking network"):
        float_of(np.zeros(3), integers)
