"""What a sweep's table and picture take from the records of its stages."""

import csv
import io
import xml.etree.ElementTree as ET
from dataclasses import replace

import msgspec
import pytest

from spikeport.hardware_profiles.output.trade_off import HEIGHT, LEFT, TOP, WIDTH
from spikeport.toolchain.attacks.pgd import Pgd
from spikeport.toolchain.attacks.transfer import Transfer
from spikeport.toolchain.runs.combinations import Combination
from spikeport.toolchain.runs.sweep_figures import figures
from spikeport.toolchain.runs.sweep_files import write_files
from spikeport.toolchain.runs.sweep_table import Swept, averaged, csv_text
from spikeport.toolchain.stages.records import Record
from spikeport.toolchain.stages.run import attack_name

SVG = "{http://www.w3.org/2000/svg}"


def record(stage, **metrics):
    return Record(
        name=stage, stage=stage, done=True, settings={}, inputs={}, seed=0, threads=1, device="cpu", versions={},
        started="2026-01-01T00:00:00+00:00", outputs={}, seconds=2.0, metrics=metrics,
    )  # fmt: skip


def suite(worst, deployed, epsilon=41.0):
    error = {"network_error": 0.02, "integer_error": 0.02}
    return {"attack": "worst case of suite quick", "epsilon": epsilon, "network": worst, "integer": deployed, **error}


def records_of(seed, pruner):
    shift = 0.02 * seed
    alone = {"attack": "PGD-10", "epsilon": 20.0, "network": 0.8, "integer": None}
    return {
        "train": record("train", clean=0.9 + shift, robust=0.6, sparsity=0.9),
        "attack_ann": record("attack", epsilons=[alone]),
        "attack": record("attack", images=100, epsilons=[suite(0.7, 0.72, 20.0), suite(0.5 + shift, 0.4 + shift)]),
        "report": record(
            "report", passed=True, accumulates=1000.0 * (1 + seed) * (1 + len(pruner)), cores={"loihi1": 3},
            joules={"loihi1": 2e-6 * len(pruner), "loihi2": 1e-6},
        ),
    }  # fmt: skip


@pytest.fixture
def swept(tmp_path):
    values = [{"seed": seed, "pruner": pruner} for pruner in ("lwm", "hydra") for seed in (0, 1)]
    texts = [{key: str(value) for key, value in each.items()} for each in values]
    each = [
        Combination(name=f"{v['pruner']}{v['seed']}", values=v, texts=t, recipe={})
        for v, t in zip(values, texts, strict=True)
    ]
    return Swept(
        folder=tmp_path,
        combinations=tuple(each),
        records={c.name: records_of(c.values["seed"], c.values["pruner"]) for c in each},
        failed={},
    )


def test_robust_shares_of_every_attack_and_epsilon_and_costs_are_figures():
    found = figures(records_of(1, "lwm"))
    assert found["PGD-10, 20"] == 0.8
    assert found["worst, 41"] == 0.52
    assert found["integers, worst, 20"] == 0.72
    assert found["accumulates"] == 8000
    assert found["cores, loihi1"] == 3
    assert found["known energy, nJ, loihi1"] == pytest.approx(6000)


def attacked(name, attack, share, model):
    found = {"attack": attack, "epsilon": 8.0, "network": share, "integer": None}
    return msgspec.structs.replace(record("attack", epsilons=[found]), name=name, inputs={"model": model})


def test_two_attacks_of_one_model_in_the_same_words_are_columns_of_their_own():
    found = figures(
        {
            "a": attacked("a", "PGD-7", 0.1, "same"),
            "b": attacked("b", "PGD-7", 0.2, "same"),
            "c": attacked("c", "FGSM", 0.3, "same"),
            "d": attacked("d", "FGSM", 0.4, "another"),
        }
    )
    assert {name: share for name, share in found.items() if share is not None} == {
        "PGD-7 (a), 8": 0.1,
        "PGD-7 (b), 8": 0.2,
        "FGSM, 8": 0.4,
    }


def test_a_transferred_attack_is_named_by_what_it_transfers():
    assert attack_name(Transfer(network="other", attack=Pgd(steps=7))) == "PGD-7, transferred"


def shown(table):
    """Return the titles and the cells of a table as its text has them."""
    rows = [[c.text(cell) for c, cell in zip(table.columns, row, strict=True)] for row in table.rows]
    return [column.title for column in table.columns], rows


def test_the_table_has_a_column_for_what_was_measured_and_none_for_the_rest(swept):
    header, rows = shown(averaged(swept))
    assert header[:5] == ["pruner", "runs", "clean", "robust", "zero weights"]
    assert "integers" not in header
    assert "integers, PGD-10, 20" not in header
    row = dict(zip(header, rows[0], strict=True))
    assert row["worst, 41"] == "51.0 ± 1.0"
    assert row["integers, worst, 41"] == "41.0 ± 1.0"
    assert row["accumulates"] == "6,000 ± 2,000"
    assert row["cores, loihi1"] == "3.0 ± 0.0"
    assert row["known energy, nJ, loihi1"] == "6,000 ± 0"


def test_a_figure_that_one_seed_lacks_has_no_mean(swept):
    lacking = {name: {k: v for k, v in each.items() if k != "report"} for name, each in swept.records.items()}
    header, rows = shown(averaged(replace(swept, records=swept.records | {"lwm0": lacking["lwm0"]})))
    assert [row[header.index("accumulates")] for row in rows] == ["", "9,000 ± 3,000"]


def test_every_number_of_every_stage_is_in_the_csv(swept):
    lines = list(csv.DictReader(io.StringIO(csv_text(swept))))
    assert lines[3]["attack.eps 41.integer"] == "0.42000000000000004"
    assert lines[0]["attack.eps 20.network"] == "0.7"
    assert lines[0]["report.joules.loihi2"] == "1e-06"
    assert lines[0]["report.cores.loihi1"] == "3"


def test_the_picture_has_a_point_a_group_at_its_robust_and_clean_share_and_energy(swept):
    root = ET.fromstring(swept.picture())
    points = {
        each.find(f"{SVG}title").text: each for each in root.iter(f"{SVG}g") if each.find(f"{SVG}title") is not None
    }
    robust = "robust accuracy (integers, worst, 41/255)"
    assert list(points) == [
        f"pruner lwm, {robust}: 41.0 %, 6,000",
        "pruner lwm, clean accuracy: 91.0 %, 6,000",
        f"pruner hydra, {robust}: 41.0 %, 10,000",
        "pruner hydra, clean accuracy: 91.0 %, 10,000",
    ]
    circles = [each.find(f"{SVG}circle") for each in points.values()]
    across = [float(each.get("cx")) for each in circles]
    assert across == pytest.approx([LEFT + WIDTH * 0.6] * 2 + [LEFT + WIDTH] * 2, abs=0.11)
    up = [TOP + HEIGHT - float(each.get("cy")) for each in circles]
    assert up == pytest.approx([HEIGHT * (share - 0.4) / 0.6 for share in (0.41, 0.91) * 2], abs=0.11)


def test_the_picture_needs_no_robust_share(swept):
    """Clean accuracy against energy is a trade-off, too."""
    plain = {name: {k: v for k, v in each.items() if k in ("train", "report")} for name, each in swept.records.items()}
    root = ET.fromstring(replace(swept, records=plain).picture())
    assert sum(each.get("class") == "open" for each in root.iter(f"{SVG}circle")) == 3  # two points and the legend's


def test_files_are_written_and_named_and_no_picture_stays_that_nothing_supports(swept):
    write_files(swept)
    assert "sweep.csv, sweep.md, sweep.tex, sweep.svg" in swept.text()
    without = {name: {"train": each["train"]} for name, each in swept.records.items()}
    bare = replace(swept, records=without)
    write_files(bare)
    assert not (swept.folder / "sweep.svg").exists()
    assert "sweep.svg" not in bare.text()
