"""Encoders: images are held, frame t of a sample is the input of step t; from there to integers alike."""

import msgspec
import numpy as np
import pytest
import torch

from spikeport.export.errors import StimulusError
from spikeport.export.executors import fast, floating
from spikeport.export.passes import folded
from spikeport.export.quantize import quantize
from spikeport.export.stimulus import stimulus
from spikeport.export.trace import predicted, record
from spikeport.toolchain import checkpoint
from spikeport.toolchain.choices import kinds
from spikeport.toolchain.lowering import lower
from spikeport.toolchain.nn.encoders.encoder import Encoder
from spikeport.toolchain.nn.encoders.frames import Frames
from tests.toolchain.networks import NETWORKS, images, snn

KINDS = kinds(Encoder)
COUNTS = np.random.default_rng(0).integers(0, 4, (6, 5, 2, 8, 8), dtype=np.uint8)


def of_frames(specification=NETWORKS["vgg"]):
    model = snn(steps=5, specification=specification)
    model.spiking = msgspec.structs.replace(model.spiking, encoder=Frames())
    return model.double().eval()


@pytest.mark.parametrize("tag", KINDS)
def test_the_tag_is_the_files_name(tag):
    assert KINDS[tag].__module__.rpartition(".")[2] == tag


@pytest.mark.parametrize("specification", NETWORKS.values(), ids=NETWORKS)
def test_equal_frames_are_a_held_image(specification):
    model = snn(steps=5, specification=specification)
    held = images()
    with torch.no_grad():
        expected = model.spikes(held)
        model.spiking = msgspec.structs.replace(model.spiking, encoder=Frames())
        found = model.spikes(held[:, None].expand(-1, 5, -1, -1, -1))
    assert all(torch.equal(found[name], spikes) for name, spikes in expected.items())


@pytest.mark.parametrize("specification", NETWORKS.values(), ids=NETWORKS)
def test_a_network_of_frames_lowers_to_the_same_spikes_with_counts_as_levels(specification):
    model = of_frames(specification)
    network = folded(lower(model, levels=3))
    with torch.no_grad():
        expected = model.spikes(torch.from_numpy(COUNTS / 3.0))
    found = record(floating.steps(network, stimulus(COUNTS, network)))
    assert (network.source.neuron.levels, network.source.neuron.unit) == (3, 1 / 3)
    for name, spikes in expected.items():
        assert np.array_equal(spikes.numpy().swapaxes(0, 1).reshape(found[name].shape) == 1, found[name])
        assert found[name].any()


def test_the_order_of_frames_counts_and_a_checkpoint_keeps_the_encoder(tmp_path):
    model = of_frames()
    with torch.no_grad():
        there, back = (model(torch.from_numpy(each / 3.0)) for each in (COUNTS, COUNTS[:, ::-1].copy()))
    assert not torch.allclose(there, back)
    checkpoint.write(model.float(), tmp_path / "model.safetensors")
    assert checkpoint.read_snn(tmp_path / "model.safetensors").spiking.encoder == Frames()


def test_counts_and_their_shares_are_the_same_input_of_the_integers():
    network = quantize(folded(lower(of_frames(), levels=3)), weight_bits=8)
    classes = [predicted(network, stimulus(each, network), fast.steps) for each in (COUNTS, COUNTS / np.float32(3))]
    assert np.array_equal(*classes)


@pytest.mark.parametrize(
    ("encoder", "shape", "words"),
    [
        ("frames", (3, 2, 8, 8), "expected samples of 5 frames"),
        ("frames", (3, 4, 2, 8, 8), "expected samples of 5 frames"),
        ("direct", (3, 5, 2, 8, 8), "take the encoder 'frames'"),
    ],
)
def test_what_is_no_image_or_has_other_frames_is_refused(encoder, shape, words):
    with pytest.raises(StimulusError, match=words):
        KINDS[encoder]()(torch.zeros(shape), 5)
