"""The whole pipeline on a tiny recipe: its artefacts, its numbers, what is skipped and what is run again."""

import json
import shutil

import msgspec
import numpy as np
import pytest
import torch

import spikeport
from spikeport.export import archive
from spikeport.export.errors import ArchiveError, LavaError, OutputError, RecipeError, TrainingError
from spikeport.toolchain import checkpoint
from spikeport.toolchain.nn.ann import ANN
from spikeport.toolchain.nn.architectures.architecture import Images
from spikeport.toolchain.nn.architectures.vgg import Vgg
from spikeport.toolchain.runs.pipeline import empty
from spikeport.toolchain.stages import records
from spikeport.toolchain.stages.lower import Lower
from spikeport.toolchain.verbs.recipes import RunSettings
from tests.toolchain.invoking import invoke
from tests.toolchain.networks import RECIPE

STAGES = ["dense", "hydra", "lwm", "sparse", "convert", "finetune"]
STAGES += ["lower", "quantize", "export", "check", "strong", "report"]
MODEL = frozenset({"model.safetensors", "adversarial.npz"})
WRITTEN = {
    **dict.fromkeys(STAGES[:6], MODEL),
    "lower": {"network_float.safetensors"},
    "quantize": {"network.safetensors"},
    "export": {"network.nir", "network.onnx", "held_out.npz"},
    "check": set(),
    "strong": {"attacked.npz"},
    "report": {"report.json", "report.html"},
}


@pytest.fixture
def copied(tiny_run, tmp_path):
    """Return a finished run that a test may change."""
    shutil.copytree(tiny_run, tmp_path / "run")
    return tmp_path / "run"


def report_of(folder):
    return json.loads((folder / "report" / "report.json").read_text())


def record_of(folder, name):
    return records.read(folder / name)


def ran(recipe, folder, *settings, **options):
    return spikeport.run(recipe, folder, settings=RunSettings(settings=settings, device="cpu"), **options).ran


def test_every_stage_has_a_folder_with_its_files_and_its_record(tiny_run):
    assert {path.name for path in tiny_run.iterdir()} == {*STAGES, "run.json"}
    for name, files in WRITTEN.items():
        found = {path.name for path in (tiny_run / name).iterdir()}
        assert files | {"record.json"} <= found
        record = record_of(tiny_run, name)
        assert files == {output.file for output in record.outputs.values()}
        for output in record.outputs.values():
            assert records.digest_of_file(tiny_run / name / output.file) == output.digest


def test_a_record_says_with_what_a_stage_was_made(tiny_run):
    record, before = record_of(tiny_run, "finetune"), record_of(tiny_run, "convert")
    assert record.inputs["model"] == before.outputs["model"].digest
    assert record.settings["training"]["learning_rate"] == 0.02
    assert record.settings["spiking"]["steps"] == 4
    assert record.versions["torch"] == torch.__version__
    assert (record.done, record.threads, record.device) == (True, 1, "cpu")
    assert record.seed == records.seed_of(0, "finetune")
    assert record.seconds > 0


def test_rows_of_the_report_are_the_stages_in_order(tiny_run):
    report = report_of(tiny_run)
    titles = ["dense ANN", "hydra", "lwm", "sparse", "convert", "sparse SNN", "integers"]
    assert [row["title"] for row in report["accuracy"]] == titles
    for row, name in zip(report["accuracy"], [*STAGES[:6], "check"], strict=True):
        metrics = record_of(tiny_run, name).metrics
        assert row["stage"] == name
        assert row["clean"] == (metrics["accuracy"]["integer"] if name == "check" else metrics["clean"])
        assert row["robust"] == metrics["robust"]
        assert 0 <= row["robust"] <= 1
    attack = report["attack"]
    assert (attack["name"], attack["epsilon"], attack["images"]) == ("PGD-2", 8.0, 20)
    (strong,) = report["attacks"]
    assert (strong["name"], strong["epsilon"], strong["images"], strong["stage"]) == ("PGD-3", 16.0, 10, "strong")


def test_report_has_the_promised_keys_and_they_agree(tiny_run):
    report = report_of(tiny_run)
    network = archive.read_integer(tiny_run / "quantize" / "network.safetensors")
    neurons = sum(int(np.prod(population.shape)) for population in network.neurons)
    for name in ("onnx", "nir"):
        assert report["fidelity"][name]["compared"] == 20 * 4 * neurons
        assert report["fidelity"][name]["mismatches"] == 0
    assert report["fidelity"]["lowering"]["mismatches"] == 0
    assert report["operations"]["formula"] > 0
    assert report["network"]["digest"] == archive.digest(network)


def test_accuracy_in_the_report_is_that_of_the_artefacts(tiny_run):
    rows = {row["stage"]: row for row in report_of(tiny_run)["accuracy"]}
    network = tiny_run / "quantize" / "network.safetensors"
    outcome = spikeport.simulate(network, tiny_run / "export" / "held_out.npz")
    with np.load(tiny_run / "export" / "held_out.npz") as held_out:
        assert rows["check"]["clean"] == np.mean(outcome.classes == held_out["labels"])
    snn = checkpoint.read_snn(tiny_run / "finetune" / "model.safetensors").eval()
    attacked = tiny_run / "finetune" / "adversarial.npz"
    with np.load(attacked) as images, torch.no_grad():
        chosen = snn(torch.from_numpy(images["images"] / np.float32(255))).argmax(1).numpy()
        assert rows["finetune"]["robust"] == np.mean(chosen == images["labels"])
        assert rows["check"]["robust"] == np.mean(spikeport.simulate(network, attacked).classes == images["labels"])


def test_a_stage_of_attack_gives_model_and_integers_the_same_images(tiny_run):
    (found,) = report_of(tiny_run)["attacks"]
    attacked = tiny_run / "strong" / "attacked.npz"
    snn = checkpoint.read_snn(tiny_run / "finetune" / "model.safetensors").eval()
    outcome = spikeport.simulate(tiny_run / "quantize" / "network.safetensors", attacked)
    with np.load(attacked) as images, np.load(tiny_run / "export" / "held_out.npz") as clean, torch.no_grad():
        moved = images["images"].astype(int) - clean["images"][:10]
        assert 0 < np.abs(moved).max() <= 16
        chosen = snn(torch.from_numpy(images["images"] / np.float32(255))).argmax(1).numpy()
        assert found["network"] == np.mean(chosen == images["labels"])
        assert found["integer"] == np.mean(outcome.classes == images["labels"])


def test_sparsity_is_the_recipes_in_every_layer_and_does_not_change(tiny_run):
    before = checkpoint.read_ann(tiny_run / "lwm" / "model.safetensors").synapses()
    for name, synapses in checkpoint.read_snn(tiny_run / "finetune" / "model.safetensors").synapses().items():
        zeros = int((synapses.weight == 0).sum())
        assert synapses.weight.numel() - zeros == round(0.2 * synapses.weight.numel())
        assert torch.equal(synapses.weight == 0, before[name].weight == 0)
    assert report_of(tiny_run)["sparsity"]["global"] == pytest.approx(0.8, abs=0.01)


def test_a_run_that_is_done_runs_nothing(recipe, tiny_run):
    before = {path: path.stat().st_mtime_ns for path in tiny_run.rglob("*") if path.is_file()}
    assert ran(recipe, tiny_run) == ()
    assert [path.name for path, when in before.items() if path.stat().st_mtime_ns != when] == ["run.json"]


@pytest.mark.parametrize(
    ("setting", "again"),
    [
        ('stages.report.profiles=["loihi2"]', ["report"]),
        ('stages.check.executors=["onnx"]', ["check", "report"]),
        ("stages.dense.title=dense", ["report"]),
        ("stages.quantize.weight_bits=4", ["quantize", "export", "check", "strong", "report"]),
        ("evaluate.images=10", None),
    ],
)
def test_what_a_setting_changes_runs_again_and_nothing_else(recipe, copied, setting, again):
    found = spikeport.forecast(recipe, copied, settings=RunSettings(settings=[setting]))
    planned = [line.name for line in found.lines if line.runs]
    if again is None:
        assert {"dense", "lower", "check"} <= set(planned)
        assert "quantize" not in {line.name for line in found.lines if line.why.startswith("has other")}
        return
    assert planned[: len(again)] == again[:1] if len(again) == 1 else set(again) <= set(planned)
    assert list(ran(recipe, copied, setting)) == again


def test_a_stage_in_between_leaves_the_seeds_of_the_others(copied, tmp_path):
    early = 'stage = "attack"\nname = "early"\nattack = { kind = "pgd", steps = 1 }\nimages = 4\n'
    more = f'[[stages]]\n{early}[[stages]]\nstage = "convert"'
    path = tmp_path / "longer.toml"
    path.write_text(RECIPE.replace('[[stages]]\nstage = "convert"', more, 1))
    assert list(ran(path, copied)) == ["early", "report"]


def test_another_file_than_recorded_is_made_again(recipe, copied):
    network = copied / "quantize" / "network.safetensors"
    right = network.read_bytes()
    network.write_bytes(right[:-1])
    assert list(ran(recipe, copied, to="quantize")) == ["quantize"]
    assert network.read_bytes() == right
    network.unlink()
    assert list(ran(recipe, copied)) == ["quantize"]
    assert network.read_bytes() == right


def test_from_runs_a_stage_again_and_what_changes_by_it(recipe, copied):
    assert list(ran(recipe, copied, from_="quantize")) == ["quantize"]
    assert list(ran(recipe, copied, from_="check", to="check")) == ["check"]


def test_from_needs_what_stands_before(recipe, copied, tmp_path):
    with pytest.raises(RecipeError, match=r"stage 'dense' has not run in .*run it first: --from dense"):
        ran(recipe, tmp_path / "none", from_="sparse")
    assert not (tmp_path / "none" / "run.json").exists()
    before = (copied / "run.json").read_bytes()
    with pytest.raises(RecipeError, match=r"stage 'lwm' has other settings than before \(sparsity\) in .*--from lwm"):
        ran(recipe, copied, "stages.lwm.sparsity=0.5", from_="check")
    assert (copied / "run.json").read_bytes() == before


@pytest.mark.parametrize(
    ("from_", "to", "message"),
    [
        ("dens", None, "no stage 'dens'; there are dense, hydra, .*did you mean 'dense'"),
        ("check", "lwm", "comes after"),
    ],
)
def test_unknown_or_reversed_stages_are_refused(recipe, tmp_path, from_, to, message):
    with pytest.raises(RecipeError, match=message):
        ran(recipe, tmp_path / "out", from_=from_, to=to)
    assert not (tmp_path / "out").exists()


def test_a_run_goes_on_with_the_recipe_in_its_folder(recipe, copied):
    shutil.rmtree(copied / "report")
    done = spikeport.run(out=copied, resume=True)
    assert (done.ran, done.passed) == (("report",), True)
    with pytest.raises(RecipeError, match="leave out RECIPE, --set, --seed, --verify"):
        spikeport.run(recipe, copied, resume=True)
    with pytest.raises(RecipeError, match=r"run\.json: no such file; expected the folder of a run"):
        spikeport.run(out=copied / "check", resume=True)
    (copied / "run.json").write_text("{}")
    with pytest.raises(RecipeError, match=r"run\.json: damaged \('recipe'\); give the recipe again"):
        spikeport.run(out=copied, resume=True)


@pytest.mark.parametrize("content", ["{", "[]", '{"name": 5}', "[" * 100_000])
def test_a_damaged_record_is_named(recipe, copied, content):
    (copied / "lwm" / "record.json").write_text(content)
    with pytest.raises(ArchiveError, match=r"lwm/record\.json: damaged .*delete .*lwm to run this stage again"):
        ran(recipe, copied)


def test_a_folder_of_somebody_else_is_not_emptied(recipe, tmp_path):
    (tmp_path / "dense").mkdir()
    (tmp_path / "dense" / "thesis.tex").write_text("years of work")
    with pytest.raises(OutputError, match=r"dense: holds files but no record\.json, so it is no folder of a stage"):
        ran(recipe, tmp_path, to="dense")
    assert (tmp_path / "dense" / "thesis.tex").read_text() == "years of work"


def test_a_folder_that_is_emptied_keeps_its_record_until_the_end(tmp_path):
    (tmp_path / "epochs").mkdir()
    for name in ("record.json", "a.npz", "epochs/1"):
        (tmp_path / name).write_text("x")
    empty(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["record.json"]


def test_what_a_late_stage_lacks_is_said_before_training(monkeypatch, recipe, tmp_path):
    monkeypatch.setenv("SPIKEPORT_LAVA_ENV", str(tmp_path / "none"))
    for setting, error, message in (
        ('stages.check.executors=["lava"]', LavaError, "no Lava environment in"),
        ('network.plan=[4, "P", "P", "P", "P"]', RecipeError, "network: nothing is left of an image of 8x8 pixels"),
    ):
        with pytest.raises(error, match=message):
            ran(recipe, tmp_path / "out", setting)
    with pytest.raises(RecipeError, match="no device 'tpu'; expected auto, cpu, cuda, mps"):
        spikeport.run(recipe, tmp_path / "out", settings=RunSettings(device="tpu"))
    if not torch.cuda.is_available():
        with pytest.raises(RecipeError, match=r"PyTorch finds no device 'cuda' here; expected .*cpu or auto"):
            spikeport.run(recipe, tmp_path / "out", settings=RunSettings(device="cuda"))
    assert not (tmp_path / "out").exists()


def test_an_interrupted_stage_leaves_the_ones_before_it(monkeypatch, recipe, copied):
    def interrupted(*_):
        raise KeyboardInterrupt

    shutil.rmtree(copied / "lower")
    with monkeypatch.context() as patch:
        patch.setattr(Lower, "run", interrupted)
        with pytest.raises(KeyboardInterrupt):
            ran(recipe, copied)
    assert {path.name for path in (copied / "lower").iterdir()} == {"record.json"}
    assert not record_of(copied, "lower").done
    assert list(ran(recipe, copied)) == ["lower"]


def test_verdict_of_the_run_fails_where_a_comparison_failed(recipe, copied):
    record = record_of(copied, "check")
    metrics = json.loads(json.dumps(record.metrics))
    metrics["fidelity"]["onnx"]["mismatches"] = 1
    records.write(msgspec.structs.replace(record, metrics=metrics), copied / "check")
    for last in ("check", "report"):
        done = spikeport.run(recipe, copied, to=last)
        assert done.passed is False
        assert "onnx: 1 of " in done.reasons[0]
        assert "FAILED:" in done.text()


def test_diverged_training_is_called_that(recipe, tmp_path):
    with pytest.raises(TrainingError, match="dense"):
        ran(recipe, tmp_path / "out", "stages.dense.training.learning_rate=1e6")


@pytest.mark.parametrize(
    ("threads", "last"), [(2, "dense"), pytest.param(2, "finetune", marks=pytest.mark.slow), (3, "dense")]
)
def test_equal_seeds_give_equal_bytes_whatever_the_number_of_threads(recipe, tiny_run, tmp_path, threads, last):
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        spikeport.run(recipe, tmp_path, to=last)
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    written = list(tmp_path.rglob("*.safetensors"))
    assert written
    for path in written:
        assert path.read_bytes() == (tiny_run / path.relative_to(tmp_path)).read_bytes()


def test_another_seed_gives_another_network(recipe, tiny_run, tmp_path):
    spikeport.run(recipe, tmp_path, to="dense", settings=RunSettings(seed=1))
    name = "dense/model.safetensors"
    assert (tmp_path / name).read_bytes() != (tiny_run / name).read_bytes()


def test_integer_aware_finetuning_and_searched_scales_are_stages_of_a_run(copied, tmp_path):
    tuned = 'stage = "train"\nname = "tuned"\nweight_bits = 3\ntraining = { epochs = 1, learning_rate = 0.02 }\n'
    text = RECIPE.replace('[[stages]]\nstage = "lower"', f'[[stages]]\n{tuned}[[stages]]\nstage = "lower"')
    path = tmp_path / "tuned.toml"
    path.write_text(text.replace('name = "quantize"', 'name = "quantize"\nweight_bits = 3\ncalibration_images = 30'))
    assert ran(path, copied)[0] == "tuned"
    network = archive.read_integer(copied / "quantize" / "network.safetensors")
    assert max(np.abs(p.synapses.weight).max() for p in network.projections) == 3
    assert set(record_of(copied, "quantize").metrics["clips"]) == {p.name for p in network.neurons}
    report = report_of(copied)
    assert report["fidelity"]["onnx"]["mismatches"] == 0
    assert [row["title"] for row in report["accuracy"]][-2:] == ["tuned", "integers"]
    after, before = (checkpoint.read_snn(copied / name / "model.safetensors") for name in ("tuned", "finetune"))
    masks = [synapses.weight == 0 for synapses in after.synapses().values()]
    expected = [synapses.weight == 0 for synapses in before.synapses().values()]
    assert all(map(torch.equal, masks, expected))


FRAMES = """
version = 2
threads = 1
data = { kind = "npz", path = "FILE", test = 0.25, validation = 0.2 }
network = { kind = "vgg", plan = [3, "P"], head = [] }
spiking = { steps = 4, encoder = { kind = "frames" } }
evaluate = { epsilon = 90, attack = { kind = "fgsm" } }
[[stages]]
stage = "train"
name = "snn"
model = "snn"
training = { epochs = 1, learning_rate = 0.05, batch_size = 16 }
[[stages]]
stage = "lower"
name = "lower"
[[stages]]
stage = "quantize"
name = "quantize"
[[stages]]
stage = "check"
name = "check"
executors = ["reference"]
"""


@pytest.fixture
def frames(tmp_path):
    counts = np.random.default_rng(0).integers(0, 4, (80, 4, 1, 8, 8), dtype=np.uint8)
    np.savez(tmp_path / "frames.npz", images=counts, labels=np.arange(80) % 4)
    path = tmp_path / "frames.toml"
    path.write_text(FRAMES.replace("FILE", str(tmp_path / "frames.npz")))
    return path


def test_frames_of_events_go_from_a_file_to_integers(frames, tmp_path):
    """Attacked frames are whole counts, so that integers are given what the model was attacked with."""
    spikeport.run(frames, out=tmp_path / "run")
    found = {name: record_of(tmp_path / "run", name).metrics for name in ("snn", "lower", "check")}
    assert found["lower"]["compared"] > 0 == found["lower"]["mismatches"]
    assert found["check"]["fidelity"]["reference"]["mismatches"] == 0
    with np.load(tmp_path / "run" / "snn" / "adversarial.npz") as file:
        attacked, labels = file["images"], file["labels"]
    assert np.abs(attacked * 3 - np.rint(attacked * 3)).max() < 1e-5
    model = checkpoint.read_snn(tmp_path / "run" / "snn" / "model.safetensors").eval()
    with torch.no_grad():
        chosen = model(torch.from_numpy(attacked)).argmax(1).numpy()
    assert (chosen == labels).mean() == found["snn"]["robust"]


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("spiking.encoder.kind=direct", r'takes images; set spiking = \{ steps = 4, encoder = \{ kind = "frames"'),
        ("spiking.steps=8", "a sample is 4 frames, and T = 8; set steps = 4"),
        ("evaluate.epsilon=8", "counts 0 to 3, of which one more is 85/255"),
    ],
)
def test_what_does_not_suit_frames_is_said_at_the_start(frames, tmp_path, setting, words):
    with pytest.raises(RecipeError, match=words):
        ran(frames, tmp_path / "run", setting)
    assert not (tmp_path / "run" / "snn").exists()


def test_held_images_do_not_go_into_an_encoder_of_frames(recipe, tmp_path):
    with pytest.raises(RecipeError, match="its images are held, and the encoder 'frames' takes frames"):
        ran(recipe, tmp_path / "run", "spiking.encoder.kind=frames")


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("stages.finetune.training.batch_size=5000", "stage 'finetune': batch_size is 5000"),
        ("stages.finetune.training.warmup=99", "stage 'finetune': warmup is 99 epochs"),
        ("stages.finetune.training.precision='16'", "stage 'finetune': precision = .16. needs a GPU"),
    ],
)
def test_settings_of_a_late_training_are_examined_at_the_start(recipe, tmp_path, setting, words):
    with pytest.raises(TrainingError, match=words):
        ran(recipe, tmp_path / "run", setting)
    assert not (tmp_path / "run" / "dense").exists()


def test_an_interrupted_run_says_how_it_goes_on_and_does(monkeypatch, frames, tmp_path, capsys):
    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Lower, "run", interrupted)
        code, _, err = invoke(patch, capsys, "run", frames, "--out", tmp_path / "run")
    assert code == 130
    advice = f"run --resume --out {tmp_path / 'run'}"
    assert err.endswith(f"go on with: spikeport {advice}\n")
    code, _, err = invoke(monkeypatch, capsys, *advice.split())
    assert (code, "snn: done before, skipped" in err or err) == (0, True)


def test_a_network_whose_file_has_changed_is_trained_anew(tmp_path):
    recipe, path = tmp_path / "own.toml", tmp_path / "model.safetensors"
    recipe.write_text(
        f'version = 2\ndata = {{ kind = "digits" }}\nnetwork = {{ kind = "file", path = "{path}" }}\n'
        "evaluate = { images = 10 }\n"
        '[[stages]]\nstage = "train"\nname = "dense"\ntraining = { epochs = 0, learning_rate = 0.1 }\n'
        'objective = { kind = "plain" }\n'
    )
    digits = Images(shape=(1, 8, 8), classes=10, mean=(0.3,), std=(0.4,))
    written = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        checkpoint.write(ANN(Vgg(plan=(2, "P"), head=()).specification(digits)), path)
        spikeport.run(recipe, tmp_path / "run")
        written.append((tmp_path / "run" / "dense" / "model.safetensors").stat().st_mtime_ns)
    assert written[0] == written[1] < written[2]
