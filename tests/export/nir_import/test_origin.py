"""Who wrote a file: every rule on files as the tools write them, what is asked, and what no caller has to tell."""

import math
from dataclasses import replace
from pathlib import Path

import h5py
import nir
import numpy as np
import pytest

from spikeport.export.errors import AmbiguousOrigin, FormatError
from spikeport.export.executors import floating
from spikeport.export.nir_import import nodes
from spikeport.export.nir_import.frameworks import ORIGINS
from spikeport.export.nir_import.graph import read
from spikeport.export.nir_import.origin import candidates, dialect_of
from spikeport.export.stimulus import stimulus
from spikeport.export.trace import record
from tests.export.nir_import.test_graph import written

CASES = Path(__file__).parent / "cases"
NEURONS = 3


def many(value, dtype=np.float32):
    return np.full(NEURONS, value, dtype)


def lif(tau, r, dtype=np.float32, **more):
    values = {"v_leak": many(0, dtype), "v_threshold": many(1, dtype), "v_reset": many(0, dtype), **more}
    return nir.LIF(tau=np.asarray(tau, dtype), r=np.asarray(r, dtype), **values)


def cuba(tau_mem, tau_syn, r, w_in, dtype=np.float32):
    rest = {"v_leak": many(0, dtype), "v_threshold": many(1, dtype), "v_reset": many(0, dtype)}
    values = {"tau_mem": tau_mem, "tau_syn": tau_syn, "r": r, "w_in": w_in}
    return nir.CubaLIF(**{key: many(value, dtype) for key, value in values.items()}, **rest)


def integrator(r, dtype=np.float32):
    return nir.IF(r=many(r, dtype), v_threshold=many(1, dtype), v_reset=many(0, dtype))


def graph_of(path, neuron, *, bias=True, name="input", weights=np.float32):
    weight = np.arange(NEURONS * 2, dtype=weights).reshape(NEURONS, 2) / 4
    layer = nir.Affine(weight, np.zeros(NEURONS, weights)) if bias else nir.Linear(weight)
    nir.write(
        path,
        nir.NIRGraph(
            {name: nir.Input({"input": np.array([2])}), "a": layer, "n": neuron, "output": nir.Output({"output": [3]})},
            [(name, "a"), ("a", "n"), ("n", "output")],
            type_check=False,
        ),
        compression=None,
    )
    return nodes.read(path)


def fitting(path, neuron, **options):
    return [each.dialect.name for each in candidates(graph_of(path / "a.nir", neuron, **options))]


BETA = np.float32(0.9)
TAU = np.array([0.02, 0.03, 0.05], np.float32)
WRITTEN = {
    "snnTorch": (lif(many(1e-4 / (1 - BETA)), many(1 / (1 - BETA))), {}, ["snntorch"]),
    "snnTorch, beta of one": (lif(many(np.inf), many(np.inf)), {"bias": False}, ["snntorch"]),
    "snnTorch 0.7": (lif(many(-1 / (1 + BETA)), many(-1 / (1 + BETA))), {}, ["snntorch"]),
    "snnTorch, Synaptic": (cuba(1e-3, 2e-4, 10, 2), {}, ["snntorch"]),
    "Norse": (lif(TAU, many(1)), {}, ["norse"]),
    "Norse, LIFCell": (cuba(1e-5, 5e-6, 1, 1), {}, ["norse"]),
    "SpikingJelly, IF": (integrator(1e4, np.float64), {}, ["spikingjelly"]),
    "SpikingJelly, LIF": (lif(many(2e-4), many(1), np.float64), {"bias": False}, ["spikingjelly"]),
    "SpikingJelly, v_reset": (
        lif(many(2e-4), many(2), np.float64, v_reset=many(0.5, np.float64), v_leak=many(0.5, np.float64)),
        {},
        ["spikingjelly"],
    ),
    "sinabs, LIF": (lif(many(20), many(1)), {}, ["sinabs"]),
    "rockpool": (lif(TAU, TAU * np.exp(-1e-3 / TAU) / 1e-3), {}, ["rockpool"]),
    "spyx": (lif(1 / (1 - np.array([0.5, 0.75, 0.875])), [0.5, 0.75, 0.875]), {}, ["spyx"]),
}


@pytest.mark.parametrize("tool", WRITTEN)
@pytest.mark.parametrize("name", ["input", "in", "input_1"])
def test_file_of_a_tool_is_known_whatever_its_input_is_called(tmp_path, tool, name):
    neuron, options, expected = WRITTEN[tool]
    assert fitting(tmp_path, neuron, name=name, **options) == expected


def test_what_two_tools_write_alike_is_both(tmp_path):
    assert set(fitting(tmp_path, integrator(1))) == {"sinabs", "norse", "spyx"}
    double = cuba(1e-3, 2e-4, 10, 2, np.float64)
    assert set(fitting(tmp_path, double, weights=np.float64)) == {"snntorch", "spikingjelly", "lava-dl"}


@pytest.mark.parametrize(
    ("neuron", "options", "never"),
    [
        (cuba(10, 5, 1, 1), {}, "sinabs"),
        (lif(many(20), many(1)), {"bias": False}, "sinabs"),
        (lif(many(1e-3), many(10.1)), {}, "snntorch"),
        (lif(many(1e-3), many(10), v_reset=many(0.5)), {}, "snntorch"),
        (integrator(1e4, np.float32), {}, "spikingjelly"),
        (integrator(1234, np.float64), {}, "spikingjelly"),
        (lif(TAU, many(2)), {}, "norse"),
        (lif(TAU, TAU / 1e-3), {}, "rockpool"),
        (lif(many(4), many(5), np.float64), {"weights": np.float64}, "spikingjelly"),
    ],
)
def test_one_number_that_a_tool_never_writes_excludes_it(tmp_path, neuron, options, never):
    assert never not in fitting(tmp_path, neuron, **options)


def test_every_rule_of_every_framework_can_fail_and_says_what_it_is():
    for name, origin in ORIGINS.items():
        assert origin.rules, name
        for rule in origin.rules:
            assert rule.__doc__ is not None
            assert rule.__doc__.endswith(".")


@pytest.mark.parametrize(
    ("file", "told", "expected"),
    [
        ("snntorch_0_9_1", {"dialect": "snntorch"}, "0001000010001000"),
        ("spinnaker2_docs", {"dialect": "nir"}, "0001000100010001"),
        ("lava_dl", {"dialect": "lava-dl"}, "0010101010101010"),
    ],
)
def test_origin_is_asked_with_the_right_one_among_the_candidates(file, told, expected):
    path = CASES / f"{file}.nir"
    with pytest.raises(AmbiguousOrigin) as caught:
        read(path, steps=16)
    assert str(caught.value).startswith(f"{path}: ")
    assert "--dialect" in str(caught.value)
    assert "spikeport identify" in str(caught.value)
    assert told["dialect"] in [each.dialect.name for each in caught.value.candidates]
    network, _ = read(path, steps=16, **told)
    spikes = record(floating.steps(network, stimulus(np.ones((1, 16, 1)), network)))["1"].ravel()
    assert "".join(str(int(each)) for each in spikes) == expected


def test_snntorch_before_0_9_4_is_the_only_origin_and_only_its_reset_is_asked():
    with pytest.raises(AmbiguousOrigin, match=r"snnTorch wrote it .*do not say reset \(late: .*--dialect snntorch"):
        read(CASES / "snntorch_0_9_1.nir", steps=16)
    network, dialect = read(CASES / "snntorch_0_9_1.nir", steps=16, reset="late")
    assert dialect.name == "snntorch"
    assert network.steps == 16


def test_guess_takes_the_likeliest_and_says_so():
    _, dialect = read(CASES / "lava_dl.nir", steps=16, guess=True)
    assert any(note.startswith("warning: guessed, ") and "can have written it, too" in note for note in dialect.notes)


def test_settings_of_one_framework_alone_decide_between_origins(tmp_path):
    """An IF with r = 1 is sinabs', Norse's or spyx'; told all that tells them apart, equal neurons are one."""
    graph = graph_of(tmp_path / "a.nir", integrator(1))
    told = {"reset": "hard", "most": 1, "floor": "none", "v_reset": "none", "tau_syn": "none", "start": "zero"}
    with pytest.raises(AmbiguousOrigin):
        dialect_of(graph, **told)
    dialect = dialect_of(graph, inclusive=False, sends_late=False, **told)
    assert dialect == replace(dialect, inclusive=False, most=1, reset="hard")


def test_broken_file_is_refused_for_its_fault_before_the_origin_is_asked(tmp_path):
    written(tmp_path / "a.nir", {"n": integrator(1)}, [("input", "n"), ("n", "output"), ("x", "n")], (NEURONS,))
    with pytest.raises(FormatError, match="there is no node 'x'") as caught:
        read(tmp_path / "a.nir", steps=4)
    assert not isinstance(caught.value, AmbiguousOrigin)


@pytest.mark.parametrize("model", ["RLeaky", "Synaptic"])
@pytest.mark.parametrize(("delayed", "reset"), [(True, "pause"), (False, "hard")])
def test_hard_means_hard_and_pause_is_its_own_word(model, delayed, reset):
    """snnTorch 1.0.0's own spikes with reset_delay True and False; each other word gives other spikes."""
    path = CASES / f"{model}_{delayed}.nir"
    with np.load(path.with_suffix(".npz")) as file:
        inputs, spikes = file["input"], file["spikes"]
    for word, same in ((reset, True), ("pause" if reset == "hard" else "hard", False), ("late", False)):
        network, _ = read(path, steps=inputs.shape[1], dialect="snntorch", reset=word)
        found = record(floating.steps(network, stimulus(inputs, network)))["lif"]
        assert np.array_equal(found, spikes) is same


@pytest.mark.parametrize("floor", [-1, -1.0, "-1", "threshold"])
def test_floor_of_sinabs_can_be_said(floor):
    inputs = np.array([[1, 0], [0, 1], [0, 1], [0, 1], [0, 1], [0, 1]], np.uint8)[None]
    network, dialect = read(CASES / "membrane_floor.nir", steps=6, dialect="sinabs", floor=floor)
    spikes = record(floating.steps(network, stimulus(inputs, network)))["1"]
    assert spikes.ravel().astype(int).tolist() == [0, 0, 1, 1, 1, 1]
    assert "v never falls below" in dialect.sentence()


def test_subtract_is_no_reset_of_snntorch():
    with pytest.raises(FormatError, match="reset_mechanism='subtract' is reset 'late'"):
        read(CASES / "snntorch_0_9_1.nir", steps=4, dialect="snntorch", reset="subtract")


def test_parameters_may_have_a_batch_axis_of_one_or_be_scalars(tmp_path):
    """Equal neurons, written as (1, n), (n,), (1,) and one number each, give equal networks."""
    inputs = np.random.default_rng(0).random((4, 9, 2))
    traces = []
    for name, shape in (("batch", (1, NEURONS)), ("flat", (NEURONS,)), ("one", (1,)), ("scalar", ())):
        values = {"tau": 4e-4, "r": 4.0, "v_leak": 0.0, "v_threshold": 0.5, "v_reset": 0.0}
        neuron = nir.LIF(**{key: np.full(shape, value) for key, value in values.items()})
        graph_of(tmp_path / f"{name}.nir", neuron)
        network, _ = read(tmp_path / f"{name}.nir", steps=9, dialect="snntorch")
        assert network.population("n").shape == (NEURONS,)
        traces.append(record(floating.steps(network, stimulus(inputs, network)))["n"])
    assert all(np.array_equal(trace, traces[0]) for trace in traces)
    assert traces[0].any()


@pytest.mark.parametrize("shape", [(2, 2), (2,), (2, 1, 1), (2, 2, 2)])
def test_parameters_broadcast_as_arrays_do(tmp_path, shape):
    """Thresholds of two rows and columns, of two columns, of two channels, and of all neurons of (2, 2, 2)."""
    thresholds = np.arange(1.0, 1 + np.prod(shape)).reshape(shape)
    weight = np.ones((2, 1, 1, 1))
    nodes = {
        "c": nir.Conv2d((2, 2), weight, stride=1, padding=0, dilation=1, groups=1, bias=np.zeros(2)),
        "n": nir.IF(r=np.ones(shape), v_threshold=thresholds - 0.5, v_reset=np.zeros(shape)),
    }
    written(tmp_path / "a.nir", nodes, [("input", "c"), ("c", "n"), ("n", "output")], (1, 2, 2))
    network, _ = read(tmp_path / "a.nir", steps=8, dialect="nir")
    counts = record(floating.steps(network, stimulus(np.ones((1, 1, 2, 2)), network)))["n"].sum(1)[0]
    assert np.array_equal(counts, 8 // np.broadcast_to(thresholds, (2, 2, 2)))


NODES_WITH_AXES = {
    "pool": nir.SumPool2d(kernel_size=np.array([2, 2]), stride=np.array([2, 2]), padding=np.array([0, 0])),
    "conv": nir.Conv2d((4, 4), np.ones((2, 2, 1, 1)), stride=1, padding=0, dilation=1, groups=1, bias=np.zeros(2)),
    "signal": nir.Conv1d(4, np.ones((2, 2, 1)), stride=1, padding=0, dilation=1, groups=1, bias=np.zeros(2)),
}


@pytest.mark.parametrize("name", NODES_WITH_AXES)
@pytest.mark.parametrize("batch", [(1,), (16,), (5, 1)])
def test_batch_and_steps_in_the_shape_of_the_input_are_left_out(tmp_path, name, batch):
    sample = (2, 4) if name == "signal" else (2, 4, 4)
    nodes = {"a": NODES_WITH_AXES[name], "n": nir.IF(r=np.ones(1), v_threshold=np.ones(1), v_reset=np.zeros(1))}
    written(tmp_path / "a.nir", nodes, [("input", "a"), ("a", "n"), ("n", "output")], (*batch, *sample))
    network, rules = read(tmp_path / "a.nir", steps=3, dialect="nir")
    assert network.source.shape == ((2, 1, 4) if name == "signal" else sample)
    said = [note for note in rules.notes if "read as a batch or steps" in note]
    assert len(said) == (math.prod(batch) > 1)


def test_rows_in_front_of_a_linear_node_are_read_as_a_batch_and_it_is_said(tmp_path):
    nodes = {"fc": nir.Linear(np.ones((4, 6))), "n": nir.IF(r=np.ones(1), v_threshold=np.ones(1), v_reset=np.zeros(1))}
    written(tmp_path / "a.nir", nodes, [("input", "fc"), ("fc", "n"), ("n", "output")], (5, 6))
    network, rules = read(tmp_path / "a.nir", steps=3, dialect="nir")
    assert network.source.shape == (6,)
    assert "input 'input' has shape (5, 6), read as a batch or steps of 5 samples of (6,)" in rules.notes[-1]


def test_missing_w_in_is_one(tmp_path):
    paths = [tmp_path / f"{name}.nir" for name in ("with", "without")]
    for path in paths:
        graph_of(path, cuba(1e-3, 2e-4, 10, 1))
    with h5py.File(paths[1], "a") as file:
        del file["node/nodes/n/w_in"]
    gains = [read(path, steps=4, dialect="snntorch")[0].population("n").neuron.gain for path in paths]
    assert np.array_equal(*gains)


def test_step_of_exponential_decays_is_honoured(tmp_path):
    graph_of(tmp_path / "a.nir", lif(many(0.02), many(1)))
    for dt in (1e-3, 2e-3):
        network, _ = read(tmp_path / "a.nir", steps=4, dialect="rockpool", dt=dt)
        decay = network.population("n").neuron.decay_potential
        assert np.allclose(1 - decay, np.exp(-dt / 0.02), rtol=1e-6)


def test_messages_name_what_is_meant(tmp_path):
    transposed = {"fc": nir.Linear(np.ones((2, 5))), "n": integrator(1)}
    written(tmp_path / "t.nir", transposed, [("input", "fc"), ("fc", "n"), ("n", "output")], (2,))
    with pytest.raises(FormatError, match=r"node 'fc' \(Linear\): weight has shape \(2, 5\) .* transposed, as spyx"):
        read(tmp_path / "t.nir", steps=4, dialect="spyx")
    written(tmp_path / "m.nir", {"neuron": integrator(1)}, [("input", "neuron"), ("neurons", "output")], (3,))
    with pytest.raises(FormatError, match="there is no node 'neurons'; is 'neuron' meant"):
        read(tmp_path / "m.nir", steps=4, dialect="nir")
