"""Windows of pooling as a specification holds them: borders instead of rounding up, windows instead of output sizes."""

from itertools import pairwise

from spikeport.export.errors import FormatError
from spikeport.toolchain.importing.operations import Borders, Operation, Pair, Settings
from spikeport.toolchain.nn.specification import Shape


def adapted(operation: Operation, shape: Shape) -> Settings:
    """Return kernel and stride of an adaptive pooling.

    Output i of o over n values reads from floor(i n / o) to ceil((i + 1) n / o); these are windows of one size at one
    stride where o divides n, and in some other cases.
    """
    found = [_window(side, size) for side, size in zip(shape[1:], operation.settings.output, strict=True)]
    if any(window is None for window in found):
        sides, wanted = _text(shape[1:]), _text(operation.settings.output)
        nearest = _text(tuple(map(_nearest, shape[1:], operation.settings.output)))
        raise FormatError(
            f"{operation.place}: makes {wanted} of maps of {sides} by windows of different sizes, or more values than "
            f"there are; expected an output that divides {sides}: {nearest}"
        )
    (rows, row_step), (columns, column_step) = (window for window in found if window is not None)
    return Settings(kernel=(rows, columns), stride=(row_step, column_step))


def _window(side: int, size: int) -> Pair | None:
    """Return the size and the stride of all windows, or None where they differ."""
    starts = [index * side // size for index in range(size)]
    sizes = {-(-(index + 1) * side // size) - start for index, start in enumerate(starts)}
    steps = {after - before for before, after in pairwise(starts)} or {side}
    if len(sizes) != 1 or len(steps) != 1 or steps == {0}:
        return None
    return sizes.pop(), steps.pop()


def _nearest(side: int, size: int) -> int:
    """Return the divisor of ``side`` next to ``size``."""
    return min((each for each in range(1, side + 1) if side % each == 0), key=lambda each: (abs(each - size), each))


def rounded_up(settings: Settings, shape: Shape) -> Borders:
    """Return the padding with the rows and columns that a pooling reads beyond it where it rounds its size up."""
    top, bottom, left, right = settings.padding
    if not settings.ceil:
        return settings.padding
    added = [
        _beyond(side, size, step, before, after)
        for side, size, step, before, after in (
            (shape[1], settings.kernel[0], settings.stride[0], top, bottom),
            (shape[2], settings.kernel[1], settings.stride[1], left, right),
        )
    ]
    return (top, bottom + added[0], left, right + added[1])


def _beyond(side: int, size: int, step: int, before: int, after: int) -> int:
    """Return by how much the last window stands over; one that starts behind the map and its front is left out."""
    count = -(-(side + before + after - size) // step) + 1
    if (count - 1) * step >= side + before:
        count -= 1
    return max(0, (count - 1) * step + size - (side + before + after))


def _text(sides: tuple[int, ...]) -> str:
    return "x".join(str(side) for side in sides)
