"""Profiles: one contract for every file of the folder, and clear errors for a user's own."""

import pytest

from spikeport.export.errors import ProfileError
from spikeport.hardware_profiles.profile import PROFILE_DIR, constants, load_profile, profile_names

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
        ("value = 1024", "value = -1", r"\[limits.neurons.value\] expected `float` >= 0"),
        (
            'value = 131072, unit = "B"',
            'value = 128, unit = "KB"',
            "limits.synaptic_memory.* has unit 'KB'; expected 'B'",
        ),
        ('evidence = "assumed"', 'evidence = "guessed"', "guessed"),
        ("[limits]", "[limits", "mine.toml: "),
        ('value = ["dense", "sparse"]', 'value = ["foo"]', r"encoding.lists.value.*'dense', 'sparse', 'run_length'"),
        ('value = ["dense", "sparse"]', "value = []", r"encoding.lists.value.* expected `array` of length >= 1"),
        ("value = 131072", "value = 1e25", r"limits.synaptic_memory. is 1e\+25; expected a whole number below 2\*\*31"),
        ("value = 131072", "value = 100.5", r"limits.synaptic_memory. is 100.5; expected a whole number"),
    ],
)
def test_wrong_file_is_named_with_its_key(tmp_path, old, new, message):
    path = tmp_path / "mine.toml"
    path.write_text(TEXT.replace(old, new, 1))
    with pytest.raises(ProfileError, match=message) as caught:
        load_profile(str(path))
    assert str(path) in str(caught.value)


def test_unknown_profile_lists_the_known_ones():
    with pytest.raises(ProfileError, match=r"no profile 'loihi3'; there are cmos45_fp32, .*, or give a \.toml file"):
        load_profile("loihi3")


def test_kinds_of_cores_exclude_each_other(tmp_path):
    speck = (PROFILE_DIR / "speck.toml").read_text()
    path = tmp_path / "mine.toml"
    tables = speck[speck.index("[layer_cores]") : speck.index("[energy]")]
    path.write_text(TEXT.replace("[energy]", f"{tables}[energy]"))
    with pytest.raises(ProfileError, match=r"has the tables \[limits\] and \[layer_cores\]; expected one of them"):
        load_profile(str(path))
    path.write_text(speck.replace("[16384, 16384, ", "[16384, ", 1))
    with pytest.raises(ProfileError, match=r"\[layer_cores\] lists \[8, 9\] cores; expected as many sizes"):
        load_profile(str(path))
    path.write_text(TEXT[: TEXT.index("[encoding]")] + TEXT[TEXT.index("[energy]") :])
    with pytest.raises(ProfileError, match=r"has one of the tables \[limits\] and \[encoding\]; expected both"):
        load_profile(str(path))
