"""Convolutions that follow each other as one, and the one way in which an equal convolution is always written.

Along an axis, a convolution of stride s, padding p and dilation d joins output j over tap a with input
``s j + d a - p``. A second one (S, P, D, taps b) behind it joins output j with input

    s (S j + D b - P) + d a - p = s S j + (s D b + d a) - (s P + p),

a convolution of stride ``s S`` and padding ``s P + p``, over all channels between: ``K[q, c, t]`` is the sum of
``K2[q, o, b] K1[o, c, a]`` over o and all ``s D b + d a = t``. It is exact where what the second one reads outside of
the map between, which is zero, would read nothing of the source either.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from spikeport.export.errors import NetworkError
from spikeport.export.network import Array, Convolution, Dense, Pair, Reshape, Shape, Stage
from spikeport.export.network.stages import PADDING_PER_REACH

Ints = npt.NDArray[np.int64]


def with_few_axes(stages: Sequence[Stage], shape: Shape, target: Shape) -> tuple[Stage, ...]:
    """Return the stages from ``shape`` to ``target`` without changes of axes that nobody sees.

    Dense synapses read any axes, and so does a target of another number of axes.
    """
    kept: list[Stage] = []
    before = shape
    for stage in stages:
        if isinstance(stage, Dense | Reshape) and kept and isinstance(kept[-1], Reshape):
            kept.pop()
        elif isinstance(stage, Reshape):
            before = shape
        kept.append(stage)
        shape = stage.output_shape(shape)
    if kept and isinstance(kept[-1], Reshape) and (len(before) != len(target) or before == target):
        kept.pop()
    return tuple(kept)


def composed(stages: Sequence[Convolution], shape: Shape, *, most: int) -> Convolution | None:
    """Return the convolution that gives what ``stages`` give in a row of any source of ``shape``.

    None where it has more than ``most`` weights, or where there is none of the kernel of all products: zeros around a
    map between two stages stand where the source has values.
    """
    products, shapes = [stages[0]], [shape]
    for stage in stages[1:]:
        shapes.append(stages[len(shapes) - 1].output_shape(shapes[-1]))
        if _product_size(products[-1], stage) > most:
            return None
        products.append(_product(products[-1], stage))
    outputs = stages[-1].output_shape(shapes[-1])
    exact = all(_is_exact(stages, products, (*shapes, outputs), axis) for axis in (0, 1))
    return canonical(products[-1], shape, outputs) if exact else None


def canonical(stage: Convolution, shape: Shape, outputs: Shape) -> Convolution:
    """Return the same convolution from ``shape`` to ``outputs``, as all of its stride that are equal to it are written.

    1. Taps that read nothing but padding are left out, and so are those without a weight at the kernel's borders.
    2. The dilation is the largest step that meets all other taps; the stride of a single output is the least.
    3. There are as many groups as the weights allow.
    """
    reached = [np.flatnonzero(_reached(stage, axis, shape, outputs)) for axis in (0, 1)]
    used = stage.weight[:, :, reached[0][:, None], reached[1]] != 0
    taps = [reached[axis][used.any(axis=(0, 1, 3 - axis))] for axis in (0, 1)]
    rows, columns = (_window(stage, axis, taps[axis], shape, outputs) for axis in (0, 1))
    if rows is None or columns is None:
        return stage
    weight = np.zeros((*stage.weight.shape[:2], rows.size, columns.size), stage.weight.dtype)
    places = [window.places(stage, axis, taps[axis]) for axis, window in enumerate((rows, columns))]
    weight[:, :, places[0][:, None], places[1]] = stage.weight[:, :, taps[0][:, None], taps[1]]
    return _regrouped(
        replace(
            stage,
            weight=weight,
            stride=(rows.stride, columns.stride),
            padding=(rows.padding, columns.padding),
            dilation=(rows.dilation, columns.dilation),
        )
    )


@dataclass(frozen=True, kw_only=True)
class _Window:
    """Where the taps of a kernel lie along an axis, and how far its outputs are apart."""

    stride: int
    padding: int
    dilation: int
    size: int

    def places(self, stage: Convolution, axis: int, taps: Ints) -> Ints:
        """Return where the taps of ``stage`` come to lie."""
        return (_offsets(stage, axis, taps) + self.padding) // self.dilation


def _offsets(stage: Convolution, axis: int, taps: Ints) -> Ints:
    """Return the position that each tap reads for output zero."""
    return taps * stage.dilation[axis] - stage.padding[axis]


def _reached(stage: Convolution, axis: int, shape: Shape, outputs: Shape) -> npt.NDArray[np.bool_]:
    """Return for every tap of an axis whether any output reads a position of the source over it."""
    offsets = _offsets(stage, axis, np.arange(stage.weight.shape[axis + 2]))
    first = np.maximum(0, -(offsets // stage.stride[axis]))
    last = np.minimum(outputs[axis + 1] - 1, (shape[axis + 1] - 1 - offsets) // stage.stride[axis])
    return np.asarray(first <= last)


def _window(stage: Convolution, axis: int, taps: Ints, shape: Shape, outputs: Shape) -> _Window | None:
    """Return the smallest window with ``taps`` and the same number of outputs."""
    offsets = _offsets(stage, axis, taps) if taps.size else np.zeros(1, np.int64)
    step = int(np.gcd.reduce(offsets - offsets[0])) or 1
    for dilation in _divisors(step):
        found = _fitted(offsets, dilation, stage.stride[axis], shape[axis + 1], outputs[axis + 1])
        if found:
            return found
    return None


def _fitted(offsets: Ints, dilation: int, stride: int, side: int, outputs: int) -> _Window | None:
    """Return the smallest window of a dilation; None where none of it gives so many outputs.

    A window from -p to e gives ``(side + p - e - 1) // stride + 1`` outputs, and p is bounded by its size. Where zeros
    have to stay behind the last tap, the window becomes a multiple of the stride if it can, so that weights that repeat
    over windows still do.
    """
    first, last = int(offsets[0]), int(offsets[-1])
    span = stride * (outputs - 1)
    least = max(0, -first, last - side + 1 + span, -(PADDING_PER_REACH * (side - span) // (2 * PADDING_PER_REACH - 1)))
    padding = least + (-first - least) % dilation
    most = side + padding - 1 - span
    end = max(last, -(-padding // PADDING_PER_REACH) - padding - 1)
    end += (last - end) % dilation
    if outputs == 1:
        stride = max(1, side + padding - end)
    end = max(end, side + padding - stride * outputs)
    end += (last - end) % dilation
    if end > last and dilation == 1 and end + (-(end + padding + 1)) % stride <= most:
        end += (-(end + padding + 1)) % stride
    if end > most:
        return None
    return _Window(stride=stride, padding=padding, dilation=dilation, size=(end + padding) // dilation + 1)


def _divisors(number: int) -> list[int]:
    """Return all divisors, the largest first."""
    low = [each for each in range(1, math.isqrt(number) + 1) if number % each == 0]
    return sorted({*low, *(number // each for each in low)}, reverse=True)


def _regrouped(stage: Convolution) -> Convolution:
    """Return the convolution with as many groups as its weights allow."""
    outputs, inside = stage.weight.shape[:2]
    joined = (stage.weight != 0).any(axis=(2, 3))
    group = np.arange(outputs) * stage.groups // outputs
    first = group * inside + joined.argmax(axis=1)
    last = (group + 1) * inside - 1 - joined[:, ::-1].argmax(axis=1)
    used, number = joined.any(axis=1), np.arange(outputs)
    sources = inside * stage.groups
    for count in _divisors(math.gcd(outputs, sources)):
        if count % stage.groups:
            continue
        own = number * count // outputs
        if np.all(((first * count // sources == own) & (last * count // sources == own)) | ~used):
            begin = own * (sources // count) - group * inside
            columns = begin[:, None] + np.arange(sources // count)
            weight = np.take_along_axis(stage.weight, columns[:, :, None, None], axis=1)
            return replace(stage, weight=weight, groups=count)
    return stage


def _product_size(first: Convolution, second: Convolution) -> int:
    """Return how many weights the product of two convolutions has."""
    groups = math.gcd(first.groups, second.groups)
    inputs: int = first.weight.shape[1] * first.groups // groups
    return len(second.weight) * inputs * math.prod(_steps(first, second, axis)[3] for axis in (0, 1))


def _steps(first: Convolution, second: Convolution, axis: int) -> tuple[int, int, int, int]:
    """Return the dilation of a product, the steps in it from tap to tap of each factor, and how many taps it has."""
    sizes = [stage.weight.shape[axis + 2] for stage in (first, second)]
    inner, outer = first.dilation[axis], first.stride[axis] * second.dilation[axis]
    dilation = math.gcd(inner * (sizes[0] > 1), outer * (sizes[1] > 1)) or 1
    taps = ((sizes[0] - 1) * inner + (sizes[1] - 1) * outer) // dilation + 1
    return dilation, max(1, inner // dilation), outer // dilation, taps


def _product(first: Convolution, second: Convolution) -> Convolution:
    groups = math.gcd(first.groups, second.groups)
    if first.groups % second.groups and second.groups % first.groups:
        first = _ungrouped(first, groups)
    parts = max(1, first.groups // second.groups)
    between = len(first.weight) // (second.groups * parts)
    inside, *sides = first.weight.shape[1:]
    inner = first.weight.reshape(second.groups, parts, between, -1)
    outer = second.weight.reshape(second.groups, -1, parts, between, *second.weight.shape[2:]).swapaxes(1, 2)
    steps = [_steps(first, second, axis) for axis in (0, 1)]
    weight = np.zeros((second.groups, parts, outer.shape[2], inside, steps[0][3], steps[1][3]))
    for row, column in np.argwhere(second.weight.any(axis=(0, 1))).tolist():
        places = tuple(
            slice(at * outer_step, at * outer_step + (side - 1) * inner_step + 1, inner_step)
            for at, side, (_, inner_step, outer_step, _) in zip((row, column), sides, steps, strict=True)
        )
        taps = np.matmul(outer[..., row, column], inner)
        weight[..., places[0], places[1]] += taps.reshape(*taps.shape[:3], inside, *sides)
    return Convolution(
        weight=weight.swapaxes(1, 2).reshape(len(second.weight), parts * inside, *weight.shape[4:]),
        stride=_pair(a * b for a, b in zip(first.stride, second.stride, strict=True)),
        padding=_pair(p + s * q for p, s, q in zip(first.padding, first.stride, second.padding, strict=True)),
        dilation=(steps[0][0], steps[1][0]),
        groups=groups,
    )


def _pair(numbers: Iterator[int]) -> Pair:
    rows, columns = numbers
    return rows, columns


def _ungrouped(stage: Convolution, groups: int) -> Convolution:
    """Return the same convolution of fewer groups, zeros filled in."""
    outputs, inside, *sides = stage.weight.shape
    each, number = stage.groups // groups, np.arange(stage.groups // groups)
    weight = np.zeros((groups, each, outputs // stage.groups, each, inside, *sides))
    blocks = stage.weight.reshape(groups, each, outputs // stage.groups, inside, *sides)
    weight[:, number, :, number] = blocks.swapaxes(0, 1)
    return replace(stage, weight=weight.reshape(outputs, each * inside, *sides), groups=groups)


def _is_exact(stages: Sequence[Convolution], products: list[Convolution], shapes: Sequence[Shape], axis: int) -> bool:
    """Return whether positions outside of the maps between stages, as far as they are read, read nothing of the source.

    ``products`` are those of all stages up to each; ``shapes`` those of the source and behind each stage.
    """
    side, read = shapes[0][axis + 1], np.ones(shapes[-1][axis + 1], np.bool_)
    for number in range(len(stages) - 1, 0, -1):
        read, outside = _read(stages[number], axis, read, shapes[number][axis + 1])
        before = products[number - 1]
        for offset in _offsets(before, axis, _used(before, axis)).tolist():
            reached = outside * before.stride[axis] + offset
            if np.any((reached >= 0) & (reached < side)):
                return False
    return True


def _used(stage: Convolution, axis: int) -> Ints:
    return np.flatnonzero((stage.weight != 0).any(axis=(0, 1, 3 - axis)))


def _read(
    stage: Convolution, axis: int, outputs: npt.NDArray[np.bool_], side: int
) -> tuple[npt.NDArray[np.bool_], Ints]:
    """Return which positions of a source of ``side`` the given outputs read, and the positions outside of it."""
    border, starts = stage.padding[axis], np.flatnonzero(outputs) * stage.stride[axis]
    marks = np.zeros(side + 2 * border, np.bool_)
    for tap in (_used(stage, axis) * stage.dilation[axis]).tolist():
        marks[starts + tap] = True
    inside = slice(border, border + side)
    outside = marks.copy()
    outside[inside] = False
    return marks[inside], np.flatnonzero(outside) - border


def shared(matrix: Array, source: Shape, target: Shape, stride: Pair) -> Convolution | None:
    """Return the convolution of a stride whose matrix (targets, sources) this is, up to rounding; None without one."""
    spans = [step * (outputs - 1) for step, outputs in zip(stride, target[1:], strict=True)]
    sides = [side + span for side, span in zip(source[1:], spans, strict=True)]
    shape = (target[0], source[0], *sides)
    if math.prod(shape) > matrix.size:
        return None
    rows, weight, known = matrix.reshape(*target, *source), np.zeros(shape), np.zeros(sides, np.bool_)
    tolerance = 1e-12 * np.abs(matrix).max()
    for y, x in np.ndindex(*target[1:]):
        begin = spans[0] - y * stride[0], spans[1] - x * stride[1]
        place = tuple(slice(first, first + side) for first, side in zip(begin, source[1:], strict=True))
        here, found = weight[:, :, place[0], place[1]], rows[:, y, x]
        if np.any(np.abs(here - found) > tolerance, where=known[place]):
            return None
        here[...] = found
        known[place] = True
    try:
        return canonical(Convolution(weight=weight, stride=stride, padding=(spans[0], spans[1])), source, target)
    except NetworkError:
        return None
