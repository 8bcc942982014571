"""An Output node is a marker: what reaches it is the readout, with its own score."""

from pathlib import Path

import nir
import numpy as np
import pytest

import spikeport
from spikeport.export.errors import FormatError, NetworkError
from spikeport.export.executors import executor, executor_names
from spikeport.export.executors.floating import steps
from spikeport.export.formats import writer
from spikeport.export.nir_import.graph import read
from spikeport.export.stimulus import stimulus
from spikeport.export.trace import scores
from spikeport.toolchain.verbs.networks import ImportSettings, QuantizeSettings
from tests.export.nir_import.test_graph import written

CASES = Path(__file__).parent / "cases"
SOURCE = ImportSettings(dialect="nir", steps=10)
SPIKES = nir.IF(r=np.ones(3), v_threshold=np.full(3, 0.75), v_reset=np.zeros(3))


@pytest.mark.parametrize(
    ("name", "expected", "silent"), [("output_rate", [9, 1, 0], False), ("output_silent", [9, 1, 0], True)]
)
def test_published_files_give_their_own_scores_before_and_after_quantize(name, expected, silent):
    """Neuron 0 fires nine times, neuron 1 once at the last step: class 0."""
    model, images = CASES / f"{name}.nir", CASES / "output_x.npz"
    imported = spikeport.import_nir(model, settings=SOURCE).network
    integers = spikeport.quantize(model, settings=QuantizeSettings(source=SOURCE)).network
    for network in (imported, integers):
        result = spikeport.simulate(network, images)
        assert result.scores[0].argmax() == 0
        assert result.accuracy == 1
        assert (network.readout.neuron.threshold is None) == silent
        assert len(network.projections) == 1 + silent
    assert spikeport.simulate(imported, images).scores.tolist() == [expected]
    scale = 64 * integers.readout.neuron.scale if silent else 1
    assert spikeport.simulate(integers, images).scores.tolist() == [[scale * each for each in expected]]
    assert spikeport.count(integers, images).total("fused") == 10 * (1 + silent)


@pytest.mark.lava
@pytest.mark.parametrize("name", ["output_rate", "output_silent"])
def test_every_format_and_executor_holds_them(name, tmp_path):
    integers = spikeport.quantize(CASES / f"{name}.nir", settings=QuantizeSettings(source=SOURCE)).network
    for format_ in ("nir", "onnx", "netx", "lava-job"):
        spikeport.export_network(integers, tmp_path / format_, to=format_)
    verdict = spikeport.check(integers, CASES / "output_x.npz")
    assert set(verdict.executors) == {"lava", "onnx", "nir"}
    assert verdict.passed


def test_synapses_without_neurons_at_the_end_score_their_mean(tmp_path):
    """Logits of each step: the class is that of their mean over the steps, and the integers say the same."""
    weight = np.array([[3.0, -1.0, 0.0], [0.0, 2.0, 1.0], [1.0, 1.0, -2.0]])
    nodes = {"n": SPIKES, "fc": nir.Affine(weight, np.array([0.5, -0.5, 0.25]))}
    path = written(tmp_path / "a.nir", nodes, [("input", "n"), ("n", "fc"), ("fc", "output")], (3,))
    spikes = np.random.default_rng(1).integers(0, 2, (20, 7, 3))
    network = read(path, dialect="nir", steps=7)[0]
    given = stimulus(spikes, network)
    expected = ((spikes @ weight.T) + [0.5, -0.5, 0.25]).mean(axis=1)
    assert np.allclose(scores(steps(network, given), network, 20), expected)
    integers = spikeport.quantize(network).network
    found = {name: spikeport.simulate(integers, given, settings=spikeport.SimulationSettings(executor=name)).scores
             for name in executor_names(type(integers)) if name != "lava"}  # fmt: skip
    for values in found.values():
        assert np.array_equal(values, found["reference"])
    assert np.array_equal(found["reference"].argmax(1), expected.argmax(1))
    back = tmp_path / "integers.nir"
    writer("nir", type(integers))(integers, back)
    restored = read(back)[0]
    assert restored.readout.name == integers.readout.name == "output"
    again = spikeport.quantize(back).network
    assert np.array_equal(spikeport.simulate(again, given).scores, found["reference"])


def test_two_outputs_are_refused_with_their_names_and_one_can_be_named(tmp_path):
    nodes = {
        "n": SPIKES, "left": nir.Linear(np.eye(3)), "right": nir.Linear(2 * np.eye(3)),
        "a": nir.Output({"output": np.array([3])}), "b": nir.Output({"output": np.array([3])}),
    }  # fmt: skip
    edges = [("input", "n"), ("n", "left"), ("n", "right"), ("left", "a"), ("right", "b")]
    path = tmp_path / "two.nir"
    nir.write(path, nir.NIRGraph({"input": nir.Input({"input": np.array([3])}), **nodes}, edges))
    with pytest.raises(FormatError, match=r"two\.nir: the graph has 2 Output nodes, 'a', 'b'; .* \(--output\)"):
        read(path, dialect="nir", steps=3)
    with pytest.raises(FormatError, match=r"no Output node 'c'; there are 'a', 'b'"):
        read(path, dialect="nir", steps=3, output="c")
    for name, gain in (("a", 1.0), ("b", 2.0)):
        network = read(path, dialect="nir", steps=3, output=name)[0]
        assert network.readout.name == name
        assert [p.name for p in network.populations] == ["input", "n", name]
        (projection,) = network.incoming(name)
        assert np.array_equal(projection.stages[0].weight, gain * np.eye(3))


def test_nodes_that_lead_to_no_output_are_named(tmp_path):
    nodes = {"n": SPIKES, "side": nir.Linear(np.eye(3)), "m": SPIKES}
    edges = [("input", "n"), ("n", "output"), ("n", "side"), ("side", "m")]
    path = written(tmp_path / "a.nir", nodes, edges, (3,))
    with pytest.raises(FormatError, match=r"node 'm' \(IF\) does not lead to the Output node 'output'; .*"):
        read(path, dialect="nir", steps=3)
    assert [p.name for p in read(path, dialect="nir", steps=3, output="output")[0].populations] == ["input", "n"]


def test_output_inside_a_loop_keeps_a_population_that_gives_the_same_classes(tmp_path):
    """The last population is the source of an earlier one too, so a marker says what is put out."""
    nodes = {"a": SPIKES, "b": SPIKES, "forth": nir.Linear(np.eye(3)), "back": nir.Linear(-0.5 * np.eye(3))}
    edges = [("input", "a"), ("a", "forth"), ("forth", "b"), ("b", "back"), ("back", "a"), ("b", "output")]
    network = read(written(tmp_path / "a.nir", nodes, edges, (3,)), dialect="nir", steps=9, levels=2)[0]
    given = stimulus(np.random.default_rng(0).integers(0, 3, (5, 9, 3)), network)
    fired = np.zeros((5, 3))
    for step in steps(network, given):
        fired[step.rows] += step.spikes["b"]
    assert network.readout.name == "output"
    assert fired.any()
    assert np.array_equal(np.rint(9 * scores(steps(network, given), network, 5)), fired)


@pytest.mark.parametrize("flat", [False, True])
def test_flatten_before_the_output_is_no_population(tmp_path, flat):
    nodes = {"n": nir.IF(r=np.ones((1, 2, 2)), v_threshold=np.ones((1, 2, 2)), v_reset=np.zeros((1, 2, 2)))}
    edges = [("input", "n"), ("n", "output")]
    if flat:
        nodes["f"] = nir.Flatten({"input": np.array([1, 2, 2])}, start_dim=0)
        edges = [("input", "n"), ("n", "f"), ("f", "output")]
    network = read(written(tmp_path / "a.nir", nodes, edges, (1, 2, 2)), dialect="nir", steps=2)[0]
    assert [p.name for p in network.populations] == ["input", "n"]


def test_output_that_is_reached_from_the_input_alone_has_no_neurons(tmp_path):
    path = written(tmp_path / "a.nir", {}, [("input", "output")], (3,))
    network = read(path, dialect="nir", steps=2)[0]
    assert network.readout.name == "output"


def test_network_without_an_output_node_keeps_its_last_population(tmp_path):
    path = tmp_path / "a.nir"
    graph = nir.NIRGraph(
        {"input": nir.Input({"input": np.array([3])}), "n": SPIKES}, [("input", "n")], type_check=False
    )
    nir.write(path, graph)
    assert read(path, dialect="nir", steps=2)[0].readout.name == "n"
    two = nir.NIRGraph({"input": nir.Input({"input": np.array([3])}), "n": SPIKES, "m": SPIKES},
                       [("input", "n"), ("input", "m")], type_check=False)  # fmt: skip
    nir.write(path, two)
    with pytest.raises(NetworkError, match=r"one readout population, found \['m', 'n'\]"):
        _ = read(path, dialect="nir", steps=2)[0].readout


def test_executor_names_are_those_of_the_folder():
    assert all(executor(name) for name in executor_names())
