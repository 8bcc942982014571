"""The lowered, folded network gives the spikes of PyTorch in float64: every neuron, every step."""

import msgspec
import numpy as np
import pytest
import torch

from spikeport.export.errors import NetworkError
from spikeport.export.executors import floating
from spikeport.export.network import Convolution, Dense
from spikeport.export.passes import folded
from spikeport.export.stimulus import stimulus
from spikeport.export.trace import record
from spikeport.toolchain.lowering import lower
from spikeport.toolchain.nn.encoders.encoder import Encoder
from tests.toolchain.networks import NETWORKS, images, snn


@pytest.mark.parametrize("fold", [False, True])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("specification", NETWORKS.values(), ids=NETWORKS)
def test_spikes_equal_pytorch(specification, seed, fold):
    model = snn(seed, specification=specification).double()
    network = folded(lower(model)) if fold else lower(model)
    levels = np.rint(images(seed=seed).numpy() * 255).astype(np.uint8)
    with torch.no_grad():
        expected = model.spikes(torch.from_numpy(levels / 255.0))
        logits = model(torch.from_numpy(levels / 255.0)).numpy()
    found = record(floating.steps(network, stimulus(levels, network)))
    assert set(expected) == {p.name for p in network.spiking if "relay" not in p.name and "_pool" not in p.name}
    for name, spikes in expected.items():
        assert np.array_equal(spikes.numpy().swapaxes(0, 1).reshape(found[name].shape) == 1, found[name])
        assert found[name].any()
        assert not found[name].all()
    np.testing.assert_allclose(found["readout"][:, -1] / network.steps, logits, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("reset", ["hard", "subtractive"])
@pytest.mark.parametrize("tau", [1.0, 0.75, 0.0])
@pytest.mark.parametrize("specification", [NETWORKS["vgg"], NETWORKS["wide_resnet"]], ids=["vgg", "wide_resnet"])
def test_leak_and_reset_are_carried(specification, tau, reset):
    model = snn(steps=6, specification=specification).double()
    model.spiking = msgspec.structs.replace(model.spiking, reset=reset)
    for neurons in model.neuron_list():
        neurons.tau.fill_(tau)
    levels = np.rint(images().numpy() * 255).astype(np.uint8)
    network = folded(lower(model))
    with torch.no_grad():
        expected = model.spikes(torch.from_numpy(levels / 255.0))
    found = record(floating.steps(network, stimulus(levels, network)))
    for name, spikes in expected.items():
        assert np.array_equal(spikes.numpy().swapaxes(0, 1).reshape(found[name].shape) == 1, found[name])


def test_an_encoder_without_a_source_does_not_become_a_float_network():
    class Own(Encoder, frozen=True, kw_only=True, tag="own"):
        pass

    model = snn()
    model.spiking = msgspec.structs.replace(model.spiking, encoder=Own())
    with pytest.raises(NetworkError, match="the encoder 'own' has no exported form: its method 'source' is missing"):
        lower(model)


def test_masked_weights_are_gone():
    model = snn()
    synapses = model.projections_into("conv2")[0].synapses
    synapses.mask[:, 0] = 0
    (stage,) = folded(lower(model)).incoming("conv2")[0].stages
    assert isinstance(stage, Convolution)
    assert not stage.weight[:, 0].any()


def test_folded_network_has_one_synaptic_stage_a_projection():
    network = folded(lower(snn()))
    kinds = [[type(stage) for stage in projection.stages] for projection in network.projections]
    assert kinds == [[Convolution], [Convolution], [Dense], [Dense]]
