"""An examination beside a network or in the folder of an attack: its sentences stand with the robust accuracy."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from spikeport.toolchain.analysis.writing import JSON, write
from spikeport.toolchain.robustness.assessed import BLACK, DEPLOYED, TRAINED, WHITE, Assessment, AtEpsilon, Row, Share
from spikeport.toolchain.verbs.attack_settings import AttackSettings
from spikeport.toolchain.verbs.examined import advice, read_beside, with_examined
from tests.toolchain.analysis.test_picture import FOUND, check

FAILED = replace(FOUND, checks=(check("black_box", first=90, robust=0.25),))
HALF = Share.of(5, 10)


def done(way=WHITE):
    """Return an assessment of one row."""
    row = Row(
        title="PGD-10", network=TRAINED, way=way, epsilon=8, robust=HALF, queries=1, seconds=0, order=(), members=()
    )
    at = AtEpsilon(
        epsilon=8, rows=(row,), worst_float=HALF, worst_transferred=None, worst_black_box=None, deployed=None,
        black_box_only=None,
    )  # fmt: skip
    return Assessment(
        suite="one", networks={TRAINED: {"what": "a network", "digest": "0"}}, images=10, levels=255, seed=0,
        members=(), clean={TRAINED: HALF}, agreement=None, epsilons=(at,),
    )  # fmt: skip


def told(*places, way=WHITE):
    how = advice("a b.pt2", "x.npz", Path("out"), AttackSettings(mean=0.5))
    return with_examined(done(way), read_beside(*places), how)


@pytest.mark.parametrize("beside", ["network", "out"])
def test_a_failed_check_is_a_warning_under_the_robust_accuracy(beside, tmp_path):
    network = tmp_path / "network.safetensors"
    network.touch()
    write(FAILED, tmp_path)
    found = told(tmp_path, None) if beside == "out" else told(None, network)
    assert found.doubts == FAILED.doubts
    assert "too high to rely on: signs of masked gradients" in found.doubts[0]
    assert "fails: the gradient hides images that are broken without any gradient" in found.doubts[1]
    lines = found.text().splitlines()
    assert lines[-2:] == [f"warning: {sentence}" for sentence in FAILED.doubts]
    assert found.to_dict()["doubts"] == list(FAILED.doubts)


def test_checks_that_pass_are_a_note(tmp_path):
    write(FOUND, tmp_path)
    found = told(tmp_path)
    assert not found.doubts
    assert f"note: {tmp_path / JSON}: PGD-10, eps 8/255: no sign of masked gradients" in found.text()


def test_one_file_is_read_once_and_two_are_told_apart(tmp_path):
    (tmp_path / "other").mkdir()
    write(FOUND, tmp_path)
    write(FAILED, tmp_path / "other")
    assert len(read_beside(tmp_path, tmp_path)) == 1
    assert len(told(tmp_path, tmp_path / "other").notes) == 2


def test_without_an_examination_a_note_says_so_and_how_to_get_one(tmp_path):
    found = told(tmp_path, object(), None)
    assert "note: not examined for masked gradients" in found.text()
    command = "`spikeport analyze obfuscation 'a b.pt2' --input x.npz --out out --mean 0.5` does so"
    assert found.notes[-1].endswith(command)
    assert "MODEL --input IMAGES --out FOLDER`" in advice(object(), np.zeros(3), None, AttackSettings())


def test_a_damaged_examination_is_said_and_not_believed(tmp_path):
    (tmp_path / JSON).write_text('{"schema": 1}')
    found = told(tmp_path)
    assert not found.doubts
    assert f"could not be read: {tmp_path / JSON}: no checks for masked gradients" in found.text()


def test_attacks_that_follow_no_gradient_need_none(tmp_path):
    write(FAILED, tmp_path)
    assert told(tmp_path, way=BLACK) == done(BLACK)
    assert DEPLOYED not in told(tmp_path).networks
