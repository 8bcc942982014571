"""ATen calls of a program -> operations: which calls there are, and what stands nearest to those that are refused."""

from collections.abc import Callable

from spikeport.export.errors import FormatError
from spikeport.toolchain.importing import aten_layers, aten_values
from spikeport.toolchain.importing.constants import computed
from spikeport.toolchain.importing.operations import Operation
from spikeport.toolchain.importing.program import Call, Program, Ref, refs
from spikeport.toolchain.importing.translation import Translation

SILENT = ("_assert_tensor_metadata", "_assert_scalar", "sym_size", "sym_constrain_range_for_size", "_assert_async")
"""Calls that check sizes and give nothing."""
_RELU = "torch.nn.ReLU"
_NORM = "torch.nn.BatchNorm2d"
NEAREST = {
    **dict.fromkeys(("gelu", "silu", "elu", "selu", "celu", "mish", "softplus", "tanh", "hardtanh", "relu6"), _RELU),
    **dict.fromkeys(("leaky_relu", "rrelu", "prelu", "hardswish", "hardsigmoid", "log_sigmoid", "square"), _RELU),
    **dict.fromkeys(("group_norm", "layer_norm", "instance_norm", "local_response_norm", "rms_norm"), _NORM),
    **dict.fromkeys(("native_group_norm", "native_layer_norm", "linalg_vector_norm"), _NORM),
    **dict.fromkeys(
        ("chunk", "split", "split_with_sizes", "unbind", "select", "channel_shuffle"), "torch.cat and groups"
    ),
    **dict.fromkeys(("conv3d", "conv_transpose1d", "conv_transpose2d"), "torch.nn.Conv2d or torch.nn.Conv1d"),
    **dict.fromkeys(("lstm", "gru", "rnn_tanh", "rnn_relu", "embedding"), "convolutions and linear layers"),
    "scaled_dot_product_attention": "convolutions and linear layers",
    **dict.fromkeys(
        ("zeros", "ones", "full", "zeros_like", "ones_like", "arange", "rand", "randn"), "a buffer of the module"
    ),
    **dict.fromkeys(
        ("upsample_nearest2d", "upsample_bilinear2d", "pixel_shuffle"), "a network without larger maps behind"
    ),
    **dict.fromkeys(("expand", "expand_as", "repeat"), "sums of values, without squeeze-and-excitation or attention"),
    "bmm": "torch.nn.Linear with weights of its own",
    "max_unpool2d": "average pooling",
}
"""What a spiking network has in place of a call."""
LAYERS = {
    **dict.fromkeys(("LocalResponseNorm", "CrossMapLRN2d", "RMSNorm"), _NORM),
    **dict.fromkeys(("ReLU6", "Softsign", "Softshrink", "Hardshrink", "Tanhshrink", "GLU", "Threshold"), _RELU),
    **dict.fromkeys(("LSTM", "GRU", "RNN", "MultiheadAttention", "Bilinear"), "convolutions and linear layers"),
    "LPPool2d": "torch.nn.AvgPool2d",
}
"""What stands nearest to layers of torch whose calls alone would not say it."""


def operations(program: Program) -> tuple[list[Operation], str]:
    """Return the operations of a program and the name of its output.

    `FormatError` names the place of what no spiking network holds.
    """
    translation = Translation(program)
    for call in program.calls:
        if call.operation in SILENT:
            continue
        if _is_constant(call, translation):
            translation.constants[call.name] = computed(call, translation.constants)
        else:
            _translate(call, translation)
    if program.output not in translation.names:
        raise FormatError("the network's output does not depend on its input; expected logits")
    return translation.operations, translation.names[program.output]


def _is_constant(call: Call, translation: Translation) -> bool:
    """Return whether a call reads constants alone."""
    found = list(refs([*call.arguments.values()]))
    return bool(found) and all(ref.name in translation.constants for ref in found)


def _translate(call: Call, translation: Translation) -> None:
    layer = call.place.rpartition("torch.nn.")[2].removesuffix(")")
    function = CALLS.get(call.operation)
    if layer in LAYERS or function is None:
        nearest = LAYERS.get(layer) or NEAREST.get(call.operation, "layers that docs/own_networks.md lists")
        raise FormatError(f"{call.place}: {call.operation} has no form in spikes; expected {nearest}")
    function(translation, call)
    if call.in_place:
        changed = call.arguments.get("self", call.arguments.get("input"))
        assert isinstance(changed, Ref)
        translation.changed(changed, call)


_Handler = Callable[[Translation, Call], None]
CALLS: dict[str, _Handler] = {**aten_layers.CALLS, **aten_values.CALLS}
"""What is done with a call, by its operation."""
