"""`--csv`, `--latex` and `--save-figures` of the verbs, and what the report takes from labels and the float network."""

import csv
import json
import re
import sys
import xml.etree.ElementTree as ET

import numpy as np
import pytest

import spikeport
from spikeport.export import archive
from spikeport.export.lava.doctor import small_network
from spikeport.toolchain import cli
from tests.hardware_profiles.float_networks import as_float

NETWORK = as_float(small_network())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with a float network, integers made of it, and labelled images."""
    folder = tmp_path_factory.mktemp("saving")
    archive.write(NETWORK, folder / "float.safetensors")
    integers = spikeport.quantize(folder / "float.safetensors", out=folder / "integers.safetensors").network
    images = np.random.default_rng(0).integers(0, 256, (6, 1, 6, 5)).astype(np.uint8)
    classes = spikeport.simulate(integers, spikeport.stimulus(images, integers)).classes
    np.savez(folder / "labelled.npz", images=images, labels=(classes + (np.arange(6) == 5)) % 3)
    return folder


def invoke(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", ["spikeport", *map(str, arguments)])
    with pytest.raises(SystemExit) as left:
        cli.main()
    out, err = capsys.readouterr()
    return left.value.code, out, err


def test_a_report_says_accuracy_layers_and_rasters_and_saves_them(folder, tmp_path, monkeypatch, capsys):
    places = {"--csv": tmp_path / "csv", "--latex": tmp_path / "tex", "--save-figures": tmp_path / "figures"}
    code, out, _ = invoke(
        monkeypatch, capsys, "report", folder / "integers.safetensors", "--input", folder / "labelled.npz",
        "--float", folder / "float.safetensors", "--raster", "0,5", "--out", tmp_path / "report",
        *(word for pair in places.items() for word in pair),
    )  # fmt: skip
    assert code == 0
    assert "integers  83.3 ± 15.2 %" in out
    assert "rate, float" in out
    document = json.loads((tmp_path / "report" / "report.json").read_text())
    assert document["accuracy"][0]["clean"] == 5 / 6
    assert [each["image"] for each in document["rasters"]] == [0, 5]
    tables = {path.stem for path in places["--csv"].iterdir()}
    assert tables == {path.stem for path in places["--latex"].iterdir()}
    assert {"accuracy", "comparison", "energy", "layers", "operations", "cores_loihi1"} <= tables
    with (places["--csv"] / "accuracy.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert float(row["clean [%]"]) == pytest.approx(500 / 6)
    figures = {path.stem for path in places["--save-figures"].glob("*.svg")}
    assert {"energy", "raster_0", "raster_5", "changed_spikes", "cores_loihi2"} <= figures
    assert re.search(rf"\nwrote accuracy\.csv, .* more to {places['--csv']}/\n", out)


def test_what_if_says_the_accuracy_and_saves_the_trade_off(folder, tmp_path, monkeypatch, capsys):
    code, out, _ = invoke(
        monkeypatch, capsys, "what-if", folder / "integers.safetensors", "--input", folder / "labelled.npz",
        "--profile", "loihi1", "--steps", 2, "--latex", tmp_path, "--save-figures", tmp_path,
    )  # fmt: skip
    assert code == 0
    assert re.search(r"as it is, loihi1 +83\.3 ± 15\.2 %", out)
    assert re.search(r"T = 2, loihi1 +\d+\.\d ± \d+\.\d %", out)
    assert r"\toprule" in (tmp_path / "what_if.tex").read_text()
    assert ET.parse(tmp_path / "trade_off_loihi1.svg").getroot().tag.endswith("svg")


def test_tables_of_a_verb_that_draws_nothing(tmp_path, monkeypatch, capsys):
    code, out, _ = invoke(
        monkeypatch, capsys, "analyze", "trade-off", "--clean", 90, "--robust", "PGD-7=30", "--csv", tmp_path / "csv"
    )
    assert code == 0
    assert out.endswith(f"wrote trade_off.csv to {tmp_path}/csv/\n")
    with (tmp_path / "csv" / "trade_off.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert (row["robust [%]"], float(row["estimate"])) == ("30", pytest.approx(4.8))


def test_a_place_that_takes_no_files_is_refused_before_the_work(folder, tmp_path, monkeypatch, capsys):
    (tmp_path / "file").write_text("mine")
    for option in ("--csv", "--latex", "--save-figures"):
        code, out, err = invoke(
            monkeypatch, capsys, "report", folder / "missing.safetensors", "--input", "missing.npz", option,
            tmp_path / "file",
        )  # fmt: skip
        assert (code, out) == (2, "")
        assert "file: is a file; expected a folder" in err
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--raster", "6"), "a raster of sample 6 was asked for; expected 0 to 5"),
        (("--raster", "a"), "no list of whole numbers"),
        (("--float", "model.onnx"), "a ReLU network has no spikes to compare"),
        (("--float", "model.nir"), "import it first and give the archive"),
        (("--float", "integers.safetensors"), "holds an integer network; expected a float one"),
        (("--float", "gone.safetensors"), "gone.safetensors"),
    ],
)
def test_what_cannot_be_compared_or_drawn_is_refused(folder, tmp_path, options, sentence, monkeypatch, capsys):
    name, value = options
    given = folder / value if name == "--float" else value
    code, _, err = invoke(
        monkeypatch, capsys, "report", folder / "integers.safetensors", "--input", folder / "labelled.npz", name, given,
        "--out", tmp_path / "report",
    )  # fmt: skip
    assert code == 2
    assert sentence in " ".join(re.sub(r"[│╭╰─╮╯]", " ", err).replace("A ReLU", "a ReLU").split())
    assert not (tmp_path / "report").exists()


def test_labels_of_another_number_are_refused(folder):
    with pytest.raises(spikeport.SpikeportError, match=r"'labels' is int64 of shape \(2,\); expected 6 integers"):
        spikeport.report(folder / "integers.safetensors", folder / "labelled.npz", labels=np.zeros(2, int))


def test_functions_give_what_the_command_writes(folder, tmp_path):
    found = spikeport.report(folder / "integers.safetensors", folder / "labelled.npz", float_network=NETWORK)
    said = (*spikeport.write_tables(found, csv=tmp_path), *spikeport.write_figures(found, tmp_path))
    assert said[0].startswith("wrote accuracy.csv, layers.csv, ")
    assert isinstance(found.tables()[0], spikeport.Table)
    assert isinstance(found.figures()[0], spikeport.Figure)
    assert found.comparison.layers[0].population == "conv1"
