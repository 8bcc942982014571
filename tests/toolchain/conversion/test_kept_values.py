"""Values in memory and on the disk are the same, and the disk's end is said."""

import tempfile

import pytest
import torch

from spikeport.export.errors import OutputError
from spikeport.toolchain.conversion.kept_values import Room


@pytest.mark.parametrize("memory", [0, 10**6])
@pytest.mark.parametrize("dtype", [torch.bool, torch.float32, torch.float64])
def test_what_is_read_was_written(memory, dtype):
    values = torch.randn(5, 3, 7) if dtype != torch.bool else torch.randint(0, 2, (5, 3, 7), dtype=torch.uint8)
    room = Room(memory)
    kept = room.keep(5, (3, 7), dtype)
    kept.write(0, values[:2].to(dtype))
    kept.write(2, values[2:].to(dtype))
    for first, last in ((0, 5), (1, 3), (4, 5)):
        assert torch.equal(kept.read(first, last, torch.float64).double(), values[first:last].to(dtype).double())
    kept.free()
    assert room.left == memory


def test_a_held_value_is_read_at_every_step():
    kept = Room().keep(1, (2, 2), torch.float32)
    kept.write(0, values := torch.randn(1, 2, 2))
    assert torch.equal(kept.read(7, 9, torch.float32), values)


def test_memory_is_taken_first_and_given_back():
    room = Room(100)
    first, second = room.keep(2, (10,), torch.float32), room.keep(2, (10,), torch.float32)
    assert room.left == 20
    second.free()
    assert room.left == 20
    first.free()
    assert room.left == 100


def test_a_full_disk_is_one_sentence(monkeypatch):
    class Full:
        def seek(self, place):
            pass

        def write(self, _):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", Full)
    with pytest.raises(OutputError, match=r"no room for .* GiB of a layer's values in .* \(No space left on device\)"):
        Room(0).keep(1, (2,), torch.float32).write(0, torch.zeros(1, 2))


def test_what_is_left_is_freed_at_the_end():
    with Room(10) as room:
        kept = [room.keep(1, (2,), torch.float32) for _ in range(3)]
        assert room.left == 2
    assert room.left == 10
    assert all(each._file is None or each._file.closed for each in kept)
