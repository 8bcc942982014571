"""``spikeport analyze gradients``: files and objects, what it writes, refusals at the start."""

import json
import sys

import numpy as np
import pytest

import spikeport
from spikeport.export import archive
from spikeport.export.errors import AttackError, OutputError, SpikeportError, StimulusError
from spikeport.export.lava.doctor import small_network
from spikeport.toolchain import checkpoint, cli
from tests.toolchain.networks import NETWORKS, images, labels, snn


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gradients")
    checkpoint.write(snn(specification=NETWORKS["sew_max"]), folder / "model.safetensors")
    archive.write(small_network(), folder / "integers.safetensors")
    pixels = np.rint(images(30).numpy() * 255).astype(np.uint8)
    np.savez(folder / "x.npz", images=pixels, labels=labels(30).numpy())
    np.savez(folder / "bare.npz", images=pixels)
    np.savez(folder / "two.npz", images=np.zeros((2, *small_network().source.shape), np.uint8), labels=[0, 1])
    return folder


def invoke(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", ["spikeport", "analyze", "gradients", *map(str, arguments)])
    with pytest.raises(SystemExit) as left:
        cli.main()
    out, _ = capsys.readouterr()
    return left.value.code, out


def test_the_command_prints_tables_and_writes_figures_and_picture(folder, tmp_path, monkeypatch, capsys):
    out, given = tmp_path / "out", (folder / "model.safetensors", "--input", folder / "x.npz")
    code, text = invoke(monkeypatch, capsys, *given, "--images", 25, "--out", out)
    assert code == 0
    assert text.startswith("SNN model.safetensors, T = 4, 25 images (")
    assert text.endswith(f"wrote {out}/gradients.json and {out}/gradients.svg\n")
    found = spikeport.analyze_gradients(folder / "model.safetensors", folder / "x.npz", count=25)
    assert json.loads((out / "gradients.json").read_text()) == json.loads(json.dumps(found.to_dict()))
    assert [each.kind for each in found.kinds][:4] == ["convolution", "batch norm", "neuron", "max pooling"]
    assert sorted(path.name for path in out.iterdir()) == ["gradients.json", "gradients.svg"]


def test_a_network_and_arrays_give_the_figures_of_their_files(folder):
    model, pixels = checkpoint.read(folder / "model.safetensors"), np.rint(images(30).numpy() * 255).astype(np.uint8)
    found = spikeport.analyze_gradients(model, pixels, labels=labels(30).numpy())
    filed = spikeport.analyze_gradients(folder / "model.safetensors", folder / "x.npz")
    assert (found.kinds, found.operations, found.pixels) == (filed.kinds, filed.operations, filed.pixels)
    assert found.network == "SNN"


@pytest.mark.parametrize(
    ("model", "given", "error", "sentence"),
    [
        ("model.safetensors", "bare.npz", StimulusError, "no labels"),
        ("integers.safetensors", "two.npz", AttackError, "a network of an archive has no gradients to measure"),
        ("x.npz", "x.npz", SpikeportError, r"x\.npz"),
        ("missing.safetensors", "x.npz", SpikeportError, r"missing\.safetensors"),
    ],
)
def test_what_cannot_be_measured_is_one_sentence(folder, model, given, error, sentence):
    with pytest.raises(error, match=sentence):
        spikeport.analyze_gradients(folder / model, folder / given)


def test_a_place_where_no_file_can_go_is_refused_before_anything_runs(folder, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file"):
        spikeport.analyze_gradients(folder / "missing.safetensors", folder / "x.npz", out=tmp_path / "file")
