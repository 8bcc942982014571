"""ATen calls of layers: convolution, linear, batch norm, pooling, ReLU."""

from collections.abc import Callable
from dataclasses import replace

from spikeport.toolchain.importing.operations import Borders, Kind, Pair, Settings, square
from spikeport.toolchain.importing.program import Call, Ref
from spikeport.toolchain.importing.translation import Translation, pair

BATCHED = {"1d": 3, "2d": 4}


def _convolution(translation: Translation, call: Call) -> None:
    ref, weight = translation.value(call), translation.constant(call, "weight")
    assert weight is not None
    if call.arguments.get("transposed"):
        raise translation.refused(call, "is a transposed convolution", "torch.nn.Conv2d")
    _check_batched(translation, call, ref, weight.ndim)
    if weight.ndim == 3:
        weight = weight[:, :, None, :]
        call = replace(call, target="conv1d.default")
    dilation = pair(call, "dilation", 1)
    settings = Settings(
        stride=pair(call, "stride", 1),
        padding=_padding(call, (weight.shape[2], weight.shape[3]), dilation),
        dilation=dilation,
        groups=int(call.arguments.get("groups", 1)),
    )
    arrays = {"weight": weight, "bias": translation.constant(call, "bias")}
    translation.add(call, "convolution", [ref], arrays, settings, translation.parameters(call))


def _padding(call: Call, kernel: Pair, dilation: Pair) -> Borders:
    """Return the borders of a convolution; 'same' puts an odd one behind the map."""
    value = call.arguments.get("padding", 0)
    if not isinstance(value, str):
        return square(pair(call, "padding", 0))
    if value == "valid":
        return (0, 0, 0, 0)
    rows, columns = (step * (size - 1) for size, step in zip(kernel, dilation, strict=True))
    return (rows // 2, rows - rows // 2, columns // 2, columns - columns // 2)


def _check_batched(translation: Translation, call: Call, ref: Ref, axes: int) -> None:
    """Refuse a layer that takes its input as one image without a batch."""
    found = len(translation.shape(ref))
    if found != axes:
        raise translation.refused(
            call, f"gets {found} axes", f"{axes}, the batch first: give the example as example[None] where it has none"
        )


def _linear(translation: Translation, call: Call) -> None:
    ref, weight = translation.value(call), translation.constant(call, "weight")
    _check_flat(translation, call, ref)
    arrays = {"weight": weight, "bias": translation.constant(call, "bias")}
    translation.add(call, "linear", [ref], arrays, parameters=translation.parameters(call))


def _check_flat(translation: Translation, call: Call, ref: Ref) -> None:
    shape = translation.shape(ref)
    if len(shape) != 2:
        raise translation.refused(
            call,
            f"acts on the last of {len(shape)} axes",
            "a value of shape (N, features): torch.nn.Flatten before it, or a convolution with a kernel of 1",
        )


def _matmul(translation: Translation, call: Call) -> None:
    other = call.arguments.get("other", call.arguments.get("mat2"))
    ref = translation.value(call)
    if not isinstance(other, Ref) or other.name not in translation.constants:
        raise translation.refused(call, "multiplies two values of the network", "torch.nn.Linear")
    _check_flat(translation, call, ref)
    weight = translation.constant(replace(call, arguments={"weight": other}), "weight")
    assert weight is not None
    translation.add(call, "linear", [ref], {"weight": weight.T}, parameters=translation.parameters(call, "other"))


def _addmm(translation: Translation, call: Call) -> None:
    ref, weight = translation.value(call, "mat1"), translation.constant(call, "mat2")
    if call.arguments.get("alpha", 1) != 1 or call.arguments.get("beta", 1) != 1 or weight is None:
        raise translation.refused(call, "has factors alpha and beta", "torch.nn.Linear")
    _check_flat(translation, call, ref)
    arrays = {"weight": weight.T, "bias": translation.constant(call, "self")}
    translation.add(call, "linear", [ref], arrays, parameters=translation.parameters(call, "mat2"))


def _batch_norm(translation: Translation, call: Call) -> None:
    ref = translation.value(call, "input")
    arguments = call.arguments
    if arguments.get("training") or arguments.get("running_mean") is None:
        raise translation.refused(
            call,
            "takes the statistics of each batch",
            "track_running_stats=True, and a trained model in evaluation mode",
        )
    arrays = {
        "mean": translation.constant(call, "running_mean"),
        "variance": translation.constant(call, "running_var"),
        "weight": translation.constant(call, "weight"),
        "bias": translation.constant(call, "bias"),
    }
    settings = Settings(eps=float(arguments["eps"]), momentum=float(arguments["momentum"]))
    translation.add(call, "batch_norm", [ref], arrays, settings, translation.parameters(call, "running_mean"))


def _pooling(kind: Kind) -> Callable[[Translation, Call], None]:
    def handler(translation: Translation, call: Call) -> None:
        ref = translation.value(call)
        _check_batched(translation, call, ref, 3 if "1d" in call.operation else 4)
        kernel = pair(call, "kernel_size", 1)
        divisor = call.arguments.get("divisor_override")
        settings = Settings(
            kernel=kernel,
            stride=pair(call, "stride", kernel),
            padding=square(pair(call, "padding", 0)),
            dilation=pair(call, "dilation", 1),
            ceil=bool(call.arguments.get("ceil_mode", False)),
            count_padding=bool(call.arguments.get("count_include_pad", True)),
            divisor=None if divisor is None else int(divisor),
        )
        translation.add(call, kind, [ref], settings=settings)

    return handler


def _adaptive(kind: Kind) -> Callable[[Translation, Call], None]:
    def handler(translation: Translation, call: Call) -> None:
        ref = translation.value(call)
        _check_batched(translation, call, ref, 3 if "1d" in call.operation else 4)
        translation.add(call, kind, [ref], settings=Settings(output=pair(call, "output_size", 1)))

    return handler


def _relu(translation: Translation, call: Call) -> None:
    translation.add(call, "relu", [translation.value(call)])


def _clamped(translation: Translation, call: Call) -> None:
    """Clamp from below at zero, and threshold at zero, are ReLU."""
    arguments = call.arguments
    low, high = arguments.get("min", arguments.get("threshold")), arguments.get("max", arguments.get("value") or None)
    if low != 0 or high is not None:
        raise translation.refused(call, f"{call.operation} has no form in spikes", "torch.nn.ReLU")
    _relu(translation, call)


def _ended(translation: Translation, call: Call) -> None:
    translation.add(call, "softmax", [translation.value(call)])


def _dropout(translation: Translation, call: Call) -> None:
    ref = translation.value(call)
    if call.arguments.get("train"):
        raise translation.refused(call, "drops values at inference", "F.dropout(x, training=self.training)")
    translation.add(call, "dropout", [ref])


CALLS = {
    **dict.fromkeys(("conv1d", "conv2d", "convolution"), _convolution),
    "linear": _linear,
    **dict.fromkeys(("matmul", "mm"), _matmul),
    "addmm": _addmm,
    **dict.fromkeys(("batch_norm", "_native_batch_norm_legit_no_training", "native_batch_norm"), _batch_norm),
    **dict.fromkeys(("avg_pool1d", "avg_pool2d"), _pooling("average_pooling")),
    **dict.fromkeys(
        ("max_pool1d", "max_pool2d", "max_pool1d_with_indices", "max_pool2d_with_indices"), _pooling("max_pooling")
    ),
    **dict.fromkeys(("adaptive_avg_pool1d", "adaptive_avg_pool2d"), _adaptive("adaptive_average_pooling")),
    **dict.fromkeys(("adaptive_max_pool1d", "adaptive_max_pool2d"), _adaptive("adaptive_max_pooling")),
    "relu": _relu,
    **dict.fromkeys(("clamp", "clamp_min", "threshold"), _clamped),
    **dict.fromkeys(("softmax", "log_softmax", "_softmax", "_log_softmax", "sigmoid"), _ended),
    **dict.fromkeys(("dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout"), _dropout),
}
"""What is done with a call of a layer, by its operation."""
