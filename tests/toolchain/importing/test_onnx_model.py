"""ONNX models as operations give what onnxruntime computes, or are refused with the node and the nearest operator."""

import io
import re

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from spikeport.export.errors import FormatError
from spikeport.toolchain.importing.onnx_model import read_onnx
from tests.strategies import seeds
from tests.toolchain.importing.evaluation import evaluated

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
onnxruntime.set_default_logger_severity(4)
NEWEST = min(onnx.defs.onnx_opset_version(), 23)
"""The newest opset that both packages know."""


def model_of(nodes, constants, shape, *, opset=17, batch="N", outputs=("y",)):
    """Return a model from 'x' (N, *shape) to 'y'."""
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, *shape])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def saved(model, folder, name="model.onnx"):
    path = folder / name
    path.write_bytes(model if isinstance(model, bytes) else model.SerializeToString())
    return path


def compare(path, shape, *, images=None, seed=0, batch=2):
    """Compare a file's operations with onnxruntime on random images of ``shape`` (without the batch)."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    values = np.random.default_rng(seed).normal(size=(batch, *shape)).astype(np.float32)
    (expected,) = session.run(None, {session.get_inputs()[0].name: values})
    model = read_onnx(path, images)
    full = values.reshape(batch, *model.input_shape)
    found = evaluated(model.operations, torch.from_numpy(full), model.output).numpy()
    if any(operation.kind == "softmax" for operation in model.operations):
        assert np.array_equal(found.reshape(expected.shape).argmax(1), expected.argmax(1))
    else:
        np.testing.assert_allclose(found.reshape(expected.shape), expected, rtol=1e-4, atol=1e-4)
    return model


def weights(rng, *shape):
    return rng.normal(size=shape).astype(np.float32)


@st.composite
def window_nodes(draw, kind):
    """Draw a node with a window, its constants, and an input shape (C, L) or (C, H, W)."""
    dims, channels = draw(st.integers(1, 2)), draw(st.sampled_from([1, 2, 4]))
    sides = [draw(st.integers(3, 9)) for _ in range(dims)]
    kernel, strides = ([draw(st.integers(1, 3)) for _ in range(dims)] for _ in range(2))
    attributes = {"kernel_shape": kernel, "strides": strides}
    if kind != "AveragePool" and draw(st.booleans()):
        attributes["dilations"] = [draw(st.integers(1, 2)) for _ in range(dims)]
    plain = "dilations" not in attributes and all(s <= k for s, k in zip(strides, kernel, strict=True))
    same = ["SAME_UPPER", "SAME_LOWER"] if plain else []  # onnxruntime pads by less than nothing otherwise
    automatic = draw(st.sampled_from(["NOTSET", "NOTSET", "VALID", *same]))
    attributes["auto_pad"] = automatic
    if automatic == "NOTSET":
        attributes["pads"] = [draw(st.integers(0, k - 1 if kind != "Conv" else 2)) for k in kernel * 2]
        if kind != "Conv":
            attributes["ceil_mode"] = draw(st.integers(0, 1))
    if kind == "AveragePool":
        attributes["count_include_pad"] = draw(st.integers(0, 1))
    constants, inputs = {}, ["x"]
    if kind == "Conv":
        rng, groups = np.random.default_rng(draw(seeds)), draw(st.sampled_from([1, channels]))
        constants["w"] = weights(rng, 4, channels // groups, *kernel)
        attributes["group"], inputs = groups, ["x", "w"]
        if draw(st.booleans()):
            constants["b"], inputs = weights(rng, 4), [*inputs, "b"]
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, attributes.get("dilations", [1] * dims), strict=True)]
    assume(all(r <= side for r, side in zip(reach, sides, strict=True)))
    return helper.make_node(kind, inputs, ["y"], **attributes), constants, (channels, *sides)


@pytest.mark.parametrize("kind", ["Conv", "MaxPool", "AveragePool"])
@given(data=st.data())
def test_any_window_gives_what_onnxruntime_gives(tmp_path_factory, kind, data):
    node, constants, shape = data.draw(window_nodes(kind))
    attributes = {each.name: helper.get_attribute_value(each) for each in node.attribute}
    if kind == "AveragePool" and attributes.get("ceil_mode"):
        assume(not attributes["count_include_pad"])  # onnxruntime counts what lies beyond the padding, unlike PyTorch
    path = saved(model_of([node], constants, shape, opset=19), tmp_path_factory.mktemp("window"))
    compare(path, shape)


def test_clip_of_old_opsets_has_its_ends_as_attributes(tmp_path):
    compare(saved(model_of([NODE("Clip", ["x"], ["y"], min=0.0)], {}, MAP, opset=9), tmp_path), MAP)
    path = saved(model_of([NODE("Clip", ["x"], ["y"], min=0.0, max=6.0)], {}, MAP, opset=9), tmp_path)
    with pytest.raises(FormatError, match=r"clips values to 0\.0 to 6\.0"):
        read_onnx(path)


def test_choice_of_a_class_at_the_end_is_left_out(tmp_path):
    nodes = [NODE("Gemm", ["x", "w"], ["s"]), NODE("ArgMax", ["s"], ["y"], axis=-1)]
    path = saved(model_of(nodes, {"w": DENSE["w"]}, (3,)), tmp_path)
    values = weights(np.random.default_rng(0), 9, 3)
    model = read_onnx(path)
    found = evaluated(model.operations, torch.from_numpy(values[:, :, None, None]), model.output).numpy()
    assert np.array_equal(found.reshape(9, 5).argmax(1), (values @ DENSE["w"]).argmax(1))


@pytest.mark.parametrize(("channels", "sides"), [(2, (4, 6)), (1, (4, 6)), (2, (None, None))])
def test_images_with_the_channels_last_are_given_with_the_channels_first(tmp_path, channels, sides):
    """What tf2onnx makes of a Keras model."""
    nodes = [
        NODE("Transpose", ["x"], ["t"], perm=[0, 3, 1, 2]),
        NODE("Conv", ["t", "k"], ["c"], auto_pad="SAME_UPPER", strides=[2, 2]),
        NODE("Relu", ["c"], ["r"]),
        NODE("Transpose", ["r"], ["l"], perm=[0, 2, 3, 1]),
        NODE("Reshape", ["l", "s"], ["f"]),
        NODE("MatMul", ["f", "w"], ["y"]),
    ]
    constants = {"k": weights(RNG, 3, channels, 3, 3), "s": np.array([-1, 18]), "w": weights(RNG, 18, 5)}
    path = saved(model_of(nodes, constants, (*sides, channels)), tmp_path)
    values = weights(np.random.default_rng(0), 3, 4, 6, channels)
    (expected,) = onnxruntime.InferenceSession(path).run(None, {"x": values})
    model = read_onnx(path, (channels, 4, 6))
    found = evaluated(model.operations, torch.from_numpy(np.moveaxis(values, -1, 1).copy()), model.output)
    np.testing.assert_allclose(found.numpy().reshape(3, 5), expected, rtol=1e-4, atol=1e-4)
    assert len(model.notes) == 1
    assert "the model takes (N, H, W, C), and the images are (N, C, H, W)" in model.notes[0]
    with pytest.raises(FormatError, match=r"with the channels last, .* give the images as \(N, C, H, W\)"):
        read_onnx(path, (4, 6, channels))


RNG = np.random.default_rng(5)
NODE = helper.make_node
DENSE = {"w": weights(RNG, 3, 5), "c": weights(RNG, 5)}
MAP = (2, 4, 6)
SINGLE = {
    "gemm": (NODE("Gemm", ["x", "w", "c"], ["y"]), DENSE, (3,)),
    "gemm with alpha, beta and transB": (
        NODE("Gemm", ["x", "w", "c"], ["y"], alpha=0.5, beta=2.0, transB=1),
        {"w": DENSE["w"].T.copy(), "c": DENSE["c"]},
        (3,),
    ),
    "gemm with one bias": (NODE("Gemm", ["x", "w", "c"], ["y"]), {**DENSE, "c": np.float32(2)}, (3,)),
    "gemm without bias": (NODE("Gemm", ["x", "w"], ["y"]), DENSE, (3,)),
    "matmul": (NODE("MatMul", ["x", "w"], ["y"]), DENSE, (3,)),
    "batch norm": (
        NODE("BatchNormalization", ["x", "g", "b", "m", "v"], ["y"], epsilon=0.01),
        {"g": weights(RNG, 2), "b": weights(RNG, 2), "m": weights(RNG, 2), "v": np.array([0.5, 2], np.float32)},
        MAP,
    ),
    "relu": (NODE("Relu", ["x"], ["y"]), {}, MAP),
    "global average": (NODE("GlobalAveragePool", ["x"], ["y"]), {}, MAP),
    "global maximum": (NODE("GlobalMaxPool", ["x"], ["y"]), {}, (2, 7)),
    "mean, axes kept": (NODE("ReduceMean", ["x"], ["y"], axes=[2, 3]), {}, MAP),
    "mean, axes dropped": (NODE("ReduceMean", ["x"], ["y"], axes=[-1, -2], keepdims=0), {}, MAP),
    "flatten": (NODE("Flatten", ["x"], ["y"]), {}, MAP),
    "reshape": (NODE("Reshape", ["x", "s"], ["y"]), {"s": np.array([0, -1])}, MAP),
    "reshape to itself": (NODE("Reshape", ["x", "s"], ["y"]), {"s": np.array([-1, 2, 4, 6])}, MAP),
    "reshape of one channel": (
        NODE("Reshape", ["x", "s"], ["y"]),
        {"s": np.array([-1, 1, 4, 6])},
        (4, 6, 1),
    ),
    "squeeze": (NODE("Squeeze", ["x", "s"], ["y"]), {"s": np.array([2, 3])}, (5, 1, 1)),
    "unsqueeze": (NODE("Unsqueeze", ["x", "s"], ["y"]), {"s": np.array([2, 3])}, (5,)),
    "transpose": (NODE("Transpose", ["x"], ["y"], perm=[0, 3, 1, 2]), {}, MAP),
    "transpose of a signal": (NODE("Transpose", ["x"], ["y"], perm=[0, 2, 1]), {}, (3, 7)),
    "pad": (NODE("Pad", ["x", "p"], ["y"]), {"p": np.array([0, 1, 0, 2, 0, 1, 3, 1])}, MAP),
    "dropout": (NODE("Dropout", ["x"], ["y"]), {}, MAP),
    "softmax": (NODE("Softmax", ["x"], ["y"]), {}, (7,)),
    "clip from zero": (NODE("Clip", ["x", "c"], ["y"]), {"c": np.float32(0)}, MAP),
    "clip to the largest number": (
        NODE("Clip", ["x", "c", "d"], ["y"]),
        {"c": np.float32(0), "d": np.finfo(np.float32).max},
        MAP,
    ),
    "larger of zero": (NODE("Max", ["c", "x"], ["y"]), {"c": np.zeros(1, np.float32)}, MAP),
    "add a constant": (NODE("Add", ["c", "x"], ["y"]), {"c": weights(RNG, 2, 1, 1)}, MAP),
    "subtract a constant": (NODE("Sub", ["x", "c"], ["y"]), {"c": weights(RNG, 1, 2, 1, 1)}, MAP),
    "subtract from a constant": (NODE("Sub", ["c", "x"], ["y"]), {"c": np.float32(3)}, MAP),
    "multiply": (NODE("Mul", ["x", "c"], ["y"]), {"c": weights(RNG, 3)}, (3,)),
    "divide": (NODE("Div", ["x", "c"], ["y"]), {"c": np.array([255], np.float32)}, MAP),
}


@pytest.mark.parametrize("name", SINGLE)
def test_every_operator_gives_what_onnxruntime_gives(name, tmp_path):
    node, constants, shape = SINGLE[name]
    compare(saved(model_of([node], constants, shape), tmp_path), shape)


def test_shapes_and_weights_that_the_graph_computes_are_constants(tmp_path):
    nodes = [
        NODE("Shape", ["x"], ["shape"]),
        NODE("Constant", [], ["zero"], value_int=0),
        NODE("Gather", ["shape", "zero"], ["n"]),
        NODE("Unsqueeze", ["n", "first"], ["n1"]),
        NODE("Concat", ["n1", "rest"], ["target"], axis=0),
        NODE("Reshape", ["x", "target"], ["flat"]),
        NODE("Reshape", ["w", "sides"], ["w2"]),
        NODE("Transpose", ["w2"], ["wt"], perm=[1, 0]),
        NODE("MatMul", ["flat", "wt"], ["sum"]),
        NODE("Add", ["sum", "b"], ["y"]),
    ]
    constants = {"first": np.array([0]), "rest": np.array([-1]), "sides": np.array([3, 48]), "b": weights(RNG, 1, 3)}
    compare(saved(model_of(nodes, {"w": weights(RNG, 3, 2, 4, 6), **constants}, MAP), tmp_path), MAP)


def test_nodes_in_any_order_are_sorted_and_circles_refused(tmp_path):
    chain = [NODE("Relu", ["x"], ["a"]), NODE("Add", ["a", "x"], ["b"]), NODE("Add", ["b", "a"], ["y"])]
    compare(saved(model_of(chain[::-1], {}, MAP), tmp_path), MAP)
    circle = [NODE("Add", ["x", "c"], ["a"]), NODE("Relu", ["a"], ["c"]), NODE("Relu", ["c"], ["y"])]
    with pytest.raises(FormatError, match=r"node . .*: depends on its own result; the file is damaged"):
        read_onnx(saved(model_of(circle, {}, MAP), tmp_path))


@pytest.mark.parametrize("opset", [7, 9, 11, 13, 18, NEWEST])
def test_graphs_with_branches_in_every_opset(opset, tmp_path):
    nodes = [
        NODE("Conv", ["x", "a"], ["p"], pads=[1, 1, 1, 1], kernel_shape=[3, 3]),
        NODE("Relu", ["p"], ["q"]),
        NODE("Conv", ["q", "b"], ["r"], kernel_shape=[1, 1]),
        NODE("Add", ["r", "q"], ["s"]),
        NODE("Concat", ["s", "q"], ["t"], axis=1),
        NODE("GlobalAveragePool", ["t"], ["u"]),
        NODE("Flatten", ["u"], ["v"]),
        NODE("Gemm", ["v", "w", "c"], ["z"], transB=1),
        NODE("Softmax", ["z"], ["p_y"], axis=1),
        NODE("Identity", ["p_y"], ["y"]),
    ]
    constants = {
        "a": weights(RNG, 4, 2, 3, 3),
        "b": weights(RNG, 4, 4, 1, 1),
        "w": weights(RNG, 3, 8),
        "c": weights(RNG, 3),
    }
    compare(saved(model_of(nodes, constants, MAP, opset=opset), tmp_path), MAP)


class Net(nn.Module):
    """What users write: batch norm, a residual sum, view."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU())
        self.a, self.b = nn.Conv2d(8, 8, 3, padding=1, groups=8), nn.Conv2d(8, 8, 1)
        self.pool, self.drop, self.head = nn.MaxPool2d(3, 2, 1, ceil_mode=True), nn.Dropout(), nn.Linear(8 * 25, 5)

    def forward(self, x):
        x = self.stem((x - 0.5) / 0.25)
        x = self.pool(torch.relu(self.b(self.a(x)) + x))
        return self.head(self.drop(x.view(x.size(0), -1)))


@pytest.mark.parametrize("opset", [11, 17])
def test_models_that_pytorch_exports(opset, tmp_path):
    model, file = Net().eval(), io.BytesIO()
    model.stem[1].running_mean.normal_()
    axes = {"x": {0: "n"}}
    torch.onnx.export(
        model, (torch.zeros(1, 3, 8, 8),), file, opset_version=opset, dynamo=False, input_names=["x"], dynamic_axes=axes
    )
    compare(saved(file.getvalue(), tmp_path), (3, 8, 8), batch=3)


def test_open_axes_are_those_of_the_images(tmp_path):
    path = saved(model_of([NODE("GlobalAveragePool", ["x"], ["y"])], {}, (2, "H", "W")), tmp_path)
    assert compare(path, MAP, images=MAP).input_shape == MAP
    with pytest.raises(FormatError, match=r"its input 'x' leaves axes open: \(2, None, None\)"):
        read_onnx(path)
    with pytest.raises(FormatError, match=r"its input 'x' is \(2, None, None\); the images are \(3, 4, 6\)"):
        read_onnx(path, (3, 4, 6))


@pytest.mark.parametrize(
    ("sides", "images", "way"),
    [
        ((3, 4, 6), (4, 6, 3), "numpy.moveaxis(images, -1, 1)"),
        ((1, 4, 6), (4, 1, 6), "images[:, None]"),
        ((3, 4, 6), (3, 6, 4), None),
    ],
)
def test_images_with_other_axes_are_refused_with_what_mends_them(tmp_path, sides, images, way):
    path = saved(model_of([NODE("Relu", ["x"], ["y"])], {}, sides), tmp_path)
    with pytest.raises(FormatError, match=re.escape(f"is {sides}; the images are {images}")) as found:
        read_onnx(path, images)
    assert str(found.value).endswith(way or str(images))


def test_weights_in_files_beside_the_model(tmp_path):
    node, constants, shape = SINGLE["gemm"]
    path = tmp_path / "model.onnx"
    onnx.save_model(
        model_of([node], constants, shape), path, save_as_external_data=True, location="weights.bin", size_threshold=0
    )
    compare(path, shape)
    (tmp_path / "weights.bin").write_bytes(b"short")
    with pytest.raises(FormatError, match=r"the tensor w ends at byte 60 of weights\.bin, which has 5"):
        read_onnx(path)
    (tmp_path / "weights.bin").unlink()
    with pytest.raises(FormatError, match=r"weights\.bin: no such file; expected the data of the tensor w"):
        read_onnx(path)


@pytest.mark.parametrize("location", ["/etc/passwd", "../weights.bin", "a/../../b", ""])
def test_weights_elsewhere_are_refused(location, tmp_path):
    model = model_of([SINGLE["matmul"][0]], DENSE, (3,))
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    with pytest.raises(FormatError, match=r"the tensor w names '.*' for its data; expected a file beside the model"):
        read_onnx(saved(model, tmp_path))


CONV = NODE("Conv", ["x", "w"], ["y"], name="conv1")
KERNEL = {"w": weights(RNG, 4, 2, 3, 3)}
REFUSED = {
    "sigmoid": (
        NODE("Sigmoid", ["x"], ["y"], name="gate"),
        {},
        r"node 'gate' \(Sigmoid\): Sigmoid is not supported; the nearest is Relu",
    ),
    "relu6": (
        NODE("Clip", ["x", "a", "b"], ["y"]),
        {"a": np.float32(0), "b": np.float32(6)},
        r"node 0 \(Clip\): clips values to 0\.0 to 6\.0; the nearest is Relu",
    ),
    "clip below zero": (
        NODE("Clip", ["x", "a"], ["y"]),
        {"a": np.float32(-1)},
        r"clips values to -1\.0 to None; the nearest is Relu",
    ),
    "larger of one": (
        NODE("Max", ["x", "c"], ["y"]),
        {"c": np.float32(1)},
        "takes the larger of two values; the nearest is Relu",
    ),
    "class of a map": (NODE("ArgMax", ["x"], ["y"], axis=1), {}, r"works along axis 1 of \(2, 4, 6\)"),
    "weights as levels": (
        NODE("DequantizeLinear", ["q", "s"], ["y"]),
        {"q": np.zeros(3, np.int8), "s": np.float32(1)},
        "DequantizeLinear is not supported; the nearest is a float model",
    ),
    "transposed": (NODE("ConvTranspose", ["x", "w"], ["y"]), KERNEL, "the nearest is Conv$"),
    "unknown": (NODE("Hardmax", ["x"], ["y"]), {}, "Hardmax is not supported; supported are Add, ArgMax, AveragePool"),
    "gate": (NODE("Mul", ["x", "x"], ["y"]), {}, "multiplies two values of the images; the nearest is Add"),
    "wrong groups": (
        NODE("Conv", ["x", "w"], ["y"], group=2),
        KERNEL,
        r"weights \(4, 2, 3, 3\) in 2 groups do not fit",
    ),
    "zero stride": (
        NODE("Conv", ["x", "w"], ["y"], strides=[0, 1]),
        KERNEL,
        "kernel, strides and dilations are from 1",
    ),
    "too large": (NODE("Conv", ["x", "w"], ["y"], dilations=[5, 5]), KERNEL, "makes .* values of shape"),
    "huge padding": (
        NODE("MaxPool", ["x"], ["y"], kernel_shape=[1, 1], pads=[0, 0, 2**30, 2**30]),
        {},
        "makes .* values of shape",
    ),
    "channel pooling": (
        NODE("ReduceMean", ["x"], ["y"], axes=[1]),
        {},
        r"takes the mean over axes \[1\]; expected the map's, \[2, 3\]",
    ),
    "map of constants": (NODE("Add", ["x", "c"], ["y"]), {"c": weights(RNG, 4, 6)}, "expected one a channel"),
    "broken shape": (
        NODE("Reshape", ["x", "s"], ["y"]),
        {"s": np.array([0, 4, -1])},
        r"expected \[1, 48\]: a flat one",
    ),
    "not flat": (
        NODE("MatMul", ["x", "w"], ["y"]),
        {"w": weights(RNG, 6, 3)},
        r"do not fit its input \(2, 4, 6\); flatten it",
    ),
    "missing": (NODE("Relu", ["nothing"], ["y"]), {}, "its input 'nothing' is made by no node before it"),
    "divided by zero": (NODE("Div", ["x", "c"], ["y"]), {"c": np.float32(0)}, "divides by zero"),
    "reflected": (NODE("Pad", ["x", "p"], ["y"], mode="reflect"), {"p": np.zeros(8, np.int64)}, "pads by reflect"),
    "not finite": (CONV, {"w": KERNEL["w"] * np.float32("nan")}, "the tensor w holds values that are not finite"),
    "training": (
        NODE("BatchNormalization", ["x", "g", "g", "g", "g"], ["y"], training_mode=1),
        {"g": np.ones(2, np.float32)},
        "export it for inference",
    ),
    "foreign": (
        NODE("Fused", ["x"], ["y"], domain="com.microsoft"),
        {},
        "is of the domain 'com.microsoft'; expected operators of ONNX",
    ),
    "loop": (
        NODE("Scan", ["x"], ["y"], num_scan_inputs=1, body=helper.make_graph([], "g", [], [])),
        {},
        "attribute body is of kind GRAPH",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_supported_is_refused_with_its_node(name, tmp_path):
    node, constants, message = REFUSED[name]
    path = saved(model_of([node], constants, MAP), tmp_path)
    with pytest.raises(FormatError, match=message) as found:
        read_onnx(path)
    assert str(found.value).startswith(f"{path}: ")


def test_other_files_and_damaged_ones_are_refused(tmp_path):
    good = model_of([CONV], KERNEL, MAP)
    with pytest.raises(FormatError, match="no such file; expected an ONNX file"):
        read_onnx(tmp_path / "nothing.onnx")
    with pytest.raises(FormatError, match="damaged or not an ONNX file"):
        read_onnx(saved(good.SerializeToString()[:-40], tmp_path))
    with pytest.raises(FormatError, match="holds 0 nodes; expected an ONNX model"):
        read_onnx(saved(b"", tmp_path))
    old = model_of([CONV], KERNEL, MAP, opset=6)
    with pytest.raises(FormatError, match="is of opset 6; expected one from 7 to"):
        read_onnx(saved(old, tmp_path))
    with pytest.raises(FormatError, match=r"has 2 outputs \(y, z\); expected one"):
        read_onnx(saved(model_of([CONV], KERNEL, MAP, outputs=("y", "z")), tmp_path))
    good.graph.initializer[0].dims[0] = 2**40
    with pytest.raises(FormatError, match="the tensor w would bring what is made of the file"):
        read_onnx(saved(good, tmp_path))


@given(data=st.data())
def test_damaged_bytes_give_a_sentence_or_a_model(tmp_path_factory, data):
    content = bytearray(model_of([CONV, NODE("Relu", ["y"], ["z"])], KERNEL, MAP, outputs=("z",)).SerializeToString())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        read_onnx(saved(bytes(content), tmp_path_factory.mktemp("damaged")))
    except FormatError as error:
        assert "\n" not in str(error)
