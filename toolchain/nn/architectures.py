"""The architectures of the papers as specifications: a recipe's [network] table names one and its sizes."""

from collections.abc import Callable
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from spikeport.export.errors import RecipeError
from spikeport.toolchain.nn.specification import (
    INPUT,
    READOUT,
    Convolution,
    Linear,
    Node,
    Projection,
    Shape,
    Specification,
)

Count = Annotated[int, Meta(ge=1, le=100_000)]


class _Architecture(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="architecture"):
    """What all architectures share: ``steps`` is T."""

    steps: Count = 8


class Vgg(_Architecture, frozen=True, kw_only=True, tag="vgg"):
    """Channels of 3x3 convolutions, 'P' for 2x2 average pooling, then the widths of a dense head.

    Source: Simonyan and Zisserman, ICLR 2015; average instead of maximum pooling as spiking networks need.
    """

    plan: tuple[Count | Literal["P"], ...]
    head: tuple[Count, ...]


class WideResNet(_Architecture, frozen=True, kw_only=True, tag="wide_resnet"):
    """Pre-activation wide residual network of ``depth`` 6n + 4 and widening factor ``width``.

    Source: Zagoruyko and Komodakis, BMVC 2016. Where the shape changes, the 1x1 shortcut starts at the activation.
    """

    depth: Count = 28
    width: Count = 4
    channels: Count = 16


class SewResNet(_Architecture, frozen=True, kw_only=True, tag="sew_resnet"):
    """Spike-element-wise residual network with ADD: spikes of both branches are added up.

    Source: Fang et al., NeurIPS 2021; 3x3 stem, ``blocks`` basic blocks at each of four resolutions.
    """

    blocks: tuple[Count, ...] = (2, 2, 2, 2)
    channels: Count = 64


Architecture = Vgg | WideResNet | SewResNet
VGG11 = (64, "P", 128, "P", 256, 256, "P", 512, 512, "P", 512, 512)
VGG16 = (64, 64, "P", 128, 128, "P", 256, 256, 256, "P", 512, 512, 512, "P", 512, 512, 512)
WRN_FIXED_LAYERS, WRN_LAYERS_A_BLOCK = 4, 6


def specify(
    architecture: Architecture, *, classes: int, input_shape: Shape, mean: tuple[float, ...], std: tuple[float, ...]
) -> Specification:
    """Return the specification of an architecture for images of ``input_shape`` (C, H, W)."""
    build: dict[type, Callable[..., list[Node]]] = {Vgg: _vgg, WideResNet: _wide_resnet, SewResNet: _sew_resnet}
    nodes = build[type(architecture)](architecture, classes, min(input_shape[1:]))
    specification = Specification(input_shape=input_shape, mean=mean, std=std, nodes=tuple(nodes))
    _check_sizes(architecture, specification)
    return specification


def _check_sizes(architecture: Architecture, specification: Specification) -> None:
    """Refuse a network without neurons, and one whose pooling or strides leave nothing of an image."""
    key = {Vgg: "plan", WideResNet: "depth", SewResNet: "blocks"}[type(architecture)]
    if all(node.kind != "neurons" for node in specification.nodes):
        raise RecipeError(f"[network] {key}: the network has no neurons; expected one layer at least")
    shapes, (_, height, width) = specification.shapes(), specification.input_shape
    for node in specification.nodes:
        pooled = [side // p.pooling for p in node.projections for side in shapes[p.source][1:]]
        if min(*pooled, *shapes[node.name]) < 1:
            raise RecipeError(
                f"[network] {key}: nothing is left of an image of {height}x{width} pixels at {node.name!r}; "
                "pool less often"
            )


def _vgg(architecture: Vgg, classes: int, _side: int) -> list[Node]:
    nodes: list[Node] = []
    last, pooling, count = INPUT, 1, 0
    for entry in architecture.plan:
        if entry == "P":
            pooling *= 2
            continue
        count += 1
        projection = Projection(source=last, pooling=pooling, synapses=Convolution(channels=int(entry)), norm=True)
        nodes.append(Node(name=f"conv{count}", projections=(projection,)))
        last, pooling = f"conv{count}", 1
    for index, width in enumerate(architecture.head, 1):
        projection = Projection(source=last, pooling=pooling, synapses=Linear(features=width))
        nodes.append(Node(name=f"dense{index}", projections=(projection,)))
        last, pooling = f"dense{index}", 1
    return [*nodes, _readout(last, classes, pooling)]


def _wide_resnet(architecture: WideResNet, classes: int, side: int) -> list[Node]:
    blocks, rest = divmod(architecture.depth - WRN_FIXED_LAYERS, WRN_LAYERS_A_BLOCK)
    if rest or blocks < 1:
        raise RecipeError(f"network.depth is {architecture.depth}; expected 6n + 4: 10, 16, 22, 28, ...")
    channels = architecture.channels
    stem = Projection(source=INPUT, synapses=Convolution(channels=channels))
    nodes = [Node(name="stem", kind="stream", projections=(stem,))]
    for group in range(3):
        wide = architecture.channels * architecture.width * 2**group
        for index in range(blocks):
            stride = 2 if group and index == 0 else 1
            nodes += _pre_activation(f"block{group + 1}_{index + 1}", nodes[-1].name, channels, wide, stride)
            channels = wide
    last = Node(name="last", projections=(Projection(source=nodes[-1].name, norm=True),))
    return [*nodes, last, _readout(last.name, classes, -(-side // 4))]


def _pre_activation(name: str, stream: str, channels: int, wide: int, stride: int) -> list[Node]:
    first, second = f"{name}_a", f"{name}_b"
    plain = Projection(source=stream)
    if channels != wide or stride != 1:
        plain = Projection(source=first, synapses=Convolution(channels=wide, kernel=1, stride=stride))
    return [
        Node(name=first, projections=(Projection(source=stream, norm=True),)),
        Node(
            name=second,
            projections=(Projection(source=first, synapses=Convolution(channels=wide, stride=stride), norm=True),),
        ),
        Node(
            name=name,
            kind="stream",
            projections=(Projection(source=second, synapses=Convolution(channels=wide)), plain),
        ),
    ]


def _sew_resnet(architecture: SewResNet, classes: int, side: int) -> list[Node]:
    channels = architecture.channels
    if not architecture.blocks:
        raise RecipeError("[network] blocks: is empty; expected the number of blocks of one resolution at least")
    stem = Projection(source=INPUT, synapses=Convolution(channels=channels), norm=True)
    nodes = [Node(name="stem", projections=(stem,))]
    for stage, blocks in enumerate(architecture.blocks):
        wide = architecture.channels * 2**stage
        for index in range(blocks):
            stride = 2 if stage and index == 0 else 1
            nodes += _sew_block(f"block{stage + 1}_{index + 1}", nodes[-1].name, channels, wide, stride)
            channels = wide
    return [*nodes, _readout(nodes[-1].name, classes, -(-side // 2 ** (len(architecture.blocks) - 1)))]


def _sew_block(name: str, before: str, channels: int, wide: int, stride: int) -> list[Node]:
    first, second, shortcut = f"{name}_a", f"{name}_b", f"{name}_c"
    changed = Convolution(channels=wide, stride=stride)
    nodes = [
        Node(name=first, projections=(Projection(source=before, synapses=changed, norm=True),)),
        Node(name=second, projections=(Projection(source=first, synapses=Convolution(channels=wide), norm=True),)),
    ]
    if channels != wide or stride != 1:
        down = Convolution(channels=wide, kernel=1, stride=stride)
        nodes.append(Node(name=shortcut, projections=(Projection(source=before, synapses=down, norm=True),)))
        before = shortcut
    return [*nodes, Node(name=name, kind="stream", projections=(Projection(source=second), Projection(source=before)))]


def _readout(last: str, classes: int, pooling: int) -> Node:
    projection = Projection(source=last, pooling=pooling, synapses=Linear(features=classes))
    return Node(name=READOUT, kind="readout", projections=(projection,))
