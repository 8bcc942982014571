"""The history in files and on the terminal."""

import csv
import sys

import pytest
from tensorboardX.proto.event_pb2 import Event

from spikeport.toolchain.attacks.fgsm import Fgsm
from spikeport.toolchain.objectives.trades import Trades
from spikeport.toolchain.training.table import duration
from tests.toolchain.training.small import ann, snn, trained


def events(folder):
    """Return (step, name, value) of every scalar in the event files: length, crc, record, crc."""
    found = []
    for path in sorted(folder.glob("events.*")):
        data, at = path.read_bytes(), 0
        while at < len(data):
            size = int.from_bytes(data[at : at + 8], "little")
            event = Event.FromString(data[at + 12 : at + 12 + size])
            found += [(event.step, value.tag, value.simple_value) for value in event.summary.value]
            at += 16 + size
    return found


@pytest.mark.parametrize("make", [ann, snn])
def test_csv_and_tensorboard_hold_the_history(make, tmp_path):
    fitted = trained(make(), tmp_path, objective=Trades(attack=Fgsm()))
    with (tmp_path / "log.csv").open() as file:
        lines = list(csv.DictReader(file))
    scalars = {(step, name): value for step, name, value in events(tmp_path)}
    assert [line["epoch"] for line in lines] == ["1", "2"]
    for line, row in zip(lines, fitted.history, strict=True):
        assert float(line["loss"]) == row["loss"]
        assert float(line["parts/divergence"]) == row["parts"]["divergence"]
        assert float(line["rates/conv1"]) == row["rates"]["conv1"]
        for name in ("loss", "clean", "sparsity", "learning_rate", "parts/clean", "rates/dense1"):
            assert scalars[row["epoch"], name] == pytest.approx(float(line[name]), rel=1e-6)


def test_a_resumed_training_writes_the_whole_csv(tmp_path):
    count = iter(range(1, 100))

    def after_update():
        if next(count) == 5:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        trained(ann(), tmp_path, epochs=3, after_update=after_update)
    trained(ann(), tmp_path, epochs=3)
    assert [line.split(",")[0] for line in (tmp_path / "log.csv").read_text().splitlines()] == ["epoch", "1", "2", "3"]
    assert {step for step, _, _ in events(tmp_path)} == {1, 2, 3}


def test_lines_where_the_output_is_no_terminal(tmp_path, capsys):
    trained(snn(), tmp_path, objective=Trades(attack=Fgsm()), title="sparse")
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("sparse: 2 epochs on cpu (")
    assert lines[0].endswith("threads); best clean accuracy on validation images")
    assert lines[1].startswith("sparse: epoch 1 of 2, loss ")
    for word in ("clean ", "divergence ", "train ", "clean accuracy ", "sparsity 0.0 %", "rates % ", "left "):
        assert word in lines[1]
    assert len(lines) == 3


def test_a_table_on_a_terminal(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    trained(ann(), tmp_path)
    lines = [line.rpartition("\r\x1b[K")[2] for line in capsys.readouterr().err.split("\n")]
    assert lines[1].split() == ["epoch", "loss", "train", "clean", "sparsity", "rates", "%", "left"]
    assert lines[2].split()[0] == "1/2"
    assert len(lines[1]) == len(lines[2]) == len(lines[3])


@pytest.mark.parametrize(("seconds", "text"), [(5, "5 s"), (90, "1.5 min"), (5400, "1.5 h")])
def test_durations_have_the_unit_that_fits(seconds, text):
    assert duration(seconds) == text
