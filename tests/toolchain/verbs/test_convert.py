"""A user's trained network to integers: accuracy kept, files of every kind, and what is refused before it starts."""

import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import spikeport
from spikeport.export import archive
from spikeport.export.errors import (
    ArchiveError,
    FormatError,
    NetworkError,
    OutputError,
    QuantizationError,
    StimulusError,
)
from spikeport.export.network import FloatNetwork, IntegerNetwork
from spikeport.toolchain import checkpoint
from spikeport.toolchain.importing.torch_module import from_torch
from spikeport.toolchain.verbs.converted import Accuracy
from tests.toolchain.rate_coding.networks import digits, trained

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
QUICK = {"steps": 8, "percentile": 99.9, "shift": 0.5, "images": 50}


def quick(**changes):
    return spikeport.ConvertSettings(**QUICK | changes)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with the trained CNN as .pt2, .onnx and checkpoint, and images with labels."""
    folder, net = tmp_path_factory.mktemp("convert"), trained()
    example, file = torch.zeros(2, 1, 8, 8), io.BytesIO()
    with torch.no_grad():
        torch.export.save(torch.export.export(net, (example,)), folder / "model.pt2")
        torch.onnx.export(net, (example,), file, dynamo=False, input_names=["x"], dynamic_axes={"x": {0: "n"}})
    (folder / "model.onnx").write_bytes(file.getvalue())
    checkpoint.write(from_torch(net, example).model, folder / "model.safetensors")
    (images, labels), (held, theirs) = digits()
    np.savez(folder / "calibration.npz", images=images[:100], labels=labels[:100])
    np.savez(folder / "test.npz", images=held[:200], labels=theirs[:200])
    return folder


def test_a_plain_cnn_loses_at_most_a_point_in_integers(folder):
    """Trained with Adam, biases, batch norm, max and average pooling; the defaults."""
    out = folder / "integers.safetensors"
    settings = spikeport.ConvertSettings(weight_bits=8, images=50)
    done = spikeport.convert(
        folder / "model.onnx", folder / "calibration.npz", settings=settings, held_out=folder / "test.npz", out=out
    )
    accuracy = done.accuracy
    assert accuracy.images == 200
    assert accuracy.ann > 0.96
    assert accuracy.integers >= accuracy.ann - 0.01
    assert accuracy.snn >= accuracy.ann - 0.01
    simulated = spikeport.simulate(out, folder / "test.npz")
    assert simulated.accuracy == accuracy.integers
    assert "max pooling is computed by" in done.text()
    assert "T = 32, subtractive reset; logits differ from the ANN's by" in done.text()
    first = done.text().splitlines()[0]
    assert first.startswith(
        f"accuracy ANN {accuracy.ann:.2%}, SNN {accuracy.snn:.2%}, integers {accuracy.integers:.2%} on "
    )
    assert f" on {accuracy.images:,} {accuracy.source}; same class as the ANN" in first
    assert "no register can wrap or saturate within 32 steps" in done.text()


@pytest.mark.slow
@pytest.mark.lava
@pytest.mark.oracle
def test_in_lava_the_integers_lose_at_most_a_point(folder):
    """200 held-out digits at T = 32, some minutes."""
    settings = spikeport.ConvertSettings(weight_bits=8)
    done = spikeport.convert(
        folder / "model.pt2", folder / "calibration.npz", settings=settings, held_out=folder / "test.npz"
    )
    lava = spikeport.SimulationSettings(executor="lava")
    in_lava = spikeport.simulate(done.integers, folder / "test.npz", settings=lava)
    assert in_lava.accuracy == done.accuracy.integers
    assert in_lava.accuracy >= done.accuracy.ann - 0.01


@pytest.mark.parametrize("name", ["model.pt2", "model.onnx", "model.safetensors"])
def test_files_of_every_kind_give_the_network_of_the_module(folder, name, tmp_path):
    images = digits()[0][0][:50]
    of_module = spikeport.convert(trained(), images, settings=quick())
    of_file = spikeport.convert(folder / name, images, settings=quick(), out=tmp_path / "net.safetensors")
    assert isinstance(archive.read(tmp_path / "net.safetensors"), FloatNetwork)
    assert of_file.accuracy == of_module.accuracy
    expected, found = list(of_module.thresholds.values()), list(of_file.thresholds.values())
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_integers_are_written_where_their_bits_are_said(folder, tmp_path):
    for bits in (4, 8):
        done = spikeport.convert(
            folder / "model.safetensors",
            folder / "calibration.npz",
            settings=quick(weight_bits=bits),
            out=tmp_path / "n",
        )
        written = archive.read(tmp_path / "n")
        assert isinstance(written, IntegerNetwork)
        assert archive.digest(written) == done.to_dict()["digest"]
        largest = max(int(np.abs(p.synapses.weight.astype(int)).max()) for p in written.projections)
        assert largest < 2 ** (bits - 1)


def test_sparsity_prunes_every_layer_by_magnitude(folder):
    done = spikeport.convert(folder / "model.safetensors", folder / "calibration.npz", settings=quick(sparsity=0.75))
    weights = dict(trained().named_parameters())
    dense = [weight.numel() for name, weight in weights.items() if name.endswith("weight") and weight.ndim > 1]
    zeros = []
    for projection in done.network.projections:
        for stage in projection.stages:
            weight = getattr(stage, "weight", None)
            if weight is not None and weight.size in dense:
                zeros.append(float((weight == 0).mean()))
    assert np.allclose(zeros, 0.75, atol=0.01)
    assert len(zeros) == len(dense)
    assert "pruned: 75.0% of every layer's weights are zero" in done.text()
    assert done.accuracy.pruned is not None
    assert "warning: the conversion costs" in done.text()


def test_the_module_stays_as_it_was():
    before = {name: value.clone() for name, value in trained().state_dict().items()}
    spikeport.convert(trained(), digits()[0][0][:20], settings=quick(sparsity=0.9))
    assert all(torch.equal(before[name], value) for name, value in trained().state_dict().items())


def test_networks_of_normalised_images_are_given_their_mean_and_std():
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3)).eval()
    images = digits()[0][0][:30]
    done = spikeport.convert(net, images, settings=quick(steps=64, mean=0.3, std=(0.4,)))
    with torch.no_grad():
        expected = net((torch.from_numpy(images).float() / 255 - 0.3) / 0.4).argmax(1).numpy()
    assert done.accuracy.agreement >= 0.9
    simulated = spikeport.simulate(done.network, images)
    assert (np.asarray(simulated.classes) == expected).mean() == done.accuracy.agreement


def test_signals_and_rows_of_features_convert():
    signal = nn.Sequential(nn.Conv1d(2, 4, 3), nn.ReLU(), nn.MaxPool1d(2), nn.Flatten(), nn.Linear(12, 3)).eval()
    images = np.random.default_rng(0).integers(0, 256, (20, 2, 8)).astype(np.uint8)
    assert spikeport.convert(signal, images, settings=quick()).accuracy.agreement >= 0.8
    dense = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3)).eval()
    assert spikeport.convert(dense, images[:, 0, :6], settings=quick()).accuracy.agreement >= 0.8


def test_features_and_tensors_are_taken_by_every_verb(tmp_path):
    torch.manual_seed(0)
    dense = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3)).eval()
    rows = np.random.default_rng(0).integers(0, 256, (20, 6)).astype(np.uint8)
    np.savez(tmp_path / "rows.npz", images=rows)
    done = spikeport.convert(dense, tmp_path / "rows.npz", settings=quick(weight_bits=8))
    same = spikeport.convert(dense, torch.from_numpy(rows), settings=quick(weight_bits=8))
    assert archive.digest(done.integers) == archive.digest(same.integers)
    classes = spikeport.simulate(done.integers, rows).classes
    assert np.array_equal(classes, spikeport.simulate(done.integers, rows[:, :, None, None]).classes)
    assert spikeport.count(done.integers, list(rows)).total_spikes > 0


def two_layers(outputs, *, seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, outputs)).eval()


def test_one_output_has_no_classes_and_its_thresholds_are_those_nearest_to_its_logit(tmp_path):
    net, images = two_layers(1), digits()[0][0][:40]
    with torch.no_grad():
        wanted = net(torch.from_numpy(images).float() / 255).numpy()
    np.savez(tmp_path / "binary.npz", images=images, labels=(wanted.ravel() > wanted.mean()).astype(int))
    settings = spikeport.ConvertSettings(steps=16, weight_bits=8)
    done = spikeport.convert(net, tmp_path / "binary.npz", settings=settings)
    found = spikeport.simulate(done.integers, images).scores / (done.integers.readout.neuron.scale * 64 * 16)
    assert done.error == pytest.approx(np.linalg.norm(found - wanted) / np.linalg.norm(wanted), rel=1e-5)
    assert 0 < done.error < 0.2
    assert (done.accuracy.agreement, done.accuracy.ann, done.accuracy.integers) == (None, None, None)
    assert done.text().startswith("one output: no classes, so no accuracy")


def test_thresholds_of_a_float_network_do_not_need_integers_to_hold_it():
    images = digits()[0][0][:30]
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3)).eval()
    with torch.no_grad():
        net[0].bias += 3  # beside such biases no weight of the first layer is left over many steps
    with pytest.raises(
        QuantizationError, match=r"at a larger scale, .* it holds .*; use fewer steps, or larger weights"
    ):
        spikeport.convert(net, images, settings=quick(steps=2000, weight_bits=8))
    done = spikeport.convert(net, images, settings=quick(steps=2000))
    assert done.error < 0.02
    assert done.accuracy.agreement > 0.95


def test_thresholds_are_those_of_all_images_with_and_without_integers():
    images = np.concatenate([digits()[0][0][:100] // 4, digits()[0][0][100:150]])
    plain, whole = (
        spikeport.convert(two_layers(3), images, settings=quick(images=150, weight_bits=bits)) for bits in (None, 8)
    )
    assert plain.thresholds == whole.thresholds


def test_what_the_integers_lose_is_said_and_fewer_steps_are_the_way():
    net, images = two_layers(3), digits()[0][0][:60]
    with torch.no_grad():
        net[0].bias += 1
    done = spikeport.convert(net, images, settings=quick(steps=200, weight_bits=8))
    assert done.warnings == spikeport.quantize(done.network).warnings
    assert "fewer steps" in done.warnings[0]
    assert f"note: {done.warnings[0]}" in done.text()  # no class changes
    assert done.to_dict()["warnings"] == list(done.warnings)


@pytest.mark.parametrize(
    ("shares", "settings", "said"),
    [
        ({"ann": 0.97, "snn": 0.97, "integers": 0.73}, {"weight_bits": 8}, "costs 24.00%; fewer steps, or finetuning"),
        (
            {"ann": 0.97, "snn": 0.96, "integers": 0.9},
            {"weight_bits": 4},
            "costs 7.00%; fewer steps, more weight bits,",
        ),
        ({"ann": 0.97, "snn": 0.9, "integers": 0.9}, {"weight_bits": 8}, "costs 7.00%; more steps, or finetuning"),
        ({"ann": 0.97, "snn": 0.9, "integers": None}, {"sparsity": 0.5}, "costs 7.00%; less sparsity, more steps, or"),
        (
            {"agreement": 0.3, "snn_agreement": 0.95},
            {"weight_bits": 8},
            "70.00% of the classes change; fewer steps, or",
        ),
        ({"agreement": 0.5, "snn_agreement": 0.5}, {}, "50.00% of the classes change; more steps, or"),
        ({"agreement": 0.95, "snn_agreement": 0.95}, {}, None),
        ({"ann": 0.97, "snn": 0.97, "integers": 0.965}, {"weight_bits": 8}, None),
        ({"agreement": None}, {}, None),
    ],
)
def test_advice_follows_what_costs_the_accuracy(shares, settings, said):
    net, images = two_layers(3), digits()[0][0][:10]
    done = spikeport.convert(net, images, settings=quick())
    known = {"ann": None, "pruned": None, "snn": None, "integers": None, "agreement": 1.0} | shares
    changed = replace(done, accuracy=Accuracy(source="images", images=10, **known), settings=quick(**settings))
    warned = [line for line in changed.text().splitlines() if line.startswith("warning")]
    assert len(warned) == (said is not None)
    assert said is None or said in warned[0]


def test_pooling_of_spikes_and_hard_reset_are_there_for_chips(folder):
    done = spikeport.convert(
        folder / "model.onnx", folder / "calibration.npz", settings=quick(max_pooling="spikes", reset="hard")
    )
    assert "more than the largest rate" in done.text()
    assert all(p.neuron.reset_by is None for p in done.network.neurons)


SETTINGS = [
    ({"steps": 0}, "steps is 0; expected"),
    ({"sparsity": 1.0}, "sparsity is 1.0; expected a share from 0 to below 1"),
    ({"sparsity": -0.1}, "sparsity is -0.1"),
    ({"percentile": 101.0}, "percentile is 101"),
    ({"shift": 2.0}, "shift is 2"),
    ({"threshold_scale": 0.0}, "threshold_scale is 0"),
    ({"weight_bits": 9}, "weight_bits is 9"),
    ({"reset": "soft"}, "reset is 'soft'; expected one of subtractive, hard"),
    ({"max_pooling": "max"}, "max_pooling is 'max'; expected one of relu, spikes"),
    ({"images": 0}, "images is 0"),
]


@pytest.mark.parametrize(("changes", "message"), SETTINGS)
def test_settings_that_mean_nothing_are_refused(changes, message):
    with pytest.raises(NetworkError, match=message):
        spikeport.ConvertSettings(**changes)


def test_images_that_do_not_fit_are_refused(folder, tmp_path):
    images = digits()[0][0][:10]
    model, scaled = folder / "model.onnx", images / 255
    for wrong, message in (
        (scaled * 2 - 1, "expected 0..1.*given its mean and std"),
        (images.astype(float), "pixels as real numbers are divided by 255.*uint8, or real numbers in"),
        (scaled * np.nan, "not finite"),
        (images[:0], r"holds no samples, its shape is \(0, 1, 8, 8\)"),
        (np.repeat(images[:, None], 8, 1), r"\(1, 8, 8\); the images are|come step by step"),
        (images[:, :, :6], r"is \(1, 8, 8\); the images are \(1, 6, 8\)"),
    ):
        with pytest.raises((StimulusError, FormatError), match=message):
            spikeport.convert(model, wrong, settings=quick())
    with pytest.raises(StimulusError, match=r"nothing.npz: no such file; expected images \(.npy or .npz\)$"):
        spikeport.convert(folder / "model.pt2", tmp_path / "nothing.npz", settings=quick())
    np.savez(tmp_path / "labels.npz", images=images, labels=np.full(10, 10))
    with pytest.raises(StimulusError, match=r"held-out images: sample 0 has label 10; expected labels 0 to 9"):
        spikeport.convert(model, images, settings=quick(), held_out=tmp_path / "labels.npz")


def test_files_that_are_no_network_are_refused(folder, tmp_path):
    images = digits()[0][0][:10]
    for name, message in (
        ("calibration.npz", r"the name ends in '.npz'; expected '.pt2'"),
        ("nothing.onnx", "no such file"),
        ("nothing.pt2", "no such file"),
    ):
        with pytest.raises(FormatError, match=message):
            spikeport.convert(folder / name, images)
    (tmp_path / "text.pt2").write_text("not a program")
    with pytest.raises(FormatError, match=r"text.pt2: damaged"):
        spikeport.convert(tmp_path / "text.pt2", images)
    (tmp_path / "text.safetensors").write_text("not a checkpoint")
    with pytest.raises(ArchiveError, match="damaged or not a safetensors file"):
        spikeport.convert(tmp_path / "text.safetensors", images)
    with pytest.raises(FormatError, match="a checkpoint holds its own mean"):
        spikeport.convert(folder / "model.safetensors", images, settings=quick(mean=0.5))
    with pytest.raises(OutputError, match="which would be written over"):
        spikeport.convert(folder / "model.onnx", images, out=folder / "model.onnx")
    with pytest.raises(FormatError, match=r"Sigmoid"):
        spikeport.convert(nn.Sequential(nn.Flatten(), nn.Linear(64, 5), nn.Sigmoid(), nn.Linear(5, 2)), images)
