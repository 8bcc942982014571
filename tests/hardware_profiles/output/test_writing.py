"""Tables and figures in folders: a file each, vectors, light colours, and a sentence about PDF where it is missing."""

import importlib.util
import sys
import xml.etree.ElementTree as ET

import pytest

from spikeport.export.errors import OutputError
from spikeport.hardware_profiles.output import writing
from spikeport.hardware_profiles.output.bars import Bar, Part, bars
from spikeport.hardware_profiles.output.figure import figure
from spikeport.hardware_profiles.output.pdf import HOW, pdf, why_not
from spikeport.hardware_profiles.output.table import Table, words
from spikeport.hardware_profiles.output.writing import check_folder, write_figures, write_tables

SVG = "{http://www.w3.org/2000/svg}"
ROWS = [
    Bar(label="a", parts=[Part(value=1.0), Part(value=2.0, series=1, kind="assumed")], shown="3", error=0.5),
    Bar(label="b <&", parts=[Part(value=1.0), Part(value=0.0, series=1, kind="unknown")], shown=">= 1"),
]
PICTURE = bars(ROWS, title="a <title>", caption="lengths", series=["one", "two"])


class Result:
    """A result with a table and a figure."""

    def tables(self):
        return [Table(name=name, title=name, columns=[words(name)], rows=[[name]]) for name in ("one", "two")]

    def figures(self):
        return [figure("bars", "bars", PICTURE)]


def test_every_table_is_a_file_in_each_folder(tmp_path):
    said = write_tables(Result(), csv=tmp_path / "csv", latex=tmp_path / "tex")
    assert said == (f"wrote one.csv, two.csv to {tmp_path}/csv/", f"wrote one.tex, two.tex to {tmp_path}/tex/")
    assert (tmp_path / "csv" / "two.csv").read_text() == "two\ntwo\n"
    assert r"\toprule" in (tmp_path / "tex" / "one.tex").read_text()
    assert write_tables(Result()) == ()


def test_without_the_library_svg_is_written_and_pdf_is_explained(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "cairosvg", None)
    said = write_figures(Result(), tmp_path)
    assert said == (f"wrote bars.svg to {tmp_path}/", HOW)
    assert [each.name for each in tmp_path.iterdir()] == ["bars.svg"]


def test_a_folder_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutputError, match="is a file; expected a folder"):
        check_folder(tmp_path / "file")


def test_many_files_are_counted(tmp_path):
    files = {f"{number}.csv": b"x" for number in range(9)}
    assert writing._written(tmp_path, files).endswith(f"4.csv, 5.csv and 3 more to {tmp_path}/")


def test_a_figure_stands_alone_in_light_colours():
    """No variable, no medium and no font of the viewer is left: programs that make PDF know none of them."""
    svg = figure("bars", "bars", PICTURE).svg
    assert "var(" not in svg
    assert "@media" not in svg
    assert "system-ui" not in svg
    assert "#2f6fb7" in svg
    assert "#5b9be0" not in svg
    assert ET.fromstring(svg).tag == f"{SVG}svg"


def test_bars_are_as_long_as_their_parts():
    root = ET.fromstring(PICTURE)
    wide = {
        each.get("class"): float(each.get("width"))
        for each in root.iter(f"{SVG}rect")
        if each.find(f"{SVG}title") is not None
    }
    assert wide["assumed"] == pytest.approx(2 * wide["known"], rel=1e-3)
    texts = [each.text for each in root.iter(f"{SVG}text")]
    assert texts[:4] == ["a", "3", "b <&", ">= 1"]
    assert {"one", "two", "lengths", "not published, of no known length"} <= set(texts)
    assert root.find(f"{SVG}title").text == "a <title>"


def test_bars_of_nothing_have_no_length():
    root = ET.fromstring(bars([Bar(label="a", parts=[Part(value=0.0)], shown="0")], title="t", caption="c"))
    assert [each.get("width") for each in root.iter(f"{SVG}rect")] == ["100%", "0.0"]


@pytest.mark.skipif(importlib.util.find_spec("cairosvg") is None, reason="needs the extra [figures]")
def test_pdf_is_one_page_of_vectors():
    assert why_not() is None
    made = pdf(figure("bars", "bars", PICTURE).svg)
    assert made.startswith(b"%PDF-")
    assert b"/Subtype /Image" not in made
