"""Archives: nothing reaches the disk, and nothing unpacks to more than expected."""

import gzip
import io
import tarfile
import zipfile

import numpy as np
import pytest

from spikeport.export.errors import DataError
from spikeport.toolchain.data.reading import archives
from spikeport.toolchain.data.reading.archives import Folder, Zip, members_of_tar
from tests.toolchain.data import made


def packed(path, *infos):
    """Write a .tar.gz of (name, bytes, type) members."""
    with tarfile.open(path, "w:gz") as archive:
        for name, data, kind in infos:
            info = tarfile.TarInfo(name)
            info.type, info.size, info.linkname = kind, len(data), "/etc/passwd" if not data else ""
            archive.addfile(info, io.BytesIO(data))
    return path


def test_members_are_found_by_their_last_name_wherever_they_claim_to_lie(tmp_path):
    path = packed(
        tmp_path / "a.tar.gz",
        ("/etc/one", b"1", tarfile.REGTYPE),
        ("../../two", b"22", tarfile.REGTYPE),
        ("x/three", b"333", tarfile.REGTYPE),
    )
    assert members_of_tar(path, {"one", "two"}) == {"one": b"1", "two": b"22"}
    assert [each.name for each in tmp_path.iterdir()] == ["a.tar.gz"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE])
def test_a_wanted_member_that_is_no_file_is_refused(tmp_path, kind):
    with pytest.raises(DataError, match="one is a link, a device or larger"):
        members_of_tar(packed(tmp_path / "a.tar.gz", ("one", b"", kind)), {"one"})


def test_a_member_that_comes_twice_is_refused(tmp_path):
    path = packed(tmp_path / "a.tar.gz", ("a/one", b"1", tarfile.REGTYPE), ("b/one", b"2", tarfile.REGTYPE))
    with pytest.raises(DataError, match="holds one twice"):
        members_of_tar(path, {"one"})


@pytest.mark.parametrize("wanted", [{"one"}, {"none"}])
def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch, wanted):
    path = packed(tmp_path / "a.tar.gz", ("big", bytes(2_000_000), tarfile.REGTYPE), ("one", b"1", tarfile.REGTYPE))
    assert path.stat().st_size < 10_000
    monkeypatch.setattr(archives, "MOST", 1_000_000)
    with pytest.raises(DataError, match="unpacks to more bytes than expected"):
        members_of_tar(path, wanted)


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data[:-200],
        lambda _: b"x" * 100,
        lambda _: b"",
        lambda _: gzip.compress(b"x" * 600),
        lambda data: gzip.compress(gzip.decompress(data)[:700]),
    ],
)
def test_a_damaged_archive_is_refused_by_name(tmp_path, change):
    path = packed(tmp_path / "a.tar.gz", ("one", made.random_images(2)[0].tobytes(), tarfile.REGTYPE))
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(DataError, match=r"a\.tar\.gz: .*(damaged|cut off|no octal number)"):
        members_of_tar(path, {"one"})


@pytest.mark.parametrize("format_", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("size", [0, 1, 511, 512, 513, 1_100_000])
def test_archives_of_every_format_and_size_of_members(tmp_path, format_, size):
    content = np.random.default_rng(size).integers(0, 256, size, dtype=np.uint8).tobytes()
    path = tmp_path / "a.tar.gz"
    with tarfile.open(path, "w:gz", format=format_, compresslevel=1) as archive:
        for name in ("f\u00e4lle/" * 40 + "long", "a/one", "b/two", "c/one more"):
            info = tarfile.TarInfo(name)
            info.size, info.mtime = size, 0.5
            if format_ != tarfile.USTAR_FORMAT or len(name) < 100:
                archive.addfile(info, io.BytesIO(content))
    assert members_of_tar(path, {"one", "two"}) == {"one": content, "two": content}


def test_packed_or_not_is_seen_by_the_first_bytes(tmp_path):
    packed(tmp_path / "a.tgz", ("one", b"1", tarfile.REGTYPE))
    (tmp_path / "a.tar").write_bytes(gzip.decompress((tmp_path / "a.tgz").read_bytes()))
    assert members_of_tar(tmp_path / "a.tgz", {"one"}) == members_of_tar(tmp_path / "a.tar", {"one"}) == {"one": b"1"}


def test_an_extended_header_is_passed_over_whatever_its_size(tmp_path):
    path = packed(tmp_path / "a.tar.gz", ("pax", b"6 a=b\n" * 1_000_000, b"x"), ("one", b"1", tarfile.REGTYPE))
    assert members_of_tar(path, {"one"}) == {"one": b"1"}


@pytest.mark.parametrize(
    ("place", "value"), [(0, b"x"), (124, b"9"), (124, b"\x80"), (148, b"7"), (156, b"5"), (300, b"z")]
)
def test_a_header_whose_sum_is_wrong_is_refused(tmp_path, place, value):
    path = packed(tmp_path / "a.tar.gz", ("one", b"1", tarfile.REGTYPE))
    plain = bytearray(gzip.decompress(path.read_bytes()))
    plain[place : place + 1] = value
    path.write_bytes(gzip.compress(bytes(plain)))
    with pytest.raises(DataError, match=r"a\.tar\.gz: a member's header .*"):
        members_of_tar(path, {"one"})


def test_zip_members_are_limited_before_they_are_unpacked(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("big", bytes(10_000_000))
        archive.writestr("odd", b"1", zipfile.ZIP_BZIP2)
        archive.writestr("../one", b"1")
    found = Zip(path)
    assert found.read("../one", 10) == b"1"
    for name in ("big", "odd"):
        with pytest.raises(DataError, match=rf"a\.zip: {name} has .* at most 1,000 are read, stored or deflated"):
            found.read(name, 1000)
    with pytest.raises(DataError, match=r"a\.zip: no none inside"):
        found.read("none", 10)


@pytest.mark.parametrize("data", [b"", b"PK\x05\x06", b"no archive at all"])
def test_what_is_no_zip_is_refused(tmp_path, data):
    path = tmp_path / "a.zip"
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"a\.zip: not a zip archive"):
        Zip(path)


def test_a_folder_gives_the_same_names_as_an_archive(tmp_path):
    files = {"a/b.txt": b"1", "c": b"2"}
    (tmp_path / "a.zip").write_bytes(made.zipped(files, top=""))
    folder = Folder(made.write(tmp_path / "files", files))
    assert sorted(folder.names()) == sorted(Zip(tmp_path / "a.zip").names()) == sorted(files)
    with pytest.raises(DataError, match="at most 0 are read"):
        folder.read("c", 0)
