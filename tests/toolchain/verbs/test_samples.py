"""Samples as users have them, through the verbs and the command."""

from pathlib import Path

import numpy as np
import pytest

import spikeport
from spikeport.export import archive
from spikeport.export.errors import FormatError, QuantizationError, SpikeportError, StimulusError
from spikeport.export.executors import executor
from spikeport.export.formats import netx
from spikeport.export.trace import record
from spikeport.toolchain import cli
from spikeport.toolchain.commands import exits
from tests.export.formats.test_netx import chain

FILE = Path(__file__).with_name("event_counts.nir")
"""Weight 0.5, threshold 1, hard reset; then a second neuron that copies the first."""
COUNTS = np.array([3, 1, 3, 2, 3, 0]).reshape(1, 6, 1)
RIGHT = [1, 0, 1, 0, 1, 0]
KINDS = ["u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8"]


def told(**settings):
    return spikeport.ImportSettings(dialect="nir", steps=6, **settings)


def spikes(network, driven):
    name = "fast" if isinstance(network, spikeport.IntegerNetwork) else "floating"
    return record(executor(name, type(network))(network, driven))["n"].ravel().astype(int).tolist()


@pytest.fixture(scope="module")
def networks():
    levels = spikeport.QuantizeSettings(source=told(levels=3, unit=1.0))
    calibrated = spikeport.quantize(FILE, settings=levels, calibration=COUNTS)
    return {
        "float": spikeport.import_nir(FILE, settings=told()).network,
        "float, told": spikeport.import_nir(FILE, settings=told(levels=3, unit=1.0)).network,
        "integers": spikeport.quantize(FILE, settings=levels).network,
        "calibrated": calibrated.network,
    }


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["float", "float, told", "integers", "calibrated"])
def test_counts_of_every_type_give_the_frameworks_spikes(networks, name, kind):
    assert spikes(networks[name], spikeport.stimulus(COUNTS.astype(kind), networks[name])) == RIGHT


def test_input_of_an_archive_can_be_told_when_it_is_quantized(networks):
    settings = spikeport.QuantizeSettings(source=spikeport.ImportSettings(levels=3, unit=1.0))
    network = spikeport.quantize(networks["float"], settings=settings).network
    assert network.source.neuron == spikeport.Source(levels=3, unit=1.0)
    assert spikes(network, spikeport.stimulus(COUNTS, network)) == RIGHT
    pixels = spikeport.QuantizeSettings(source=spikeport.ImportSettings(levels=255))
    assert spikeport.quantize(networks["float"], settings=pixels).network.source.neuron.unit == 1 / 255
    with pytest.raises(FormatError, match=r"'dialect' is for .nir and .net files"):
        spikeport.quantize(networks["float"], settings=spikeport.QuantizeSettings(source=told()))


def test_counts_of_more_than_8_bits_are_refused_with_their_number(networks):
    message = "counts up to 700 take 10 bits; Loihi's graded input holds 8"
    with pytest.raises(QuantizationError, match=rf"event_counts\.nir: {message}: give at most 255 levels"):
        spikeport.quantize(FILE, settings=spikeport.QuantizeSettings(source=told(levels=700, unit=1.0)))
    with pytest.raises(StimulusError, match=message):
        spikeport.stimulus(COUNTS * 233 + 1, networks["integers"])
    wide = spikeport.import_nir(FILE, settings=told(levels=700, unit=1.0)).network
    assert spikes(wide, spikeport.stimulus(COUNTS, wide)) == RIGHT


def test_calibration_with_counts_takes_their_levels_or_needs_room_for_them(networks):
    taken = spikeport.quantize(FILE, settings=spikeport.QuantizeSettings(source=told()), calibration=COUNTS)
    assert taken.to_dict()["digest"] == archive.digest(networks["calibrated"])
    settings = spikeport.QuantizeSettings(source=told(levels=2, unit=1.0))
    with pytest.raises(StimulusError, match=r"sample 0 holds 3; quantize it again with --levels 3 --unit 1"):
        spikeport.quantize(FILE, settings=settings, calibration=COUNTS)


def test_calibration_by_real_numbers_equals_that_by_levels():
    settings = spikeport.QuantizeSettings(source=told(levels=255), weight_bits=3)
    levels = np.random.default_rng(0).integers(0, 256, (20, 6, 1))
    ours, others = (spikeport.quantize(FILE, settings=settings, calibration=each) for each in (levels, levels / 255))
    assert ours.clips == others.clips
    assert ours.to_dict() == others.to_dict()


def test_a_stimulus_of_a_float_network_is_no_input_of_integers(networks):
    real = spikeport.stimulus(COUNTS / 2, networks["float"])
    with pytest.raises(StimulusError, match=r"holds float64 up to 1.5; the network takes levels 0..3"):
        spikeport.simulate(networks["integers"], real)
    many = spikeport.stimulus(COUNTS * 2, networks["float"])
    with pytest.raises(StimulusError, match=r"up to 6; the network takes levels 0..3"):
        spikeport.check(networks["integers"], many)


def invoke(monkeypatch, capsys, *arguments):
    monkeypatch.setattr("sys.argv", ["spikeport", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        exits.run(cli.app)
    return (ended.value.code, *capsys.readouterr())


def test_the_command_takes_counts_and_says_what_it_takes_for_granted(monkeypatch, capsys, tmp_path):
    np.save(tmp_path / "counts.npy", COUNTS)
    np.save(tmp_path / "pixels.npy", (COUNTS * 85).astype(np.uint8))
    imported, integers = tmp_path / "float.safetensors", tmp_path / "integers.safetensors"
    base = ("--dialect", "nir", "--steps", 6)
    assert invoke(monkeypatch, capsys, "import", FILE, "--out", imported, *base)[0] == 0
    code, out, err = invoke(monkeypatch, capsys, "simulate", imported, "--input", tmp_path / "counts.npy")
    assert (code, out.splitlines()[0]) == (0, "1 images, floating: classes 0")
    assert err == "note: integers of the input are taken as counts: 3 means 3.0; --unit says otherwise\n"
    code, _, err = invoke(monkeypatch, capsys, "simulate", imported, "--input", tmp_path / "pixels.npy")
    assert code == 2
    assert "--levels 255 (pixels) or --levels 255 --unit 1 (counts), or give --unit beside --input" in err
    told_unit = ("simulate", imported, "--input", tmp_path / "pixels.npy", "--unit", "1/255")
    assert invoke(monkeypatch, capsys, *told_unit)[::2] == (0, "")
    code, _, err = invoke(monkeypatch, capsys, "quantize", FILE, "--out", integers, *base, "--levels", 3, "--unit", 1)
    assert (code, err) == (0, "")
    for verb in (("simulate",), ("check", "--executors", "reference"), ("report",), ("what-if",)):
        place = ("--out", tmp_path / "report") if verb == ("report",) else ()
        given = (verb[0], integers, "--input", tmp_path / "pixels.npy", *verb[1:], *place)
        code, _, err = invoke(monkeypatch, capsys, *given)
        assert code == 2
        assert "sample 0 holds 255; quantize it again with --levels 255 --unit 1 (counts)" in err
        assert invoke(monkeypatch, capsys, *given, "--unit", "1/85")[0] == 0


def test_the_command_bins_event_lists_wherever_it_takes_an_input(monkeypatch, capsys, tmp_path):
    times = np.repeat(np.arange(6), COUNTS.ravel()) * 1000
    events = np.zeros(len(times) + 1, [("t", "<i8"), ("x", "<i2"), ("p", "?")])
    events["t"] = np.append(times, 6000)
    np.save(tmp_path / "events.npy", events)
    integers = tmp_path / "integers.safetensors"
    base = ("--dialect", "nir", "--steps", 6, "--levels", 3, "--unit", 1)
    how = ("--calibration", tmp_path / "events.npy", "--bin", "1ms")
    assert invoke(monkeypatch, capsys, "quantize", FILE, "--out", integers, *base, *how)[0] == 0
    settings = spikeport.InputSettings(bin="1ms")
    network = spikeport.read_network(integers)
    driven = spikeport.stimulus(tmp_path / "events.npy", network, settings=settings)
    assert np.array_equal(driven.values, COUNTS)
    assert spikes(network, driven) == RIGHT
    given = ("simulate", integers, "--input", tmp_path / "events.npy")
    code, _, err = invoke(monkeypatch, capsys, *given)
    assert code == 2
    assert "the input is a list of events; say how they become steps: --bin 1ms" in err
    code, _, err = invoke(monkeypatch, capsys, *given, "--bin", "1ms")
    assert (code, err) == (0, "note: 1 events behind the last whole bin are left out, as tonic's ToFrame does\n")
    assert invoke(monkeypatch, capsys, *given, "--frames", 6)[0] == 0
    code, _, err = invoke(monkeypatch, capsys, *given, "--bin", "1ms", "--incomplete", "--frames", 3)
    assert (code, "expected one of the two" in err) == (2, True)


def test_scores_of_shorter_samples_end_with_them(networks):
    network = networks["integers"]
    lengths = np.array([6, 2, 4])
    result = spikeport.simulate(network, spikeport.stimulus(np.repeat(COUNTS, 3, 0), network, lengths=lengths))
    for number, length in enumerate(lengths):
        alone = spikeport.quantize(
            FILE,
            settings=spikeport.QuantizeSettings(
                source=spikeport.ImportSettings(dialect="nir", steps=int(length), levels=3, unit=1.0)
            ),
        ).network
        expected = spikeport.simulate(alone, COUNTS[:, :length]).scores
        assert np.array_equal(result.scores[number : number + 1], expected)


def test_unit_of_a_net_file_is_taken_over(tmp_path):
    netx.write(chain(1, levels=1), tmp_path / "a.net")
    settings = spikeport.ImportSettings(steps=3, levels=3, unit=1.0)
    network = spikeport.import_netx(tmp_path / "a.net", settings=settings).network
    assert network.source.neuron == spikeport.Source(levels=3, unit=1.0)
    assert (
        spikeport.quantize(
            tmp_path / "a.net", settings=spikeport.QuantizeSettings(source=settings)
        ).network.source.neuron.unit
        == 1
    )


def test_unit_is_a_positive_number_of_any_size():
    with pytest.raises(SpikeportError, match="unit"):
        spikeport.import_nir(FILE, settings=told(unit=-1.0))
    assert spikeport.import_nir(FILE, settings=told(unit=2.0)).network.source.neuron.unit == 2
