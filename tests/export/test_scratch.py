"""Temporary folders: gone after use, gone at the next start when their owner was killed, others' left alone."""

import os
import signal
import subprocess
import sys
import tempfile

import pytest

from spikeport.export.scratch import OWNER, clear, scratch

HOLD = """
import sys, tempfile, time
from spikeport.export.scratch import scratch
tempfile.tempdir = sys.argv[1]
with scratch("spikeport-test-") as folder:
    (folder / "data").write_text("half")
    print(folder, flush=True)
    time.sleep(600)
"""


@pytest.fixture
def holder(tmp_path, monkeypatch):
    """Another process that holds a folder in the temporary folder of this one."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    folder = process.stdout.readline().strip()
    yield process, tmp_path / os.path.basename(folder)  # noqa: PTH119 - a text of the other process
    process.kill()
    process.wait()
    process.stdout.close()


def test_folder_lives_as_long_as_the_block(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with scratch("spikeport-test-") as folder:
        assert folder.parent == tmp_path
        assert (folder / OWNER).read_text().startswith(f"process {os.getpid()}, folder made at 20")
        assert folder.stat().st_mode & 0o077 == 0
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(KeyError), scratch("spikeport-test-"):
        raise KeyError
    assert list(tmp_path.iterdir()) == []


def test_two_folders_of_one_process_do_not_clear_each_other(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with scratch("spikeport-test-") as first, scratch("spikeport-test-") as second:
        assert first.is_dir()
        assert second.is_dir()
        assert first != second


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP, signal.SIGTERM])
def test_folder_of_a_killed_process_is_removed_at_the_next_start(holder, tmp_path, number):
    process, left = holder
    process.send_signal(number)
    process.wait()
    assert (left / "data").read_text() == "half"
    discarded = []
    with scratch("spikeport-test-", discard=discarded.append) as folder:
        assert list(tmp_path.iterdir()) == [folder]
    assert discarded == [left]


@pytest.mark.parametrize("stopped", [False, True])
def test_folder_of_a_living_process_stays(holder, tmp_path, stopped):
    process, held = holder
    if stopped:
        process.send_signal(signal.SIGSTOP)
    clear("spikeport-test-")
    assert list(tmp_path.iterdir()) == [held]
    process.send_signal(signal.SIGCONT)


def test_what_has_no_owner_file_or_another_name_stays(tmp_path, monkeypatch):
    """A folder gets its owner file right after it was made; without one nobody can tell whose it is."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "spikeport-test-new").mkdir()
    (tmp_path / "spikeport-test-file").write_text("")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / OWNER).write_text("process 1, folder made at 2026")
    (tmp_path / "spikeport-test-link").symlink_to(tmp_path / "other")
    clear("spikeport-test-")
    assert len(list(tmp_path.iterdir())) == 4
    assert (tmp_path / "other" / OWNER).exists()


def test_folder_of_another_user_stays(holder, tmp_path, monkeypatch):
    process, left = holder
    process.kill()
    process.wait()
    monkeypatch.setattr(os, "getuid", lambda: left.stat().st_uid + 1)
    clear("spikeport-test-")
    assert list(tmp_path.iterdir()) == [left]
