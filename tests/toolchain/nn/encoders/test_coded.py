"""Coded inputs: the numbers of the deployed network's encoder, their derivatives, and the same spikes in integers."""

import msgspec
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spikeport.export import archive, fidelity
from spikeport.export.errors import NetworkError, StimulusError
from spikeport.export.executors import fast, floating
from spikeport.export.network import Coding
from spikeport.export.passes import folded
from spikeport.export.quantize import quantize
from spikeport.export.stimulus import InputSettings, Intake, stimulus
from spikeport.export.stimulus.coding import coded
from spikeport.export.trace import predicted, record
from spikeport.hardware_profiles.chips import chip_verdict
from spikeport.hardware_profiles.profile import load_profile
from spikeport.toolchain import checkpoint
from spikeport.toolchain.lowering import lower
from spikeport.toolchain.nn.draws import numbered
from spikeport.toolchain.nn.encoders.direct import Direct
from spikeport.toolchain.nn.encoders.latency import Latency
from spikeport.toolchain.nn.encoders.phase import Phase
from spikeport.toolchain.nn.encoders.poisson import Poisson
from spikeport.toolchain.nn.encoders.rsc import Rsc
from spikeport.toolchain.nn.snn import SNN
from spikeport.toolchain.nn.spiking import Spiking
from tests.strategies import EXAMPLES, cases
from tests.toolchain.networks import NETWORKS, SPECIFICATION, snn

ENCODERS = {
    "phase": Phase(),
    "latency": Latency(),
    "poisson": Poisson(seed=3),
    "rsc_i": Rsc(sigma=0.3, seed=4),
    "rsc_ii": Rsc(sigma=0.3, variant="II", seed=4),
}
SPIKES = ("phase", "latency", "poisson")
STEPS = 10
PIXELS = np.random.default_rng(1).integers(0, 256, (6, 2, 8, 8), dtype=np.uint8)
LEVELS = torch.arange(256.0).view(1, 1, 16, 16) / 255


def with_encoder(encoder, specification=SPECIFICATION, steps=STEPS):
    model = snn(steps=steps, specification=specification)
    model.spiking = msgspec.structs.replace(model.spiking, encoder=encoder)
    return model.eval()


def sent(encoder, images, steps, numbers=None):
    """Return what an encoder sends for images with these numbers."""
    model = SNN(SPECIFICATION, Spiking(steps=steps, encoder=encoder))
    with numbered(model, range(len(images)) if numbers is None else numbers):
        return encoder(images, steps, generator=model.generator)


def deployed(encoder, values, steps):
    """Return what the deployed network's source is given, as values."""
    source = encoder.source(255)
    intake = Intake(shape=values.shape[1:], steps=steps, source=source, real=True)
    if source.coding.encoder == "phase_bits":
        intake = Intake(shape=(8 * values.shape[1], *values.shape[2:]), steps=steps, source=source, real=True)
    return coded(values, intake, source.coding, None)[0]


@given(st.integers(8, 40))
@cases(EXAMPLES)
def test_spikes_of_all_levels_are_those_of_the_deployed_network(steps):
    values = np.arange(256, dtype=np.uint8).reshape(1, 1, 16, 16)
    for name in ("latency", "poisson"):
        ours = sent(ENCODERS[name], LEVELS, steps)
        assert np.array_equal(ours.numpy().swapaxes(0, 1), deployed(ENCODERS[name], values, steps))
    bits = deployed(Phase(), values, steps).reshape(1, steps, 8, 16, 16)
    weights = 2 ** np.arange(7, -1, -1)[:, None, None]
    ours = sent(Phase(), LEVELS, steps).numpy()[:, 0, 0]
    assert np.array_equal(np.rint(255 * ours), (bits[0] * weights).sum(axis=1))


@pytest.mark.parametrize("name", ["poisson", "rsc_i", "rsc_ii"])
def test_what_an_image_gets_depends_on_its_number_and_the_seed_alone(name):
    encoder, images = ENCODERS[name], torch.from_numpy(PIXELS / np.float32(255))
    whole = sent(encoder, images, 5)
    assert torch.equal(sent(encoder, images[2:4], 5, [2, 3]), whole[:, 2:4])
    assert not torch.equal(sent(encoder, images[2:4], 5, [3, 2]), whole[:, 2:4])
    assert not torch.equal(sent(msgspec.structs.replace(encoder, seed=9), images, 5), whole)


@pytest.mark.parametrize("name", ["poisson", "rsc_i"])
def test_without_numbers_every_pass_draws_anew_from_the_seed_of_torch(name):
    model, images = with_encoder(ENCODERS[name]), torch.from_numpy(PIXELS / np.float32(255))
    torch.manual_seed(0)
    first, second = model(images), model(images)
    torch.manual_seed(0)
    assert torch.equal(model(images), first)
    assert not torch.equal(first, second)
    assert model.is_random
    assert not with_encoder(Direct()).is_random


def gradient(encoder, images, weights):
    images = images.clone().requires_grad_()
    (sent(encoder, images, len(weights)) * weights.view(-1, 1, 1, 1, 1)).sum().backward()
    return images.grad


def test_derivatives_are_those_that_the_encoders_say():
    x, weights = (
        torch.tensor([0.2, 0.55, 0.93]).view(1, 1, 1, 3),
        torch.randn(9, generator=torch.Generator().manual_seed(0)),
    )
    poisson, phase = gradient(Poisson(), x, weights), gradient(Phase(), x, weights)
    assert torch.allclose(poisson, weights.sum().expand_as(poisson))
    values = torch.tensor([128, 64, 32, 16, 8, 4, 2, 1, 128.0]) / 255
    assert torch.allclose(phase, (weights * values).sum().expand_as(phase))
    latency = gradient(Latency(), x, weights)
    early = np.floor((1 - x.numpy()) * 8).astype(int)  # between this step and the next
    expected = 8 * (weights.numpy()[early] - weights.numpy()[early + 1])
    assert latency.numpy() == pytest.approx(expected, rel=1e-5)
    between = gradient(Latency(), torch.full((1, 1, 1, 1), 0.5), weights)  # at step 4 sharp: those on both sides
    assert between.item() == pytest.approx(8 * float(weights[3] - weights[5]), rel=1e-5)


def test_the_derivative_of_smoothing_is_that_of_the_clamp():
    x = torch.tensor([0.0, 0.5, 1.0]).repeat(400).view(1, 1, 30, 40)
    noisy = sent(Rsc(sigma=0.2), x, 3)
    assert len(noisy) == 1
    inside = ((noisy > 0) & (noisy < 1))[0]
    assert torch.equal(gradient(Rsc(sigma=0.2), x, torch.ones(1)), inside.float())
    assert 0.3 < inside.float().mean() < 0.9


@pytest.mark.parametrize("specification", NETWORKS.values(), ids=NETWORKS)
@pytest.mark.parametrize("name", ENCODERS)
def test_a_coded_network_lowers_to_the_same_spikes(name, specification):
    model = with_encoder(ENCODERS[name], specification).double()
    network = folded(lower(model))
    with torch.no_grad(), numbered(model, range(len(PIXELS))):
        expected = model.spikes(torch.from_numpy(PIXELS / 255.0))
    found = record(floating.steps(network, stimulus(PIXELS, network)))
    for name_, spikes in expected.items():
        assert np.array_equal(spikes.numpy().swapaxes(0, 1).reshape(found[name_].shape) == 1, found[name_])
        assert found[name_].any()


@pytest.mark.parametrize(
    "name",
    ["phase", "poisson", *(pytest.param(each, marks=pytest.mark.slow) for each in ("latency", "rsc_i", "rsc_ii"))],
)
def test_integers_keep_encoder_and_seed_and_all_executors_agree(name, tmp_path):
    network = quantize(folded(lower(with_encoder(ENCODERS[name]).double())))
    archive.write(network, tmp_path / "network.safetensors")
    again = archive.read_integer(tmp_path / "network.safetensors")
    assert again.source.neuron == network.source.neuron
    assert again.source.neuron.coding.seed == getattr(ENCODERS[name], "seed", 0)
    found, _ = fidelity.check(again, stimulus(PIXELS[:3], again), ["reference", "onnx", "nir"])
    assert [each.mismatches for each in found.values()] == [0, 0, 0]
    assert sum(each.compared for each in found["reference"].comparisons.values()) > 1000


@pytest.mark.slow
@pytest.mark.parametrize("name", ["phase", "poisson", "rsc_ii"])
def test_lava_agrees_too(name):
    network = quantize(folded(lower(with_encoder(ENCODERS[name]).double())))
    found, _ = fidelity.check(network, stimulus(PIXELS[:2], network), ["lava"])
    assert [each.mismatches for each in found.values()] == [0]


def test_classes_are_those_of_the_network_that_is_given_the_levels_itself():
    """Bits with exponents against levels 128..1 of a graded source: the same sums, so almost the same integers."""
    model = with_encoder(Phase()).double()
    network = folded(lower(model))
    with torch.no_grad():
        expected = model(torch.from_numpy(PIXELS / 255.0)).argmax(1).numpy()
    assert np.array_equal(predicted(network, stimulus(PIXELS, network), floating.steps), expected)
    integer = quantize(network)
    first = [p for p in integer.projections if p.source == "input"]
    assert [p.exponent - first[-1].exponent >= 0 for p in first] == [True] * 8
    assert (predicted(integer, stimulus(PIXELS, integer), fast.steps) == expected).mean() >= 0.8


@pytest.mark.parametrize(("name", "runs"), [("direct", False), *((each, True) for each in SPIKES), ("rsc_i", False)])
def test_a_chip_without_graded_spikes_runs_networks_whose_input_are_spikes(name, runs):
    network = quantize(folded(lower(with_encoder({"direct": Direct(), **ENCODERS}[name]).double())))
    failed = {each.rule for each in chip_verdict(network, load_profile("loihi1")).failures}
    assert ({"graded_input", "multiply_accumulate"} <= failed) != runs
    assert (network.source.neuron.levels == 1) == runs


def test_the_network_codes_pixels_by_itself_and_takes_spikes_as_they_are():
    network = quantize(folded(lower(with_encoder(Poisson(seed=3)).double())))
    whole = stimulus(PIXELS, network)
    assert (whole.values.shape, whole.held, whole.notes) == ((6, STEPS, 2, 8, 8), False, ())
    assert np.array_equal(stimulus(PIXELS / 255.0, network).values, whole.values)
    assert np.array_equal(stimulus(whole.values, network).values, whole.values)
    other = stimulus(PIXELS, network, settings=InputSettings(encoder_seed=5)).values
    assert not np.array_equal(other, whole.values)
    same = stimulus(PIXELS, network, settings=InputSettings(input_as="poisson")).values
    assert np.array_equal(same, whole.values)


def test_noise_of_the_host_is_rounded_to_levels_for_integers_only():
    model = with_encoder(Rsc(sigma=0.3, seed=1)).double()
    network = folded(lower(model))
    integer = quantize(network)
    real, whole = stimulus(PIXELS, network), stimulus(PIXELS, integer)
    assert real.held
    assert whole.held
    assert whole.values.dtype == np.uint8
    assert np.array_equal(np.rint(255 * real.values), whole.values)
    assert integer.source.neuron.coding == Coding(encoder="rsc", seed=1, settings=(("sigma", 0.3), ("each_step", 0.0)))


@pytest.mark.parametrize(
    ("values", "settings", "message"),
    [
        (PIXELS, InputSettings(input_as="latency"), "was trained with the encoder 'poisson', .* --input-as latency"),
        (PIXELS / 100.0, None, r"sample 0 holds .*, and its pixels go up to .* an encoder takes 0 to 1"),
        (np.zeros((2, 9, 2, 8, 8), np.uint8), None, "its samples have 9 steps, the network 10"),
        (np.zeros((2, 3, 8, 8), np.uint8), None, r"has shape \(2, 3, 8, 8\); expected \(N, 2, 8, 8\)"),
        (np.full((1, STEPS, 2, 8, 8), 3), None, "the input spans 3..3; expected 0..1"),
    ],
)
def test_input_that_does_not_fit_the_encoder_is_refused(values, settings, message):
    network = quantize(folded(lower(with_encoder(Poisson()).double())))
    with pytest.raises(StimulusError, match=message):
        stimulus(values, network, settings=settings)


@pytest.mark.parametrize("encoder", ENCODERS.values(), ids=ENCODERS)
def test_a_checkpoint_keeps_the_encoder(encoder, tmp_path):
    checkpoint.write(with_encoder(encoder), tmp_path / "model.safetensors")
    assert checkpoint.read_snn(tmp_path / "model.safetensors").spiking.encoder == encoder


def test_steps_that_do_not_suit_an_encoder_are_refused():
    with pytest.raises(NetworkError, match=r"sends 8 bits of a pixel .* T is 7: .* expected steps = 8 at least"):
        Spiking(steps=7, encoder=Phase())
    with pytest.raises(NetworkError, match="latency coding needs two steps at least"):
        Spiking(steps=1, encoder=Latency())
    with pytest.raises(NetworkError, match="T is 4"):
        snn(steps=8).spiking.__class__(steps=4, encoder=Phase())


@pytest.mark.parametrize("encoder", ENCODERS.values(), ids=ENCODERS)
def test_pixels_outside_of_the_unit_interval_and_frames_are_refused(encoder):
    with pytest.raises(StimulusError, match=r"is given pixels from 0 to 1\.5; expected 0 to 1"):
        encoder(torch.tensor([0, 1.5]).view(1, 1, 1, 2), 8)
    with pytest.raises(StimulusError, match="Frames of events"):
        encoder(torch.zeros(1, 8, 1, 2, 2), 8)
