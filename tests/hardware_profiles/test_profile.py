"""Profiles: one contract for every file of the folder, and clear errors for a user's own."""

import os
import re

import pytest

from spikeport.export.errors import ProfileError
from spikeport.hardware_profiles.profile import (
    PROFILE_DIR,
    constants,
    load_profile,
    load_profiles,
    profile_names,
)

TEXT = (PROFILE_DIR / "loihi1.toml").read_text()


@pytest.mark.parametrize("name", profile_names())
def test_profile_is_named_as_its_file_and_gives_every_source(name):
    profile = load_profile(name)
    assert profile.name == name
    assert profile.description
    assert all(len(constant.source) > 10 for constant in constants(profile).values())


def test_published_limits_of_loihi():
    limits = load_profile("loihi1").limits
    assert (limits.neurons.value, limits.synaptic_memory.value, limits.input_axons.value) == (1024, 131072, 4096)
    assert load_profile("loihi2").limits.neurons.value == 8192
    assert load_profile("loihi2").limits.input_axons is None


def test_users_own_file_works_by_path(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(TEXT.replace("value = 1024", "value = 2048"))
    assert load_profile(str(path)).limits.neurons.value == 2048


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('name = "loihi1"', 'name = "loihi1"\ncolour = 1', "has no key 'colour'; it takes name, description, limits"),
        ("\nneurons = {", "\nneuron = {", r"\[limits\] has no key 'neuron'; it takes cores_per_chip, neurons"),
        ("\nneurons = {", "\n# neurons = {", r"\[limits\] lacks the key 'neurons'"),
        ("value = 1024", 'value = "many"', r"\[limits.neurons.value\] expected `float`, got `str`"),
        ("value = 1024", "value = -1", r"\[limits.neurons\] is -1; expected a whole number from 1 to 2,147,483,647"),
        ("value = 1024", "value = 0", r"\[limits.neurons\] is 0; expected a whole number from 1"),
        ("value = 1024", "value = nan", r"\[limits.neurons\] is nan; expected a whole number from 1"),
        ("value = 1024", "value = inf", r"\[limits.neurons\] is inf; expected a whole number from 1"),
        ("value = 23.6e-12", "value = nan", r"\[energy.accumulate\] is nan; expected a number from 0 to 1"),
        ("value = 23.6e-12", "value = -inf", r"\[energy.accumulate\] is -inf; expected a number from 0 to 1"),
        ("value = 23.6e-12", "value = -1e-12", r"\[energy.accumulate\] is -1e-12; expected a number from 0 to 1"),
        ("value = 23.6e-12", "value = 1e300", r"\[energy.accumulate\] is 1e\+300; expected a number from 0 to 1"),
        ('name = "loihi1"', 'name = "a\\u001b[2Jb"', "name"),
        ('name = "loihi1"', 'name = ""', "name"),
        ('name = "loihi1"', f'name = "{"x" * 65}"', "name"),
        (
            'value = 131072, unit = "B"',
            'value = 128, unit = "KB"',
            "limits.synaptic_memory.* has unit 'KB'; expected 'B'",
        ),
        ('evidence = "assumed"', 'evidence = "guessed"', "guessed"),
        ("[limits]", "[limits", "mine.toml: "),
        ('value = ["dense", "sparse"]', 'value = ["foo"]', r"encoding.lists.value.*'dense', 'sparse', 'run_length'"),
        ('value = ["dense", "sparse"]', "value = []", r"encoding.lists.value.* expected `array` of length >= 1"),
        (
            "value = 131072",
            "value = 1e25",
            r"limits.synaptic_memory. is 1e\+25; expected a whole number from 1 to",
        ),
        ("value = 131072", "value = 100.5", r"limits.synaptic_memory. is 100.5; expected a whole number"),
        ("value = [-7, 7]", "value = [7, -7]", r"\[formats.weight_exponent\] is 7 to -7; expected the smallest and"),
        ("value = [-7, 7]", "value = [-7, 7, 8]", r"\[formats.weight_exponent.value\] expected `array` of length 2"),
        ("value = [-7, 7]", "value = [-7, 1e400]", "formats.weight_exponent"),
        ("value = [-7, 7]", "value = [-99999999999, 7]", r"\[formats.weight_exponent\] is -99,999,999,999 to 7"),
        (
            'value = [-7, 7], unit = "1"',
            'value = [-7, 7], unit = "bit"',
            "weight_exponent. has unit 'bit'; expected '1'",
        ),
        (
            '["mixed", "excitatory", "inhibitory"]',
            '["mixed", "both"]',
            "formats.sign_modes.value.*'mixed', 'excitatory'",
        ),
    ],
)
def test_wrong_file_is_named_with_its_key(tmp_path, old, new, message):
    path = tmp_path / "mine.toml"
    path.write_text(TEXT.replace(old, new, 1))
    with pytest.raises(ProfileError, match=message) as caught:
        load_profile(str(path))
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("table", ["energy", "latency", "encoding", "limits", "formats"])
def test_no_number_of_a_profile_may_be_senseless(tmp_path, table):
    """Every number of every table: not a number, infinite, negative, or far too large."""
    path, keys = tmp_path / "mine.toml", [key for key in constants(load_profile("loihi1")) if key.startswith(table)]
    assert len(keys) >= 3
    for key in keys:
        for value in ("nan", "inf", "-1", "1e300"):
            body, changed = TEXT[TEXT.index(f"[{table}]") :], f"{key.split('.')[1]} = {{ value = {value},"
            new = re.sub(rf"(?m)^{key.split('.')[1]} = {{ value = [^,]+,", changed, body, count=1)
            assert new != body
            path.write_text(TEXT.replace(body, new))
            with pytest.raises(ProfileError, match=rf"mine.toml: \[{key}\] is .*; expected a"):
                load_profile(path)


def test_sizes_of_cores_are_whole_and_positive(tmp_path):
    speck = (PROFILE_DIR / "speck.toml").read_text()
    path = tmp_path / "mine.toml"
    for value in ("0", "nan", "1.5", "1e12"):
        path.write_text(speck.replace("[16384, ", f"[{value}, ", 1))
        with pytest.raises(ProfileError, match=r"\[layer_cores.kernel_words\] is .*; expected a whole number from 1"):
            load_profile(path)
    path.write_text(re.sub(r"kernel_words = { value = \[[^]]*\]", "kernel_words = { value = []", speck))
    with pytest.raises(ProfileError, match=r"layer_cores.kernel_words.value\] expected `array` of length >= 1"):
        load_profile(path)


@pytest.mark.parametrize(
    "name", ["../profiles/loihi1", "x" * 5000, "x" * 5000 + ".toml", "a\0b", "a\0b.toml", "", "/.toml"]
)
def test_names_that_are_no_profile(name):
    with pytest.raises(ProfileError, match="no profile"):
        load_profile(name)


def test_a_folder_or_a_pipe_is_no_profile(tmp_path):
    os.mkfifo(tmp_path / "pipe.toml")
    (tmp_path / "folder.toml").mkdir()
    for name in ("pipe", "folder"):
        with pytest.raises(ProfileError, match=rf"{name}\.toml: a {name}; expected a TOML file"):
            load_profile(tmp_path / f"{name}.toml")


def test_profiles_are_loaded_by_name_by_path_or_as_they_are():
    loaded = load_profile("speck")
    names = [each.name for each in load_profiles(["loihi1", PROFILE_DIR / "loihi2.toml", loaded])]
    assert names == ["loihi1", "loihi2", "speck"]


def test_two_files_of_one_name_are_refused(tmp_path):
    (tmp_path / "mine.toml").write_text(TEXT)
    with pytest.raises(ProfileError, match=r"two of the profiles loihi1, .*mine.toml are called 'loihi1'; rename one"):
        load_profiles(["loihi1", tmp_path / "mine.toml"])


def test_the_name_that_stands_twice_is_the_one_that_is_named():
    with pytest.raises(ProfileError, match="two of the profiles loihi2, loihi1, loihi1 are called 'loihi1'"):
        load_profiles(["loihi2", "loihi1", "loihi1"])


def test_unknown_profile_lists_the_known_ones():
    with pytest.raises(ProfileError, match=r"no profile 'loihi3'; there are cmos45_fp32, .*, or give a \.toml file"):
        load_profile("loihi3")


def test_kinds_of_cores_exclude_each_other(tmp_path):
    speck = (PROFILE_DIR / "speck.toml").read_text()
    path = tmp_path / "mine.toml"
    tables = speck[speck.index("[layer_cores]") : speck.index("[neurons]")]
    path.write_text(TEXT.replace("[energy]", f"{tables}[energy]"))
    with pytest.raises(ProfileError, match=r"has the tables \[limits\] and \[layer_cores\]; expected one of them"):
        load_profile(str(path))
    path.write_text(speck.replace("[16384, 16384, ", "[16384, ", 1))
    with pytest.raises(ProfileError, match=r"\[layer_cores\] lists \[8, 9\] cores; expected as many sizes"):
        load_profile(str(path))
    path.write_text(TEXT[: TEXT.index("[encoding]")] + TEXT[TEXT.index("[energy]") :])
    with pytest.raises(ProfileError, match=r"has one of the tables \[limits\] and \[encoding\]; expected both"):
        load_profile(str(path))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("tiles = [1, 2, 4, 29]", "tiles = [2, 3, 4, 29]", r"has tiles \[2, 3, 4, 29\]; expected 1 first, then more"),
        ("tiles = [1, 2, 4, 29]", "tiles = [1, 4, 2, 29]", r"has tiles \[1, 4, 2, 29\]; expected 1 first, then more"),
        ("tiles = [1, 2, 4, 29]", "tiles = [1, 2, 2, 29]", r"has tiles \[1, 2, 2, 29\]; expected 1 first, then more"),
        ("tiles = [1, 2, 4, 29]", "tiles = [0, 1, 2, 29]", r"has tiles \[0, 1, 2, 29\]; expected 1 first, then more"),
        ("tiles = [1, 2, 4, 29]", "tiles = [1, 2]", "expected 1 first, then more and more, each with its value"),
        ("value = [0.6e-6", "value = [-1", r"synchronisation\] is -1; expected a number from 0 to 3,600"),
        ('1.8e-6], unit = "s"', '1.8e-6], unit = "J"', "synchronisation.* has unit 'J'; expected 's'"),
    ],
)
def test_a_table_by_tiles_begins_with_one_and_grows(tmp_path, old, new, message):
    text, path = (PROFILE_DIR / "loihi1_silicon_fit.toml").read_text(), tmp_path / "mine.toml"
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))
    with pytest.raises(ProfileError, match=message):
        load_profile(path)


def test_what_a_source_calls_a_number_is_one_of_three(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(TEXT.replace('stated_as = "maximum"', 'stated_as = "most"'))
    with pytest.raises(ProfileError, match=r"latency.accumulate.stated_as.*; expected 'minimum', 'maximum', 'typical'"):
        load_profile(path)


def test_parts_that_an_accumulate_holds_are_parts_of_the_energy(tmp_path):
    path, speck = tmp_path / "mine.toml", (PROFILE_DIR / "speck.toml").read_text()
    path.write_text(speck.replace('"spike_traffic", "static"', '"spike_traffic", "light"'))
    with pytest.raises(ProfileError, match=r"energy.included.value.*'light'"):
        load_profile(path)
