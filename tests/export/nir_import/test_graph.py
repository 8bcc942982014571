"""NIR nodes -> network: every node type by its equation, nested graphs, loops, and what is refused."""

import nir
import numpy as np
import pytest

from spikeport.export.errors import FormatError
from spikeport.export.executors import floating
from spikeport.export.nir_import.graph import read
from spikeport.export.stimulus import stimulus
from spikeport.export.trace import record

RNG = np.random.default_rng(0)


def written(path, nodes, edges, shape, *, check=False):
    """Write a graph between an input of ``shape`` and an output."""
    outer = {"input": nir.Input({"input": np.array(shape)}), "output": nir.Output({"output": np.array([1])})}
    nir.write(path, nir.NIRGraph({**outer, **nodes}, edges, type_check=check))
    return path


def run(path, inputs, **options):
    """Read the file and return the trace of ``inputs`` (N, T, *shape)."""
    network, _ = read(path, steps=inputs.shape[1], **options)
    return record(floating.steps(network, stimulus(inputs.reshape(*inputs.shape[:2], *network.source.shape), network)))


def chain(path, node, shape, **options):
    """Return the trace of one node behind the input, over six steps of two samples."""
    written(path, {"node": node}, [("input", "node"), ("node", "output")], shape)
    inputs = RNG.normal(size=(2, 6, *shape))
    return inputs, run(path, inputs, **options)


def ones(value, size=3):
    return np.full(size, value)


def test_integrator_is_the_sum_times_r(tmp_path):
    inputs, trace = chain(tmp_path / "a.nir", nir.I(r=ones(2.0)), (3,), dialect="nir", dt=0.5)
    assert np.allclose(trace["node"], np.cumsum(inputs, axis=1))


def test_leaky_integrator_by_its_equation(tmp_path):
    node = nir.LI(tau=ones(4.0), r=ones(3.0), v_leak=ones(0.5))
    inputs, trace = chain(tmp_path / "a.nir", node, (3,), dialect="nir")
    v = np.zeros((2, 3))
    for step in range(6):
        v = v + (0.5 - v + 3 * inputs[:, step]) / 4
        assert np.allclose(trace["node"][:, step], v)


def test_threshold_is_memoryless(tmp_path):
    inputs, trace = chain(tmp_path / "a.nir", nir.Threshold(threshold=ones(0.3)), (3,), dialect="nir")
    assert np.array_equal(trace["node"], inputs > 0.3)


@pytest.mark.parametrize("inclusive", [False, True])
def test_cuba_lif_by_its_equation(tmp_path, inclusive):
    node = nir.CubaLIF(
        tau_mem=ones(4.0),
        tau_syn=ones(2.0),
        r=ones(2.0),
        v_leak=ones(0.25),
        v_threshold=ones(0.5),
        w_in=ones(3.0),
        v_reset=ones(-0.5),
    )
    written(tmp_path / "a.nir", {"node": node}, [("input", "node"), ("node", "output")], (3,))
    inputs = RNG.integers(-4, 5, (2, 6, 3)) / 4.0
    trace = run(tmp_path / "a.nir", inputs, dialect="nir", start="zero", inclusive=inclusive)
    i, v = np.zeros((2, 3)), np.zeros((2, 3))
    for step in range(6):
        i = i + (3 * inputs[:, step] - i) / 2
        v = v + (0.25 - v + 2 * i) / 4
        fires = v >= 0.5 if inclusive else v > 0.5
        assert np.array_equal(trace["node"][:, step], fires)
        v = np.where(fires, -0.5, v)
    assert trace["node"].any()


def test_convolutions_pooling_scale_and_flatten_by_scipy_like_loops(tmp_path):
    conv1 = nir.Conv1d(
        input_shape=7, weight=RNG.normal(size=(2, 3, 3)), stride=2, padding=1, dilation=1, groups=1, bias=ones(0.5, 2)
    )
    written(
        tmp_path / "a.nir", {"c": conv1, "i": nir.I(r=np.ones((2, 4)))},
        [("input", "c"), ("c", "i"), ("i", "output")], (3, 7),
    )  # fmt: skip
    inputs = RNG.normal(size=(2, 1, 3, 7))
    found = run(tmp_path / "a.nir", inputs, dialect="nir")["i"][:, 0, :, 0]
    padded = np.pad(inputs[:, 0], ((0, 0), (0, 0), (1, 1)))
    expected = [[(padded[:, :, 2 * x : 2 * x + 3] * w).sum((1, 2)) + 0.5 for x in range(4)] for w in conv1.weight]
    assert np.allclose(found, np.moveaxis(np.array(expected), 2, 0))


@pytest.mark.parametrize(("kind", "size", "stride", "padding"), [
    (nir.SumPool2d, 2, 2, 0), (nir.AvgPool2d, 2, 2, 0), (nir.AvgPool2d, 3, 2, 1), (nir.SumPool2d, 2, 1, 0),
])  # fmt: skip
def test_pooling_by_windows(tmp_path, kind, size, stride, padding):
    pair = [np.array((value, value)) for value in (size, stride, padding)]
    pool = kind(kernel_size=pair[0], stride=pair[1], padding=pair[2])
    side = (6 + 2 * padding - size) // stride + 1
    nodes = {"pool": pool, "i": nir.I(r=np.ones((2, side, side)))}
    written(tmp_path / "a.nir", nodes, [("input", "pool"), ("pool", "i"), ("i", "output")], (2, 6, 6))
    inputs = RNG.normal(size=(2, 1, 2, 6, 6))
    padded = np.pad(inputs[:, 0], ((0, 0), (0, 0), (padding,) * 2, (padding,) * 2))
    windows = [
        [padded[:, :, y : y + size, x : x + size].sum((2, 3)) for x in range(0, side * stride, stride)]
        for y in range(0, side * stride, stride)
    ]
    expected = np.moveaxis(np.array(windows), (2, 3), (0, 1)) / (size**2 if kind is nir.AvgPool2d else 1)
    assert np.allclose(run(tmp_path / "a.nir", inputs, dialect="nir")["i"][:, 0], expected)


def test_edges_into_a_node_add_up_and_a_bias_counts_once(tmp_path):
    nodes = {
        "a": nir.Linear(np.array([[1.0]])), "b": nir.Linear(np.array([[10.0]])), "s": nir.Scale(np.array([2.0])),
        "c": nir.Affine(np.array([[3.0]]), np.array([5.0])), "i": nir.I(r=np.ones(1)),
    }  # fmt: skip
    edges = [("input", "a"), ("input", "b"), ("a", "s"), ("b", "c"), ("s", "c"), ("c", "i"), ("i", "output")]
    written(tmp_path / "a.nir", nodes, edges, (1,))
    trace = run(tmp_path / "a.nir", np.ones((1, 2, 1)), dialect="nir")
    assert trace["i"].ravel().tolist() == [3 * (10 + 2) + 5, 2 * (3 * (10 + 2) + 5)]


def test_nested_graph_is_laid_flat(tmp_path):
    inner = nir.NIRGraph(
        {
            "input": nir.Input({"input": np.array([2])}), "w": nir.Linear(np.eye(2) * 3),
            "output": nir.Output({"output": np.array([2])}),
        },
        [("input", "w"), ("w", "output")],
    )  # fmt: skip
    nodes = {"block": inner, "i": nir.I(r=np.ones(2))}
    written(tmp_path / "a.nir", nodes, [("input", "block"), ("block", "i"), ("i", "output")], (2,))
    trace = run(tmp_path / "a.nir", np.ones((1, 2, 2)), dialect="nir")
    assert trace["i"].tolist() == [[[3.0, 3.0], [6.0, 6.0]]]


@pytest.mark.parametrize(("delayed", "expected"), [(False, [1, 1, 1, 1]), (True, [1, 0, 1, 1])])
def test_loop_takes_one_step_or_its_delay(tmp_path, delayed, expected):
    """The neuron fires when 1 arrives; the input is 1 at step 0 only, the loop brings it back."""
    nodes = {
        "lif": nir.IF(r=np.ones(1), v_threshold=np.array([0.5]), v_reset=np.zeros(1)),
        "w": nir.Linear(np.ones((1, 1))),
    }
    edges = [("input", "lif"), ("lif", "w"), ("lif", "output")]
    if delayed:
        nodes["d"] = nir.Delay(np.array([2.0]))
        edges += [("w", "d"), ("d", "lif")]
        expected = [1, 0, 1, 0]
    else:
        edges.append(("w", "lif"))
    written(tmp_path / "a.nir", nodes, edges, (1,))
    inputs = np.zeros((1, 4, 1))
    inputs[0, 0] = 1
    assert run(tmp_path / "a.nir", inputs, dialect="nir")["lif"].ravel().tolist() == expected


def fault(nodes=None, edges=None, shape=(3,), **options):
    return nodes or {"n": nir.I(r=ones(1.0))}, edges or [("input", "n"), ("n", "output")], shape, options


LIF = {"tau": ones(4.0), "r": ones(1.0), "v_leak": ones(0.0), "v_threshold": ones(1.0), "v_reset": ones(0.0)}


def lif(**changes):
    made = nir.LIF(**LIF)
    for name, value in changes.items():
        setattr(made, name, value)
    return {"n": made}


CONV = {"input_shape": (4, 4), "stride": 1, "padding": 0, "dilation": 1, "groups": 1, "bias": np.zeros(1)}


def conv(**changes):
    made = nir.Conv2d(**{**CONV, "weight": np.ones((1, 1, 3, 3))})
    for name, value in changes.items():
        setattr(made, name, value)
    return {"n": made}


IMAGE = (1, 4, 4)
FAULTS = {
    "NaN weight": (fault({"n": nir.Linear(np.full((2, 3), np.nan))}), "'n' .Linear.: weight holds numbers"),
    "infinite weight": (fault({"n": nir.Linear(np.full((2, 3), np.inf))}), "weight holds numbers that are not finite"),
    "NaN bias": (fault({"n": nir.Affine(np.ones((2, 3)), np.full(2, np.nan))}), "bias holds numbers that are"),
    "short bias": (fault({"n": nir.Affine(np.ones((2, 3)), np.ones(5))}), r"bias has shape \(5,\); expected \(2,\)"),
    "wrong inputs": (fault({"n": nir.Linear(np.ones((2, 4)))}), "dense synapses from 4 sources cannot read shape"),
    "NaN threshold": (fault(lif(v_threshold=ones(np.nan))), "'n' .LIF.: v_threshold holds numbers that are not finite"),
    "negative threshold": (fault(lif(v_threshold=ones(-1.0))), "threshold is -1; expected numbers from 1e-30"),
    "zero threshold": (fault(lif(v_threshold=ones(0.0))), "threshold is 0; expected numbers from 1e-30"),
    "zero tau": (fault(lif(tau=ones(0.0))), "'n' .LIF.: tau is 0; expected numbers from 1e-30"),
    "negative tau": (fault(lif(tau=ones(-3.0))), "'n' .LIF.: tau is -3; expected numbers from 1e-30"),
    "NaN tau": (fault(lif(tau=ones(np.nan))), "'n' .LIF.: tau holds numbers that are not finite"),
    "tau below a step": (fault(lif(tau=ones(0.1))), "tau is 0.1, shorter than a step of 1"),
    "infinite r": (fault(lif(r=ones(np.inf))), "r holds numbers that are not finite"),
    "NaN leak": (fault(lif(v_leak=ones(np.nan))), "v_leak holds numbers that are not finite"),
    "NaN reset": (fault(lif(v_reset=ones(np.nan))), "v_reset holds numbers that are not finite"),
    "stride zero": (fault(conv(stride=0), shape=IMAGE), "stride is .*0.*; expected one or two whole numbers from 1"),
    "stride negative": (fault(conv(stride=-2), shape=IMAGE), "stride is .*; expected one or two whole"),
    "stride fraction": (fault(conv(stride=1.5), shape=IMAGE), "stride is .*; expected one or two whole"),
    "padding negative": (fault(conv(padding=-1), shape=IMAGE), "padding is .*; expected one or two whole numbers"),
    "padding text": (fault(conv(padding="mirror"), shape=IMAGE), "padding is the text 'mirror'"),
    "same of an even kernel": (
        fault(conv(padding="same", weight=np.ones((1, 1, 2, 2))), shape=IMAGE), "padding 'same' of an even kernel"
    ),
    "dilation zero": (fault(conv(dilation=0), shape=IMAGE), "dilation is .*; expected one or two whole"),
    "groups zero": (fault(conv(groups=0), shape=IMAGE), "groups is 0; expected one whole number from 1"),
    "groups that do not divide": (fault(conv(groups=2), shape=IMAGE), "1 output channels cannot form 2 groups"),
    "kernel too large": (fault(conv(weight=np.ones((1, 1, 9, 9))), shape=IMAGE), "does not fit into a source"),
    "channels differ": (fault(conv(weight=np.ones((1, 5, 3, 3))), shape=IMAGE), "over 5 channels cannot read"),
    "convolution of a vector": (fault(conv(), shape=(16,)), "over 1 channels cannot read a source of shape"),
    "kernel without axes": (fault(conv(weight=np.ones((1, 3))), shape=IMAGE), r"weight has shape \(1, 3\); expected"),
    "scale of another shape": (fault({"n": nir.Scale(np.ones(5))}), r"scale has shape \(5,\); expected \(3,\)"),
    "fraction of a delay": (fault({"n": nir.Delay(ones(0.5))}), "a delay of 0.5 steps, each of 1; expected whole"),
    "one fraction of delays": (fault({"n": nir.Delay(np.array([1.0, 2.5, 3.0]))}), "a delay of 2.5 steps, each of 1"),
    "negative delay": (fault({"n": nir.Delay(ones(-1.0))}), "a delay of -1 steps, each of 1; expected whole numbers"),
    "dangling edge": (fault(edges=[("input", "n"), ("n", "output"), ("n", "ghost")]), "there is no node 'ghost'"),
    "double edge": (fault(edges=[("input", "n"), ("input", "n"), ("n", "output")]), "an edge stands twice"),
    "unreached node": (
        fault({"n": nir.I(r=ones(1.0)), "m": nir.I(r=ones(1.0))}, [("input", "n"), ("n", "output")]),
        "node 'm' is reached by no edge",
    ),
    "island": (
        fault(
            {"n": nir.I(r=ones(1.0)), "m": nir.I(r=ones(1.0)), "k": nir.I(r=ones(1.0))},
            [("input", "n"), ("n", "output"), ("m", "k"), ("k", "m")],
        ),
        "node '[mk]' is not reached from the input",
    ),
    "loop without a neuron": (
        fault(
            {"n": nir.Linear(np.eye(3)), "m": nir.Linear(np.eye(3)), "i": nir.I(r=ones(1.0))},
            [("input", "n"), ("n", "m"), ("m", "n"), ("n", "i"), ("i", "output")],
        ),
        "stream|loop",
    ),
    "parameters of another size": (fault(lif(v_threshold=ones(1.0, 5))), "have shapes .*; expected one shape"),
    "dt zero": (fault(dt=0.0), "dt is 0; expected numbers from 1e-30"),
    "no steps": (fault(steps=0), "number of steps is 0; expected one whole number from 1 to 100,000"),
    "no levels": (fault(levels=-1), "levels is -1; expected one whole number from 1 to 16,777,215"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_fault_is_named_with_node_and_field(tmp_path, name):
    (nodes, edges, shape, options), message = FAULTS[name]
    path = written(tmp_path / "bad.nir", nodes, edges, shape)
    with pytest.raises(FormatError, match=rf"bad\.nir: .*{message}"):
        read(path, **{"steps": 4, "dialect": "nir", **options})


@pytest.mark.parametrize("last", [("w", "a"), ("v", "b")])
def test_loop_with_two_ways_in_is_said_to_wait_by_the_order_of_edges(tmp_path, last):
    lif = nir.LIF(tau=ones(4.0), r=ones(4.0), v_leak=ones(0.0), v_threshold=ones(0.5), v_reset=ones(0.0))
    nodes = {"a": lif, "b": lif, "v": nir.Linear(np.eye(3)), "w": nir.Linear(np.eye(3))}
    ways = [("input", "a"), ("input", "b")] if last == ("w", "a") else [("input", "b"), ("input", "a")]
    edges = [*ways, ("a", "v"), ("v", "b"), ("b", "w"), ("w", "a"), ("b", "output")]
    network, dialect = read(written(tmp_path / "a.nir", nodes, edges, (3,)), steps=3, dialect="nir")
    assert [p.target for p in network.projections if p.delay] == [last[1]]
    said = [note for note in dialect.notes if note.startswith("warning")]
    assert len(said) == 1
    assert f"{last[1]!r} hears {last[0]!r} one step later" in said[0]


def test_loop_with_one_way_in_waits_where_it_closes_and_nothing_is_said(tmp_path):
    lif = nir.LIF(tau=ones(4.0), r=ones(4.0), v_leak=ones(0.0), v_threshold=ones(0.5), v_reset=ones(0.0))
    nodes = {"a": lif, "b": lif, "v": nir.Linear(np.eye(3)), "w": nir.Linear(np.eye(3))}
    edges = [("input", "a"), ("a", "v"), ("a", "a"), ("v", "b"), ("b", "w"), ("w", "a"), ("b", "output")]
    _, dialect = read(written(tmp_path / "a.nir", nodes, edges, (3,)), steps=3, dialect="nir")
    assert not [note for note in dialect.notes if note.startswith("warning")]


def test_batch_in_the_input_is_found_behind_neurons(tmp_path):
    shape = (2, 3, 3)
    fires = nir.IF(r=np.ones(shape), v_threshold=np.full(shape, 0.5), v_reset=np.zeros(shape))
    conv = nir.Conv2d(
        input_shape=(3, 3), weight=np.ones((1, *shape)), bias=np.zeros(1), stride=1, padding=0, dilation=1, groups=1
    )
    edges = [("input", "fires"), ("fires", "conv"), ("conv", "output")]
    path = written(tmp_path / "a.nir", {"fires": fires, "conv": conv}, edges, (1, *shape))
    network, _ = read(path, steps=3, dialect="nir")
    assert network.source.shape == shape


def below_zero(kind):
    """Return a node that rests below a threshold of zero or less."""
    rest = {"v_leak": ones(-65.0), "v_threshold": ones(-50.0), "v_reset": np.array([-70.0, -65.0, -49.0])}
    return {
        "IF": nir.IF(r=ones(1.0), v_threshold=np.array([-0.5, 0.0, 0.5]), v_reset=np.array([-1.0, -1.0, 0.0])),
        "LIF": nir.LIF(tau=ones(4.0), r=ones(64.0), **rest),
        "CubaLIF": nir.CubaLIF(tau_mem=ones(4.0), tau_syn=ones(2.0), r=ones(64.0), w_in=ones(2.0), **rest),
    }[kind]


@pytest.mark.parametrize("start", ["zero", "v_reset", "v_leak"])
@pytest.mark.parametrize("kind", ["IF", "LIF", "CubaLIF"])
def test_threshold_below_zero_by_its_equation(tmp_path, kind, start):
    node = below_zero(kind)
    path = written(tmp_path / "a.nir", {"node": node}, [("input", "node"), ("node", "output")], (3,))
    inputs = RNG.integers(-4, 5, (20, 12, 3)) / 4.0
    trace = run(path, inputs, dialect="nir", start=start)["node"]
    _, dialect = read(path, steps=12, dialect="nir", start=start)
    assert any("potentials of 'node' count from where the neurons rest" in note for note in dialect.notes)
    i = np.zeros((20, 3))
    v = i + {"zero": 0.0, "v_reset": node.v_reset, "v_leak": node.v_reset if kind == "IF" else node.v_leak}[start]
    for step in range(12):
        x = inputs[:, step]
        if kind == "IF":
            v = v + x
        else:
            i = i + (2 * x - i) / 2 if kind == "CubaLIF" else x
            v = v + (node.v_leak - v + 64 * i) / 4
        fires = v > node.v_threshold
        assert np.array_equal(trace[:, step], fires)
        v = np.where(fires, node.v_reset, v)
    assert 0 < trace.mean() < 1


def test_threshold_below_zero_cannot_be_subtracted(tmp_path):
    path = written(tmp_path / "a.nir", {"node": below_zero("LIF")}, [("input", "node"), ("node", "output")], (3,))
    with pytest.raises(FormatError, match=r"node 'node' \(LIF\): threshold is -50"):
        read(path, steps=3, dialect="nir", reset="subtract")
