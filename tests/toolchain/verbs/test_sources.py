"""Arguments as objects and as paths."""

import pytest

import spikeport
from spikeport.export import archive
from spikeport.export.errors import ArchiveError, NetworkError
from spikeport.toolchain.verbs import sources


def test_a_path_and_an_object_are_the_same_network(tiny_run, network):
    integer = sources.integer_network(network)
    assert sources.integer_network(integer) is integer
    assert sources.any_network(integer) is integer
    real = sources.float_network(str(tiny_run / "lower/network_float.safetensors"))
    assert sources.float_network(real) is real


def test_the_wrong_kind_is_refused_with_what_to_do(tiny_run):
    real = tiny_run / "lower/network_float.safetensors"
    with pytest.raises(ArchiveError, match="holds a float network; run 'spikeport quantize' on it first"):
        spikeport.export_network(real, "unused.onnx", to="onnx")
    with pytest.raises(NetworkError, match="a FloatNetwork was given; expected an IntegerNetwork: quantize it first"):
        spikeport.export_network(spikeport.read_network(real), "unused.onnx", to="onnx")
    with pytest.raises(NetworkError, match="a NoneType was given"):
        sources.integer_network(None)


def test_lack_of_memory_names_the_file_of_the_verb_once():
    @sources.names_file
    def inner(network):
        raise MemoryError(f"no room for {network}")

    outer = sources.names_file(lambda network: inner(f"{network}.inner"))
    for call in (lambda: inner("a.nir"), lambda: inner(network="a.nir"), lambda: sources.names_file(inner)("a.nir")):
        with pytest.raises(MemoryError, match=r"^no room for a\.nir") as raised:
            call()
        assert raised.value.__notes__ == ["a.nir"]
    with pytest.raises(MemoryError) as raised:
        outer("a.nir")
    assert raised.value.__notes__ == ["a.nir.inner"]
    with pytest.raises(MemoryError) as raised:
        inner(object())
    assert not hasattr(raised.value, "__notes__")


def test_verbs_on_files_name_them_where_memory_is_short(monkeypatch, tmp_path):
    def full(*_, **_options):
        raise MemoryError("full")

    monkeypatch.setattr(archive, "read_bytes", full)
    path = str(tmp_path / "net.safetensors")
    images = str(tmp_path / "images.npy")
    verbs = (spikeport.quantize, spikeport.check, lambda p: spikeport.simulate(p, images))
    reports = (lambda p: spikeport.report(p, images), lambda p: spikeport.export_network(p, images, to="onnx"))
    for verb in (*verbs, *reports):
        with pytest.raises(MemoryError, match="full") as raised:
            verb(path)
        assert raised.value.__notes__ == [path]
