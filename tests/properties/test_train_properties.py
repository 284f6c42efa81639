"""Graphs, training, evaluation and publication of the property networks, as a user runs them on a small table."""

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data_prep.coordination import all_coordinations
from data_prep.errors import InputError
from data_prep.files.atomic import write_text
from data_prep.property_labels import PROPERTIES
from models.cgcnn import graph_layers
from repro.__main__ import main
from repro.network_folders import read_manifest
from repro.presets import SMOKE
from repro.properties import publish_properties, train_properties, training_plan
from repro.properties.network_folder import load_property_networks
from repro.properties.networks import predict
from repro.properties.property_data import load_property_data
from repro.properties.train_properties import load_network, trained_networks
from repro.properties.training_plan import plan
from repro.training.fit import BEST
from tests.support.exit_code import exit_code
from tests.support.made_up_crystals import made_up_crystals
from tests.support.pipeline import RUN, experiment, repro, table_row
from tests.support.property_networks import predicting

pytestmark = pytest.mark.slow

ENERGY = ("formation_energy_per_atom-1", "formation_energy_per_atom-2")
TRANSFERRED = ("band_gap", "bulk_modulus", "refractive_index", "dielectric_constant")
COUNTS = {"parameters": 1, "epochs": 3}
STAGES = ("graphs", "train-cgcnn", "properties", "evaluate-properties")


def labelled_source(folder: Path) -> None:
    """Write sixty made-up crystals whose labels follow from their cells; ten of them have a shear modulus."""
    rng = np.random.default_rng(5)
    with open(folder / "crystals.csv", "w", newline="") as file:
        rows = []
        for number, crystal in enumerate(made_up_crystals(60)):
            size, noise = crystal.lengths[0], rng.normal(0, 0.05, 4)
            rows.append(
                table_row(crystal)
                | {"K_VRH": 100 * 4 / size + 10 * noise[0], "band_gap": max(0.0, size - 3.5 + noise[1])}
                | {"refractive_index": 1.5 + 1 / size + noise[2], "poly_electronic": 3 + noise[3]}
                | {"G_VRH": 50.0 + number if number < 10 else ""}
            )
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def read_json(path) -> dict:
    return json.loads(Path(path).read_text())


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A folder in which the stages were run and the table and figures made, and the run was published."""
    folder = tmp_path_factory.mktemp("properties")
    labelled_source(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for stage in STAGES:
            assert repro(stage) == 0, stage
        for name in ("table1", "figure5", "calibration"):
            assert experiment(name) == 0
        patch.setattr(publish_properties, "PAPERS_PROPERTY_NETWORKS", folder / "weights/cgcnn")
        write_text(folder / "weights/cgcnn/widths.json", "{}")
        assert repro("publish") == 0
        yield folder


@pytest.fixture(scope="module")
def networks(finished):
    return trained_networks(RUN)


def weights_of(model, names: list[str]) -> list[np.ndarray]:
    return [np.asarray(weight) for name in names for weight in model.get_layer(name).get_weights()]


def test_every_network_has_a_folder_of_its_own(finished):
    folder = RUN.folder("train-cgcnn")
    assert {path.name for path in folder.iterdir() if path.is_dir()} == {*ENERGY, *TRANSFERRED}
    counts = read_json(folder / "done.json")["counts"]
    assert list(counts["networks"]) == [ENERGY[0], *TRANSFERRED, ENERGY[1]]  # one of each property first
    for name, network in counts["networks"].items():
        history = (folder / name / "history.csv").read_text().splitlines()
        assert len(history) - 1 == network["epochs"] == 3
        assert network["pretrained"] == (None if name in ENERGY else ENERGY[0])
        assert (folder / name / "head" / BEST).exists() == (name in TRANSFERRED)
        losses = [float(row["val_loss"]) for row in csv.DictReader(history)]
        assert network["validation_mae"] == min(losses) == losses[network["best_epoch"] - 1]
    assert [counts["networks"][name]["seed"] for name in ENERGY] == [0, 1]
    assert counts["parameters"] == 36_609 + 2 * 128 + 2 * 64 + 95 * 93 + 2
    assert not list(Path().rglob(".writing-*"))


def test_transferred_networks_start_from_the_graph_layers_of_formation_energy(finished):
    folder = RUN.folder("train-cgcnn")
    pretrained = load_network(SMOKE.cgcnn, folder / ENERGY[0] / BEST)
    names = [layer.name for layer in graph_layers(pretrained)]
    assert {"atom_dense", "convolution_1_linear", "convolution_1_edge_norm"} <= set(names)
    for name in TRANSFERRED[:2]:
        head, tuned = (load_network(SMOKE.cgcnn, folder / name / part / BEST) for part in ("head", "."))
        kept, start, end = (weights_of(model, names) for model in (pretrained, head, tuned))
        assert all((a == b).all() for a, b in zip(kept, start, strict=True))  # moving statistics included
        assert any((a != b).any() for a, b in zip(start, end, strict=True))
        own = weights_of(head, ["hidden", "standardised"])
        assert any((a != b).any() for a, b in zip(own, weights_of(pretrained, ["hidden", "standardised"]), strict=True))


def test_the_targets_are_scaled_by_the_training_labels_of_their_own(finished, networks):
    data = load_property_data(RUN)
    for name, members in networks.items():
        train = data.labels[name][data.labelled(name, "train")]
        for model in members:
            scale = model.get_layer("target_scale")
            assert float(scale.mean) == pytest.approx(train.mean(), rel=1e-5)
            assert float(scale.std) == pytest.approx(train.std(), rel=1e-5)
    first, second = (weights_of(model, ["hidden"])[0] for model in networks["formation_energy_per_atom"])
    assert (first != second).any()


def test_the_plan_says_why_a_property_has_no_network(finished):
    data = load_property_data(RUN)
    assert [(data.parts == part).sum() for part in ("train", "validation", "test")] == [46, 4, 10]
    tasks, left_out = plan(data, SMOKE.cgcnn_training, seed=7)
    assert [(task.name, task.seed, task.pretrained) for task in tasks] == [
        (ENERGY[0], 7, None), *((name, 7, ENERGY[0]) for name in TRANSFERRED), (ENERGY[1], 8, None)
    ]  # fmt: skip
    few = [len(data.labelled("shear_modulus", part)) for part in ("train", "validation", "test")]
    assert sum(few) == 10
    assert left_out == {
        "energy_per_atom": "no labels",
        "shear_modulus": "too few labels ({} to train, {} to validation, {} to test)".format(*few),
        "poisson_ratio": "no labels",
    }
    single, _ = plan(data, replace(SMOKE.cgcnn_training, members=1), seed=0)
    assert [task.name for task in single] == ["formation_energy_per_atom", *TRANSFERRED]
    assert single[1].pretrained == "formation_energy_per_atom"


def test_a_property_of_few_labels_has_several_networks_if_asked_for(finished, monkeypatch):
    data = load_property_data(RUN)
    several = replace(SMOKE.cgcnn_training, members=1, further_members=1)
    tasks, _ = plan(data, several, seed=7)
    assert [(task.name, task.seed, task.pretrained) for task in tasks] == [
        ("formation_energy_per_atom", 7, None),
        *((f"{name}-1", 7, "formation_energy_per_atom") for name in TRANSFERRED),
        *((f"{name}-2", 8, "formation_energy_per_atom") for name in TRANSFERRED),
    ]
    monkeypatch.setattr(training_plan, "FEW", 0)
    assert [task.name for task in plan(data, several, seed=7)[0]] == ["formation_energy_per_atom", *TRANSFERRED]


def test_a_second_call_says_what_is_not_trained_and_that_it_is_up_to_date(finished, capsys):
    """The stamp is taken away, as from a stage that was killed: networks that are finished are not trained again."""
    before = {path: path.stat().st_mtime_ns for path in RUN.folder("train-cgcnn").rglob("*.h5")}
    assert repro("train-cgcnn") == 0
    assert "train-cgcnn: up to date" in capsys.readouterr().out
    identity = read_json(RUN.folder("train-cgcnn") / "done.json")["identity"]
    (RUN.folder("train-cgcnn") / "done.json").unlink()
    assert repro("train-cgcnn") == 0
    assert read_json(RUN.folder("train-cgcnn") / "done.json")["identity"] == identity
    printed = capsys.readouterr().out
    assert "total energy: not trained, no labels in crystals.csv." in printed
    assert "shear modulus: not trained, too few labels (" in printed
    assert "network 5 of 6: dielectric_constant, 46 training crystals" in printed
    after = {path: path.stat().st_mtime_ns for path in RUN.folder("train-cgcnn").rglob("*.h5")}
    assert after == before


def test_the_measured_errors_are_those_of_the_predictions(finished, networks):
    measured = read_json(RUN.results / "properties.json")
    data, arrays = load_property_data(RUN), np.load(RUN.results / "properties_test.npz")
    assert [row["property"] for row in measured["rows"]] == list(networks)
    assert len(arrays.files) == 2 * len(networks)
    ours = predicting(networks, SMOKE.cgcnn).by_property
    for row in measured["rows"]:
        name, test = row["property"], data.labelled(row["property"], "test")
        true, predicted = (arrays[f"{name}_{kind}"] for kind in ("true", "predicted"))
        assert (row["n_train"], row["n_validation"], row["n_test"]) == (46, 4, 10)
        np.testing.assert_allclose(true, data.labels[name][test], rtol=1e-6)
        np.testing.assert_array_equal(predicted, predict(ours[name][:1], [data.graphs[place] for place in test])[0])
        assert row["mae"] == pytest.approx(np.abs(predicted - true).mean(), rel=1e-5)
        assert row["unit"] == PROPERTIES[name].trained_unit
    assert "networks" not in measured["rows"][1] and measured["rows"][0]["networks"] == 2
    assert sum(part["count"] for part in measured["calibration"]["bins"]) == 10
    assert measured["released"] == {}
    assert measured["data"]["labels"]["shear_modulus"] == 10


def test_the_networks_are_gathered_with_what_they_saw(finished, networks):
    gathered, facts = load_property_networks(RUN.folder("properties")), read_manifest(RUN.folder("properties"))
    data = load_property_data(RUN)
    assert list(gathered.by_property) == list(networks)
    for name, members in predicting(networks, SMOKE.cgcnn).by_property.items():
        np.testing.assert_array_equal(predict(gathered.by_property[name], data.graphs), predict(members, data.graphs))
    assert facts["split"] == {"by": "formula", "seed": 0, "sha256": data.split_sha256} and facts["preset"] == "smoke"
    assert facts["training_crystals"] == 46 and facts["source"] == "crystals.csv"
    assert facts["cgcnn_training"]["epochs"] == 3
    assert gathered.parameters == SMOKE.cgcnn
    training = [graph for graph, part in zip(data.graphs, data.parts, strict=True) if part == "train"]
    assert gathered.coordinations == all_coordinations(training)
    trained = (RUN.folder("train-cgcnn") / "band_gap" / BEST).stat().st_size
    assert (RUN.folder("properties") / "band_gap.weights.h5").stat().st_size < 0.7 * trained  # no state of the training


def test_published_networks_are_a_copy_with_the_rendered_results_beside_them(finished):
    ours, published = RUN.folder("properties"), finished / "weights/cgcnn"
    files = {*read_manifest(ours)["sha256"], "manifest.json"}
    assert {path.name for path in published.iterdir()} == files | {"training.json", "history.csv"}
    assert len(files) == 7 and all((published / name).read_bytes() == (ours / name).read_bytes() for name in files)
    for name in publish_properties.RENDERED + publish_properties.CALIBRATION:
        assert Path("results/published", name).read_bytes() == (RUN.results / name).read_bytes()


def test_tables_and_measurements_of_other_networks_are_not_published(finished, capsys):
    table, stamp = RUN.results / "table1.json", RUN.folder("evaluate-properties") / "done.json"
    figure, calibration = RUN.results / "figure5.json", RUN.results / "calibration.json"
    gap, bins = read_json(figure)["band_gap"], read_json(calibration)["bins"]
    for path, change, said in (
        (
            table,
            {"rows": [row | {"mae": 9.0} for row in read_json(table)["rows"]]},
            "table1.json is of earlier networks",
        ),
        (figure, {"band_gap": gap | {"r2": 0.5}}, "figure5.json is of earlier networks"),
        (calibration, {"bins": [one | {"rmse": 9.0} for one in bins]}, "calibration.json is of earlier networks"),
        (stamp, {"inputs": {"properties": "others"}}, "was made with an earlier result of properties"),
    ):
        before = path.read_text()
        path.write_text(json.dumps(json.loads(before) | change))
        assert repro("publish") == 2
        assert said in capsys.readouterr().err
        path.write_text(before)


def test_widths_of_the_networks_before_do_not_stay(finished):
    assert not (finished / "weights/cgcnn/widths.json").exists()


def test_the_record_of_the_training_is_published_with_the_networks(finished):
    record = read_json(finished / "weights/cgcnn/training.json")["train-cgcnn"]
    assert record["seed"] == 0 and record["machine"]["cores"] >= 1 and record["preset"] == "smoke"
    assert 0 < record["kwh_estimate"] < 0.1 and record["versions"]["keras"]
    assert record["counts"] == read_json(RUN.folder("train-cgcnn") / "done.json")["counts"]
    with open(finished / "weights/cgcnn/history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows if row["network"] == "band_gap"] == ["1", "2", "3"]
    assert {row["network"] for row in rows} == {*ENERGY, *TRANSFERRED}
    assert all(float(row["val_loss"]) > 0 for row in rows)


def test_networks_of_another_split_do_not_replace_published_ones(finished, capsys):
    path = finished / "weights/cgcnn/manifest.json"
    kept = path.read_text()
    try:
        path.write_text(json.dumps(json.loads(kept) | {"split": {"by": "formula", "seed": 0, "sha256": "another"}}))
        assert repro("publish") == 2
        assert "of the same source has {'by': 'formula', 'seed': 0, 'sha256': 'another'}" in capsys.readouterr().err
    finally:
        path.write_text(kept)


def test_a_run_takes_published_networks_and_trains_the_others(finished, monkeypatch, capsys):
    published, graphs = finished / "weights/cgcnn", RUN.folder("graphs")
    again = replace(RUN, name="again")
    shutil.copytree(graphs, again.folder("graphs"))
    options = ["--preset", "smoke", "--source", "crystals.csv", "--run", "again", "--shared", "nowhere"]
    energies = "formation_energy_per_atom,bulk_modulus"
    assert exit_code(main, ["import-properties", str(published), "--only", energies, *options]) == 0
    assert "formation_energy_per_atom-2: taken from" in capsys.readouterr().out
    assert exit_code(main, ["train-cgcnn", *options]) == 0
    counts = read_json(again.folder("train-cgcnn") / "done.json")["counts"]["networks"]
    assert {name for name, one in counts.items() if "imported" in one} == {*ENERGY, "bulk_modulus"}
    assert counts["band_gap"]["epochs"] == 3 and counts["bulk_modulus"]["seconds"] == 0
    ours, theirs = (predicting(trained_networks(run), SMOKE.cgcnn).by_property for run in (again, RUN))
    graphs = load_property_data(RUN).graphs
    for name in ("formation_energy_per_atom", "bulk_modulus", "band_gap"):  # the last one trained as before
        np.testing.assert_allclose(predict(ours[name], graphs), predict(theirs[name], graphs), rtol=1e-4)
    for given, said in (
        (["--only", "poisson_ratio"], "has no network of poisson_ratio"),
        (["--preset", "improved"], "holds other networks than the preset improved"),
        (["--source", "embedded"], "was trained on crystals.csv"),
    ):
        assert exit_code(main, ["import-properties", str(published), *options, *given]) == 2
        assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("band_gap.weights.h5", lambda old: old[:5000] + bytes([old[5000] ^ 1]) + old[5001:], "is damaged"),
        ("formation_energy_per_atom-2.weights.h5", None, "is missing"),
        ("manifest.json", lambda old: old[:-40], "is damaged"),
        ("manifest.json", None, "is missing"),
    ],
)
def test_a_changed_or_missing_file_of_the_weights_is_named(finished, name, change, said):
    path = finished / "weights/cgcnn" / name
    kept = path.read_bytes()
    try:
        path.unlink() if change is None else path.write_bytes(change(kept))
        with pytest.raises(InputError, match=said) as stop:
            load_property_networks(finished / "weights/cgcnn")
        assert str(path) in str(stop.value)
    finally:
        path.write_bytes(kept)


def test_nothing_is_published_before_the_tables_are_made(finished, capsys):
    table = RUN.results / "table1.md"
    kept = table.read_bytes()
    manifest = (finished / "weights/cgcnn/manifest.json").stat().st_mtime_ns
    table.unlink()
    assert repro("publish") == 2
    assert f"{table} is not there: run make table1" in capsys.readouterr().err
    assert (finished / "weights/cgcnn/manifest.json").stat().st_mtime_ns == manifest
    table.write_bytes(kept)


def test_the_shift_of_the_seed_moves_every_network_and_not_the_split(finished, monkeypatch):
    tasks = []
    monkeypatch.setattr(train_properties, "train_network", lambda task, *_: tasks.append(task) or COUNTS)
    training = replace(SMOKE.cgcnn_training, members=1, seed_shift=2)
    train_properties.train_cgcnn(replace(RUN, preset=replace(SMOKE, cgcnn_training=training)))
    assert [task.seed for task in tasks] == [2] * 5


@pytest.mark.nightly
def test_a_further_training_has_another_seed_on_the_same_split(finished):
    assert experiment("seeds", "--samples", "0", "--around", "0", "--train", "2") == 0
    other = Path("runs/test-seed_2")  # the two networks for formation energy have the seeds 0 and 1
    assert (other / "graphs").is_symlink()
    counts = read_json(other / "train-cgcnn/done.json")["counts"]["networks"]
    assert {name: one["seed"] for name, one in counts.items()} == dict.fromkeys(
        ("formation_energy_per_atom", *TRANSFERRED), 2
    )
    split = [read_manifest(folder / "properties")["split"] for folder in (other, RUN.work)]
    assert split[0] == split[1]
    rows = {row["property"]: row for row in read_json(RUN.results / "seeds.json")["properties"]["rows"]}
    assert len(set(rows["formation_energy_per_atom"]["values"])) == 3 and len(set(rows["band_gap"]["values"])) == 2
    theirs = {row["property"]: row["mae"] for row in read_json("results/test-seed_2/properties.json")["rows"]}
    assert {name: row["values"][-1] for name, row in rows.items()} == theirs
