"""Where the cores of a placement lie on the mesh, so that messages are short and few leave their chip.

1. The cores are halved again and again, each time along the longer side of the mesh, so that few messages go from half
   to half: in the order of the second eigenvector of the messages between them (spectral bisection).
2. Cores of two chips change places as long as fewer messages then leave their chip.
3. Cores of one chip change places as long as messages get shorter.

Messages are those of `traffic.messages`. On one chip, the order of the network is refined in the same way; of all these
and the order of the network as it is, the best is taken.
"""

import numpy as np
from scipy.sparse import csr_array

from spikeport.export.network import Array
from spikeport.hardware_profiles.encoding import Counts
from spikeport.hardware_profiles.placement.loops import swap
from spikeport.hardware_profiles.placement.mesh import TILES_PER_ROW, Mesh

STEPS = 60
"""Steps of the power iteration for an eigenvector, and the most swaps a chip sees per core."""
LARGEST_CHIP = 512
"""Cores of a chip up to which any two of them may change places."""
PASSES = 3
DENSE = 512
"""Cores up to which their messages are kept as a matrix with all zeros, which multiplies faster."""


def numbered(sent: csr_array, cores_per_chip: int) -> Counts:
    """Return the number of every core on the mesh, each another; ``sent`` are messages from core to core."""
    both = csr_array(sent + sent.T)
    both.setdiag(0)
    both.eliminate_zeros()
    mesh = Mesh(cores_per_chip)
    halved, in_order = _halved(both, mesh), np.arange(both.shape[0])
    several = both.shape[0] > cores_per_chip
    found = [_between_chips(both, halved, mesh)] if several else [halved, in_order]
    found = [in_order, *(_on_chips(both, numbers, mesh) for numbers in found)]
    return min(found, key=lambda numbers: cost(both, numbers, mesh))


def cost(both: csr_array, numbers: Counts, mesh: Mesh) -> tuple[float, float]:
    """Return how many messages leave their chip, and the hops of the others; ``both`` ways are added up."""
    pairs = both.tocoo()
    places = zip(*(mesh.places(numbers[each]) for each in pairs.coords), strict=True)
    (chip, end), *sides = places
    hops = sum(np.abs(a - b) for a, b in sides)
    return float(pairs.data[chip != end].sum()) / 2, float((pairs.data * hops)[chip == end].sum()) / 2


def _halved(both: csr_array, mesh: Mesh) -> Counts:
    numbers = np.zeros(both.shape[0], np.int64)
    waiting = [(np.arange(both.shape[0]), mesh.free(both.shape[0]))]
    while waiting:
        cores, free = waiting.pop()
        chip, row, column = mesh.places(free)
        sides = (chip * TILES_PER_ROW + column, row)
        axis = int(np.ptp(sides[1]) > np.ptp(sides[0]))
        if len(cores) <= 1 or not np.ptp(sides[axis]):
            numbers[cores] = np.sort(free)[: len(cores)]
            continue
        first = _first_half(sides[axis])
        number = _share(len(cores), int(first.sum()), len(free))
        order = np.argsort(_second_eigenvector(both[cores][:, cores]), kind="stable")
        waiting += [(cores[order[:number]], free[first]), (cores[order[number:]], free[~first])]
    return numbers


def _first_half(side: Counts) -> Array:
    """Return which places lie in the first half along a side; chips stay whole as long as there are several."""
    edges = np.unique(side)[1:]
    whole = edges[edges % TILES_PER_ROW == 0]
    edges = whole if len(whole) else edges
    before = np.array([(side < edge).sum() for edge in edges])
    return np.asarray(side < edges[np.abs(2 * before - len(side)).argmin()])


def _share(cores: int, first: int, free: int) -> int:
    """Return how many cores go to the first of so many free places, in proportion."""
    return int(np.clip(round(cores * first / free), max(0, cores - (free - first)), min(first, cores)))


def _second_eigenvector(both: csr_array) -> Array:
    """Return the second eigenvector of D^-1/2 A D^-1/2, divided by D^1/2, after `STEPS` steps."""
    degree = np.maximum(both.sum(axis=0), 1e-9)
    scale = 1 / np.sqrt(degree)
    messages = both.toarray() if both.shape[0] <= DENSE else both
    trivial = np.sqrt(degree) / np.sqrt(degree.sum())
    vector = np.linspace(-1, 1, both.shape[0])
    for _ in range(STEPS):
        vector = vector - trivial * (trivial @ vector)
        vector = vector / max(np.abs(vector).max(), 1e-300)
        vector = vector + scale * (messages @ (scale * vector))
    return np.asarray(vector * scale)


def _between_chips(both: csr_array, numbers: Counts, mesh: Mesh) -> Counts:
    """Let cores of two chips change places as long as fewer messages leave their chip."""
    numbers = numbers.copy()
    for _ in range(PASSES):
        chip, moved = mesh.places(numbers)[0], 0
        chips = int(chip.max()) + 1
        near = both @ np.eye(chips)[chip]
        for one in range(chips):
            for other in range(one + 1, chips):
                moved += _exchange(both, numbers, chip, near, (one, other))
        if not moved:
            break
    return numbers


def _exchange(both: csr_array, numbers: Counts, chip: Counts, near: Array, pair: tuple[int, int]) -> int:
    """Exchange cores of two chips; ``near`` are the messages of every core with every chip. Return how many pairs."""
    one, other = pair
    here, there = (np.flatnonzero(chip == each) for each in pair)
    moved = 0
    while True:
        gain_here, gain_there = near[here, other] - near[here, one], near[there, one] - near[there, other]
        i, j = int(gain_here.argmax()), int(gain_there.argmax())
        a, b = here[i], there[j]
        rows = [slice(*both.indptr[core : core + 2]) for core in (a, b)]
        between = both.data[rows[0]][both.indices[rows[0]] == b].sum()
        if gain_here[i] + gain_there[j] - 2 * between <= 0:
            return moved
        numbers[[a, b]], chip[[a, b]] = numbers[[b, a]], chip[[b, a]]
        here[i], there[j] = b, a
        for row, sign in zip(rows, (-1, 1), strict=True):
            near[both.indices[row], one] += sign * both.data[row]
            near[both.indices[row], other] -= sign * both.data[row]
        moved += 1


def _on_chips(both: csr_array, numbers: Counts, mesh: Mesh) -> Counts:
    """Let cores of one chip, and free places of its tiles, change places as long as the messages get shorter."""
    numbers, chip = numbers.copy(), mesh.places(numbers)[0]
    if mesh.cores_per_chip > LARGEST_CHIP:
        return numbers
    _, row, column = mesh.places(np.arange(mesh.cores_per_chip))
    hops, tiles = np.abs(row[:, None] - row) + np.abs(column[:, None] - column), row * TILES_PER_ROW + column
    for each in range(int(chip.max()) + 1):
        cores = np.flatnonzero(chip == each)
        first = each * mesh.cores_per_chip
        taken = numbers[cores] - first
        (used,) = np.nonzero(np.isin(tiles, tiles[taken]))
        places = np.concatenate([taken, np.setdiff1d(used, taken)])
        flow = np.zeros((len(places), len(places)))
        flow[: len(cores), : len(cores)] = both[cores][:, cores].toarray()
        swap(flow, hops, places, STEPS * len(places))
        numbers[cores] = first + places[: len(cores)]
    return numbers
