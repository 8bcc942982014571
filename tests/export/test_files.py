"""Files are whole or absent, whatever stands at their path, and one run at a time writes a folder."""

import errno
import os
import re
import resource
import signal
import socket
import stat
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from spikeport.export import files
from spikeport.export.errors import OutputError
from spikeport.export.files import atomic, locked, write_arrays, write_bytes, write_text


def test_file_appears_whole_and_replaces_the_old_one(tmp_path):
    path = tmp_path / "new" / "file.txt"
    write_text(path, "old")
    with atomic(path) as draft:
        draft.write_text("ne")
        assert path.read_text() == "old"
        draft.write_text("new")
    assert path.read_text() == "new"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("fault", [RuntimeError, KeyboardInterrupt])
def test_fault_leaves_the_old_file_and_nothing_else(tmp_path, fault):
    path = tmp_path / "file.txt"
    write_text(path, "old")

    def fail():
        with atomic(path) as draft:
            draft.write_text("half")
            raise fault

    with pytest.raises(fault):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_arrays_are_read_back(tmp_path):
    write_arrays(tmp_path / "plain.npz", {"a": np.arange(5)})
    write_arrays(tmp_path / "small.npz", {"a": np.arange(5), "b": np.zeros(0)}, compressed=True)
    for name in ("plain.npz", "small.npz"):
        with np.load(tmp_path / name) as found:
            assert np.array_equal(found["a"], np.arange(5))


def test_link_stays_and_its_target_is_replaced(tmp_path):
    target, link = tmp_path / "data" / "target", tmp_path / "link"
    target.parent.mkdir()
    target.write_text("old")
    link.symlink_to(target)
    write_text(link, "new")
    assert link.is_symlink()
    assert target.read_text() == "new"
    assert not target.is_symlink()
    dangling = tmp_path / "dangling"
    dangling.symlink_to(tmp_path / "made")
    write_text(dangling, "made")
    assert dangling.is_symlink()
    assert (tmp_path / "made").read_text() == "made"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dangling", "data", "link", "made"]


def test_device_is_written_into_and_stays():
    before = files.Path("/dev/null").stat()
    write_text(files.Path("/dev/null"), "gone")
    after = files.Path("/dev/null").stat()
    assert stat.S_ISCHR(after.st_mode)
    assert (before.st_ino, before.st_rdev) == (after.st_ino, after.st_rdev)
    with pytest.raises(OutputError, match=r"^/dev/full: no space left$"):
        write_text(files.Path("/dev/full"), "text")
    assert stat.S_ISCHR(files.Path("/dev/full").stat().st_mode)


def test_link_to_a_device_is_written_into(tmp_path):
    link = tmp_path / "out"
    link.symlink_to("/dev/null")
    write_text(link, "gone")
    assert link.is_symlink()
    assert stat.S_ISCHR(link.stat().st_mode)


def test_pipe_gets_the_bytes_and_one_without_a_reader_is_refused_at_once(tmp_path):
    pipe, found = tmp_path / "pipe", []
    os.mkfifo(pipe)
    with pytest.raises(OutputError, match="pipe: nobody reads from this pipe or device"):
        write_bytes(pipe, b"data")
    thread = threading.Thread(target=lambda: found.append(pipe.read_bytes()))
    thread.start()
    time.sleep(0.2)
    data = bytes(200_000)
    write_bytes(pipe, data)
    thread.join(10)
    assert found == [data]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_standard_output_takes_the_bytes_wherever_it_leads(tmp_path):
    code = "from pathlib import Path; from spikeport.export.files import write_text\n"
    code += "write_text(Path('/dev/stdout'), 'text'); write_text(Path('/dev/fd/1'), ' more')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout == b"text more"
    with (tmp_path / "out").open("wb") as out:
        subprocess.run([sys.executable, "-c", code], stdout=out, check=True)
    assert (tmp_path / "out").read_bytes() == b"text more"


def test_what_cannot_be_replaced_or_written_into_is_refused(tmp_path):
    folder, file, second = tmp_path / "folder", tmp_path / "file", tmp_path / "second"
    folder.mkdir()
    (folder / "inside").write_text("")
    file.write_text("old")
    second.hardlink_to(file)
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(tmp_path / "socket"))
    faults = {
        folder: r"folder is a folder; expected the name of a file to write",
        file: r"file has 2 names \(hard links\), of which only this one would change",
        tmp_path / "socket": r"socket is a socket; expected the name of a file to write",
        second / "below": r"below: .*second is a file; expected a folder",
        loop: r"loop: .*symbolic links",
        tmp_path / ("n" * 300): r"n+: File name too long",
    }
    for path, message in faults.items():
        with pytest.raises(OutputError, match=message):
            write_text(path, "new")
    listening.close()
    assert file.read_text() == second.read_text() == "old"


def test_folder_takes_the_place_of_nothing_or_of_an_empty_folder(tmp_path):
    def write(path):
        with atomic(path, folder=True) as draft:
            draft.mkdir()
            (draft / "inside").write_text("new")

    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "empty")
    for name in ("new", "link"):
        write(tmp_path / name)
        assert (tmp_path / name / "inside").read_text() == "new"
    assert (tmp_path / "link").is_symlink()
    (tmp_path / "file").write_text("")
    faults = {"file": "file is a file; expected the name of a folder", "new": "new is a folder with files in it"}
    for name, message in faults.items():
        with pytest.raises(OutputError, match=message):
            write(tmp_path / name)
    with pytest.raises(OutputError, match="/dev/null is a device; expected the name of a folder"):
        write(files.Path("/dev/null"))


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 64 kB, where this process may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("no permission to mount a small disk")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_full_disk_is_named_with_what_is_missing_and_nothing_stays(small_disk):
    write_text(small_disk / "old", "old")
    with pytest.raises(OutputError) as raised:
        write_bytes(small_disk / "old", bytes(100_000))
    message = rf"old: no space left in {small_disk}: 100,000 bytes are needed, [\d,]+ bytes are free; free some"
    assert re.search(message, str(raised.value))
    assert (small_disk / "old").read_text() == "old"
    assert list(small_disk.iterdir()) == [small_disk / "old"]


def test_largest_size_of_a_file_is_named():
    code = "from pathlib import Path; from spikeport.export.files import write_bytes; import sys\n"
    code += "write_bytes(Path(sys.argv[1]), bytes(100_000))"

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))

    done = subprocess.run(
        [sys.executable, "-B", "-c", code, "/tmp/spikeport-test-large"], capture_output=True, text=True, check=False,
        preexec_fn=limit,
    )  # fmt: skip
    assert "100,000 bytes are needed, this process may write files of 10,000 bytes at most (ulimit -f)" in done.stderr
    assert not files.Path("/tmp/spikeport-test-large").exists()


def test_no_permission_is_a_sentence(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied", str(tmp_path))

    monkeypatch.setattr(files.tempfile, "mkdtemp", refuse)
    with pytest.raises(OutputError, match=rf"file: no permission to write in {tmp_path}$"):
        write_text(tmp_path / "file", "new")
    assert list(tmp_path.iterdir()) == []


def test_error_about_another_file_is_left_as_it_is(tmp_path):
    def fail():
        with atomic(tmp_path / "file"):
            (tmp_path / "other").read_text()

    with pytest.raises(FileNotFoundError, match="other"):
        fail()


def test_file_and_folder_are_synced_before_and_after_the_renaming(tmp_path, monkeypatch):
    """A power cut leaves the old or the new file: contents first, then the name, then the folder."""
    done, sync, replace = [], os.fsync, files.Path.replace

    def synced(descriptor):
        done.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        sync(descriptor)

    def replaced(self, target):
        done.append("rename")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(files.Path, "replace", replaced)
    write_text(tmp_path / "file", "new")
    assert done == ["file", "rename", "folder"]
    done.clear()
    with atomic(tmp_path / "new", folder=True) as draft:
        draft.mkdir()
        (draft / "inside").write_text("")
    assert done == ["file", "folder", "rename", "folder"]


KILLED = """
import os, sys, time
from pathlib import Path
from spikeport.export.files import atomic, locked
with locked(Path(sys.argv[1])), atomic(Path(sys.argv[1]) / "file") as draft:
    draft.write_text("half")
    print("ready", flush=True)
    time.sleep(100)
"""


@pytest.fixture
def holder(tmp_path):
    """A process that holds the lock of ``run`` and writes a draft into it."""
    with subprocess.Popen([sys.executable, "-c", KILLED, tmp_path / "run"], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"ready\n"
        yield process
        process.kill()


def test_second_run_is_refused_with_the_process_of_the_first(tmp_path, holder):
    with pytest.raises(OutputError, match=rf"run: another run \(process {holder.pid}\) writes there"):
        locked(tmp_path / "run").__enter__()
    (tmp_path / "link").symlink_to(tmp_path / "run")
    with pytest.raises(OutputError, match="another run"):
        locked(tmp_path / "link").__enter__()
    with locked(tmp_path / "other"):
        pass


def test_killed_run_leaves_no_lock_and_its_draft_is_cleared_later(tmp_path, holder):
    run = tmp_path / "run"
    (draft,) = run.glob(".spikeport-*")
    os.utime(draft, (0, 0))
    files._cleared.clear()
    write_text(run / "other", "new")
    assert draft.exists(), "a draft that is held stays, however old"
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    files._cleared.clear()
    with locked(run):
        write_text(run / "file", "new")
    assert sorted(path.name for path in run.iterdir()) == ["file", "other"]
    assert not (tmp_path / ".run.lock").exists()


def test_lock_is_taken_again_within_a_thread_and_released_once(tmp_path):
    path = tmp_path / "run"
    with locked(path):
        with locked(path):
            assert (tmp_path / ".run.lock").read_text() == f"{os.getpid()}\n"
        assert (tmp_path / ".run.lock").exists()
    assert list(tmp_path.iterdir()) == []


RACE = """
import os, sys, time
from pathlib import Path
from spikeport.export.errors import OutputError
from spikeport.export.files import locked
path, mark, refused = Path(sys.argv[1]), Path(sys.argv[1] + ".mark"), 0
end = time.time() + 2
while time.time() < end:
    try:
        with locked(path):
            os.close(os.open(mark, os.O_CREAT | os.O_EXCL))
            mark.unlink()
    except OutputError:
        refused += 1
print(refused)
"""


def test_lock_holds_under_a_race_of_taking_and_removing(tmp_path):
    """A mark that must not exist is made and removed inside; two at once would collide."""
    command = [sys.executable, "-c", RACE, str(tmp_path / "run")]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(3)]
    ends = [(process.communicate(timeout=60), process.returncode) for process in running]
    assert [code for _, code in ends] == [0, 0, 0], ends
    assert sum(int(out) for (out, _), _ in ends) > 0
    assert list(tmp_path.iterdir()) == []


def test_lock_lies_inside_a_folder_whose_surroundings_are_read_only(tmp_path, monkeypatch):
    (tmp_path / "run").mkdir()
    opened = os.open

    def refuse(path, *arguments, **options):
        if str(path).endswith(".run.lock"):
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, *arguments, **options)

    monkeypatch.setattr(os, "open", refuse)
    with locked(tmp_path / "run"):
        assert (tmp_path / "run" / ".lock").exists()
    assert list((tmp_path / "run").iterdir()) == []


def test_folders_made_for_a_file_go_with_it_where_it_fails(tmp_path):
    path = tmp_path / "kept" / "a" / "b" / "file"
    (tmp_path / "kept").mkdir()
    with pytest.raises(OutputError, match="no space left"), atomic(path) as draft:
        raise OSError(errno.ENOSPC, "No space left on device", str(draft))
    assert list((tmp_path / "kept").iterdir()) == []


def test_a_copy_that_finds_no_space_names_the_file_to_write(tmp_path):
    """`shutil.copyfile` names the file that it copies first and the draft second."""
    with pytest.raises(OutputError, match=rf"{tmp_path}/file: no space left"), atomic(tmp_path / "file") as draft:
        raise OSError(errno.ENOSPC, "No space left on device", "/somewhere/else", None, str(draft))
