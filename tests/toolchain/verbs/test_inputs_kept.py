"""No verb writes over what it reads, and none ignores an option."""

import pytest

import spikeport
from spikeport import ImportSettings, QuantizeSettings
from spikeport.export import archive
from spikeport.export.errors import FormatError, OutputError
from spikeport.export.formats import netx
from tests.export.formats.test_netx import chain


def test_quantize_does_not_write_over_its_input(tmp_path):
    path = tmp_path / "a.net"
    netx.write(chain(1, levels=1), path)
    before = path.read_bytes()
    with pytest.raises(OutputError, match="would be written over"):
        spikeport.quantize(path, settings=QuantizeSettings(source=ImportSettings(steps=6)), out=path)
    with pytest.raises(OutputError, match="would be written over"):
        spikeport.simulate(chain(1, levels=1), path, out=path)
    assert path.read_bytes() == before


def test_import_and_export_do_not_write_over_their_input(tmp_path):
    """A link to the input is the input, too."""
    path, archived, link = tmp_path / "a.net", tmp_path / "a.safetensors", tmp_path / "link"
    netx.write(chain(1, levels=1), path)
    archive.write(chain(1, levels=1), archived)
    link.symlink_to(path)
    before = path.read_bytes(), archived.read_bytes()
    for out in (path, link):
        with pytest.raises(OutputError, match="would be written over"):
            spikeport.import_netx(path, settings=ImportSettings(steps=6), out=out)
    with pytest.raises(OutputError, match="would be written over"):
        spikeport.import_nir(path, out=path)
    with pytest.raises(OutputError, match="would be written over"):
        spikeport.export_network(archived, archived, to="onnx")
    assert (path.read_bytes(), archived.read_bytes()) == before


def test_weight_bits_of_a_net_file_are_refused(tmp_path):
    netx.write(chain(1, levels=1), tmp_path / "a.net")
    settings = QuantizeSettings(weight_bits=3, source=ImportSettings(steps=6))
    with pytest.raises(FormatError, match=r"weight bits are 3; the weights of a \.net file are integers already"):
        spikeport.quantize(tmp_path / "a.net", settings=settings)
