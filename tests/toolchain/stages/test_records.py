"""Records: seeds by name, differences by path, digests of files."""

import hashlib

import pytest

from spikeport.export.errors import ArchiveError
from spikeport.toolchain.stages.records import differences, digest_of_file, digest_of_values, read, seed_of


def test_a_seed_follows_from_the_recipes_seed_and_the_stages_name():
    """SHA-256 of '0:dense', its first 63 bits: it must stay, or every recipe gives other networks."""
    assert seed_of(0, "dense") == 599079022862865164
    seeds = {seed_of(seed, name) for seed in range(20) for name in ("dense", "sparse", "1", "11")}
    assert len(seeds) == 80
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_differences_are_paths_of_keys():
    now = {"a": 1, "b": {"c": [1, 2], "d": {"e": 1}}, "f": None}
    assert differences(now, now) == []
    then = {"a": 1, "b": {"c": [1, 3], "d": {"e": 2}}, "g": 1}
    assert differences(now, then) == ["b.c", "b.d.e", "g"]
    assert differences({"a": {"b": 1}}, {"a": 1}) == ["a"]


def test_digests_are_sha256(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"x" * (3 * 2**20 + 1))
    assert digest_of_file(path) == hashlib.sha256(path.read_bytes()).hexdigest()
    assert digest_of_file(tmp_path / "none") is None
    assert (
        digest_of_values({"a": 1, "b": 2}) == digest_of_values({"b": 2, "a": 1}) != digest_of_values({"a": 2, "b": 2})
    )


def test_a_folder_without_a_record_has_none(tmp_path):
    assert read(tmp_path) is None
    (tmp_path / "record.json").mkdir()
    with pytest.raises(ArchiveError, match=r"record\.json: damaged"):
        read(tmp_path)
