"""Where everything of a raster picture lies: a row a layer, its spikes on the left, the histogram of rates beside."""

from collections.abc import Sequence
from dataclasses import dataclass

from spikeport.hardware_profiles.report.raster import Raster, RasterLayer

LEFT, WIDTH, GAP, EDGE = 8, 390, 30, 640
"""Left edge and width of the spikes, room to the histogram, and its right edge, in pixels."""
NEURON, LOW, HEAD, FOOT = 1.25, 34.0, 26, 22
"""Height of a neuron, least height of a row, room above a row for its name, and below for its axis."""


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One bin of a histogram; ``silent``: of the neurons that never fire."""

    x: float
    y: float
    width: float
    height: float
    title: str
    silent: bool


@dataclass(frozen=True, kw_only=True)
class Row:
    """One layer: its place, its name with what is shown of it, the path of its spikes, and its bars."""

    top: float
    height: float
    title: str
    spikes: str
    bars: Sequence[Bar]
    steps: int
    most: int

    @property
    def bottom(self) -> float:
        """Where its axes are."""
        return self.top + self.height


@dataclass(frozen=True, kw_only=True)
class RasterPicture:
    """The picture of a sample."""

    image: int
    rows: Sequence[Row]
    height: float
    left: float = LEFT
    width: float = WIDTH
    right: float = LEFT + WIDTH + GAP
    edge: float = EDGE
    room: float = EDGE + LEFT


def raster_picture(raster: Raster) -> RasterPicture:
    """Return where the spikes and bars of a sample lie."""
    rows: list[Row] = []
    top = float(HEAD)
    for layer in raster.layers:
        rows.append(_row(layer, raster.steps, top))
        top = rows[-1].bottom + FOOT + HEAD
    return RasterPicture(image=raster.image, rows=rows, height=top - HEAD)


def _row(layer: RasterLayer, steps: int, top: float) -> Row:
    height = max(LOW, NEURON * len(layer.shown))
    shown = "" if len(layer.shown) == layer.neurons else f", {len(layer.shown):,} shown, evenly"
    cut = "" if layer.steps == steps else f", first {layer.steps:,} of {steps:,} steps"
    return Row(
        top=top,
        height=height,
        title=f"{layer.population}: {layer.neurons:,} neurons{shown}{cut}",
        spikes=_path(layer, top, height),
        bars=_bars(layer, top, height),
        steps=layer.steps,
        most=max(layer.silent, *layer.rates),
    )


def _path(layer: RasterLayer, top: float, height: float) -> str:
    """Return a path with a rectangle for every spike."""
    across, down = WIDTH / layer.steps, height / len(layer.shown)
    size = f"h{0.8 * across:.2f}v{0.9 * down:.2f}h-{0.8 * across:.2f}z"
    return "".join(f"M{LEFT + step * across:.2f} {top + place * down:.2f}{size}" for step, place in layer.spikes)


def _bars(layer: RasterLayer, top: float, height: float) -> list[Bar]:
    """Return the neurons that never fire, then those of every bin of rates."""
    counts, bins = (layer.silent, *layer.rates), len(layer.rates)
    start, width = LEFT + WIDTH + GAP, (EDGE - LEFT - WIDTH - GAP) / (bins + 1)
    titles = ["never", *(f"up to {100 * (number + 1) / bins:.0f} % of the steps" for number in range(bins))]
    most = max(counts)
    return [
        Bar(
            x=round(start + number * width, 2),
            y=round(top + height * (1 - count / most), 2),
            width=round(0.86 * width, 2),
            height=round(height * count / most, 2),
            title=f"{title}: {count:,} neurons",
            silent=number == 0,
        )
        for number, (title, count) in enumerate(zip(titles, counts, strict=True))
    ]
