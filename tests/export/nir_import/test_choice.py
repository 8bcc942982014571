"""The rules beside a file: written as they are read, never applied to another file, and nothing else is taken."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spikeport.export.errors import FormatError
from spikeport.export.nir_import import choice
from spikeport.export.nir_import.dialect import DIALECTS, RESETS, STARTS, Dialect
from spikeport.export.nir_import.graph import read
from tests.export.nir_import.test_origin import graph_of, integrator

NUMBERS = st.floats(-1e6, 1e6)


@st.composite
def dialects(draw):
    """Any rules that a dialect can hold."""
    return replace(
        DIALECTS[draw(st.sampled_from(sorted(DIALECTS)))],
        dt=draw(st.floats(1e-9, 1e3)),
        reset=draw(st.sampled_from(list(RESETS))),
        start=draw(st.sampled_from(STARTS)),
        inclusive=draw(st.booleans()),
        most=draw(st.none() | st.integers(1, 1000)),
        floor=draw(st.none() | NUMBERS | st.just("threshold")),
        v_reset=draw(st.none() | NUMBERS),
        tau_syn=draw(st.none() | st.floats(0.1, 1e4)),
        gain_li=draw(st.none() | st.sampled_from(["one", "leak"])),
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(dialect=dialects(), evidence=st.text(max_size=40))
def test_rules_come_back_as_they_were_written(tmp_path, dialect, evidence):
    model = tmp_path / "model.nir"
    model.write_bytes(b"any")
    path = choice.write(model, dialect, evidence=evidence)
    assert path == tmp_path / "model.dialect.toml"
    assert choice.read(model) == dialect


def test_rules_of_another_file_are_refused(tmp_path):
    model = tmp_path / "model.nir"
    model.write_bytes(b"any")
    choice.write(model, DIALECTS["norse"], evidence="")
    model.write_bytes(b"other")
    with pytest.raises(FormatError, match=r"model\.dialect\.toml: holds the rules of another file than .*model\.nir"):
        choice.read(model)


def test_no_file_no_rules(tmp_path):
    assert choice.read(tmp_path / "model.nir") is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("dt = 0.001", "dt = -1.0"), "dt is -1"),
        (('reset = "hard"', 'reset = "soft"'), "reset is 'soft'"),
        (("[dialect]", "[dialekt]"), "not as 'spikeport identify' writes it"),
        (("dt = 0.001", "dd = 0.001"), "not as 'spikeport identify' writes it"),
        (('name = "norse"', 'name = "brian"'), "not as 'spikeport identify' writes it"),
        (("most = 1", 'most = "x"'), "most is the text 'x'"),
        (("inclusive = false", "inclusive = 3"), "inclusive is 3"),
        (("[dialect]", "[dialect"), "not a TOML file"),
    ],
)
def test_damaged_rules_are_refused(tmp_path, change, message):
    model = tmp_path / "model.nir"
    model.write_bytes(b"any")
    path = choice.write(model, DIALECTS["norse"], evidence="")
    path.write_text(path.read_text().replace(*change))
    with pytest.raises(FormatError, match=r"model\.dialect\.toml: ") as caught:
        choice.read(model)
    assert message in str(caught.value)


def test_rules_beside_a_file_are_used_and_said_and_a_dialect_overrides_them(tmp_path):
    path = tmp_path / "a.nir"
    graph_of(path, integrator(1))
    mine = Dialect(name="nir", reset="none", inclusive=True)
    choice.write(path, mine, evidence="reproduces 7 values exactly")
    _, dialect = read(path, steps=4)
    assert dialect == mine
    assert "reproduces 7 values exactly" in dialect.notes[0]
    assert read(path, steps=4, reset="late")[1] == replace(mine, reset="late")
    assert read(path, steps=4, dialect="sinabs")[1].name == "sinabs"
