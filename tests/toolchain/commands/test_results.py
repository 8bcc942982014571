"""Every verb that prints something writes the same as JSON where it is asked to, and finds a bad place at the start."""

import json
import math

import numpy as np
import pytest

from spikeport.export.files import write_json
from spikeport.export.formats import nir
from spikeport.export.lava.doctor import small_network
from spikeport.toolchain.verbs import lava
from tests.toolchain.invoking import invoke, small_files

VERBS = {
    "import {files}/network.nir --out {out}/n.safetensors": "digest",
    "quantize {files}/float.safetensors --out {out}/n.safetensors": "proven",
    "export {files}/network.safetensors --to onnx --out {out}/n.onnx": "bytes",
    "simulate {files}/network.safetensors --input {files}/samples.npz": "classes",
    "check {files}/network.safetensors --random 2 --executors onnx": "fidelity",
    "what-if {files}/network.safetensors --input {files}/samples.npz": "rows",
    "profiles": "loihi1",
    "profiles show loihi1": "limits",
    "analyze trade-off --clean 90 --robust PGD-7=40": "estimates",
    "lava doctor": "spikes",
}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = small_files(tmp_path_factory.mktemp("files"))
    nir.write(small_network(), folder / "network.nir")
    return folder


@pytest.mark.parametrize("verb", VERBS)
def test_verb_writes_its_result_as_json(monkeypatch, capsys, files, tmp_path, verb):
    found = lava.Examination(findings=(("spikes", True, "equal"),))
    monkeypatch.setattr(lava, "lava_doctor", lambda: found)
    arguments = verb.format(files=files, out=tmp_path).split()
    code, printed, err = invoke(monkeypatch, capsys, *arguments, "--json", tmp_path / "result.json")
    assert (code, "spikeport: " in err) == (0, False)
    assert VERBS[verb] in json.loads((tmp_path / "result.json").read_text())
    plain = invoke(monkeypatch, capsys, *arguments)[1]
    assert printed == plain


def test_a_bad_place_is_found_before_the_work(monkeypatch, capsys, files, tmp_path):
    arguments = ("quantize", files / "float.safetensors", "--out", tmp_path / "n.safetensors", "--json", tmp_path)
    code, out, err = invoke(monkeypatch, capsys, *arguments)
    assert (code, out, f"{tmp_path} is a folder" in err or err) == (2, "", True)
    assert list(tmp_path.iterdir()) == []


def test_numbers_that_json_does_not_have_become_null(tmp_path):
    write_json(tmp_path / "x.json", {"a": [1.5, math.nan], "b": {"c": (math.inf, 2)}, "d": None})
    assert json.loads((tmp_path / "x.json").read_text()) == {"a": [1.5, None], "b": {"c": [None, 2]}, "d": None}
    with pytest.raises(TypeError):
        write_json(tmp_path / "y.json", {"a": np.zeros(2)})
    assert not (tmp_path / "y.json").exists()
