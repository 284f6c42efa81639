"""How the published networks were trained: what is recorded, what is not, and the losses drawn."""

import json
from types import SimpleNamespace

import matplotlib.image
import pytest

from data_prep.errors import InputError
from data_prep.files.atomic import write_json, write_text
from experiments import published_trainings
from experiments.reporting.document import Figure, Table
from experiments.reporting.material import Published
from experiments.reporting.stored_sections import trainings
from experiments.style import WIDTH
from models.table6 import UNetParameters, VAEParameters
from repro.network_folders import WEIGHTS, parameters_to_json, write_manifest
from tests.conftest import ROOT

RECORD = {
    "preset": "laptop", "seed": 3, "seconds": 60.0, "kwh_estimate": 0.5, "commit": "0123456789", "machine": None,
    "finished": "2026-11-28T02:31:48Z",
}  # fmt: skip
ONE = {"property": "band_gap", "seed": 1, "epochs": 2, "seconds": 720}
HISTORY = "network,epoch,loss,val_loss\nband_gap,1,4.0,5.0\nband_gap,2,0.1,0.2\n"


@pytest.fixture
def weights(tmp_path):
    """Two folders: property networks, one of them with a record and losses, and a UNet trained on a card."""
    networks = {"formation_energy_per_atom-2": ONE | {"epochs": 0, "seconds": 0}, "band_gap": ONE}
    record = RECORD | {"counts": {"networks": networks}, "machine": {"cores": 2, "gpu": None}, "remark": "Twice."}
    write_json(tmp_path / "cgcnn/training.json", {"train-cgcnn": record})
    write_text(tmp_path / "cgcnn/history.csv", HISTORY)
    counts = {"epochs": 1, "samples": 1000, "seconds": 90, "card": "a card"}
    write_json(tmp_path / "unet/training.json", {"train-unet": RECORD | {"counts": counts}})
    unet = parameters_to_json(UNetParameters(filters=1))
    write_manifest(tmp_path / "unet", [], {"unet": unet, "radii": "ionic", "unet_training": {"crop": 8}})
    (tmp_path / "without-a-record").mkdir()
    return tmp_path


@pytest.fixture
def stored() -> dict:
    return json.loads((ROOT / "results/published/trainings.json").read_text())


def test_each_recorded_training_has_a_row_and_the_others_of_a_folder_share_one(weights):
    gap, other, unet = published_trainings.rows(published_trainings.compute(weights))
    assert gap == (
        "cgcnn: band gap", "laptop", "1", "2 cores", "2", "–", "12.0", "–", "0.006", "2026-11-28", "0123456",
    )  # fmt: skip
    assert other == ("cgcnn: formation energy 2", "laptop", *["–"] * 9)
    assert unet[:7] == ("unet: UNet", "laptop", "3", "a card", "1", "1,000", "1.5")


def test_operations_are_three_times_those_of_the_forward_pass_for_each_sample(weights):
    *_, unet = published_trainings.compute(weights)["trainings"]
    f, edges = 1, {"down_1": 8, "down_2": 4, "down_3": 2, "bottleneck": 1, "up_1": 2, "up_2": 4, "up_3": 8}
    widths = {"down_1": (4, f, 2 * f), "down_2": (2 * f, 2 * f, 4 * f), "down_3": (4 * f, 4 * f, 8 * f),
              "bottleneck": (8 * f, 16 * f, 16 * f), "up_1": (24 * f, 16 * f, 8 * f), "up_2": (12 * f, 8 * f, 4 * f),
              "up_3": (6 * f, 4 * f, 4 * f)}  # fmt: skip
    weights = sum(27 * (i * a + a * o) * edges[name] ** 3 for name, (i, a, o) in widths.items())
    heads = 4 * f * (95 + 1) * 8**3
    assert unet["flop"] == 3 * 2 * (weights + heads) * 1000


def test_operations_of_a_unet_trained_on_whole_maps_are_those_of_its_own_grid():
    manifest = {"unet": parameters_to_json(UNetParameters(filters=1)), "radii": "ionic", "unet_training": {"crop": 16}}
    cropped = published_trainings._training_flop("train-unet", manifest, 10)
    manifest["unet_training"]["crop"] = 0
    for facts, expected in (
        ({"voxels": {"grid": 16}, "preset": "full"}, cropped),
        ({"preset": "full"}, 8 * cropped),
        ({"preset": "of my own"}, None),
    ):
        assert published_trainings._training_flop("train-unet", manifest | facts, 10) == expected


def test_a_perceptual_model_is_not_counted_so_that_there_is_no_estimate(weights):
    manifest = {"vae": parameters_to_json(VAEParameters(filters=(2, 2, 2, 2), latent=4)), "voxels": {"grid": 16}}
    assert published_trainings._training_flop("train-vae", manifest, 10) is None
    manifest["vae"]["alpha"] = 0.0
    assert published_trainings._training_flop("train-vae", manifest, 10) > 0


def test_a_damaged_record_or_history_is_named(weights):
    write_text(weights / "cgcnn/history.csv", HISTORY.replace("5.0", "five"))
    with pytest.raises(InputError, match="cgcnn/training.json or history.csv is damaged .*five"):
        published_trainings.compute(weights)
    write_json(weights / "cgcnn/training.json", {"train-cgcnn": {"counts": []}})
    with pytest.raises(InputError, match="is damaged .*KeyError: 'machine'"):
        published_trainings.compute(weights)
    with pytest.raises(InputError, match="no folder with a training.json"):
        published_trainings.compute(weights / "unet")


def test_the_losses_are_drawn_in_a_panel_for_each_folder_and_again_from_what_is_stored(weights, tmp_path):
    found = published_trainings.compute(weights)
    assert found["losses"] == {"cgcnn": {"band_gap": {"training": [4.0, 0.1], "validation": [5.0, 0.2]}}}
    assert published_trainings.caption(found).endswith("Those of unet were not kept.")
    files = published_trainings.render(found, tmp_path / "first")
    assert [path.suffix for path in files] == [".json", ".md", ".svg", ".png"]
    assert "cgcnn: Twice." in files[1].read_text()
    assert matplotlib.image.imread(files[3]).shape[1] == 200 * WIDTH
    again = published_trainings.render(json.loads(files[0].read_text()), tmp_path / "again")
    assert [one.read_bytes() for one in files] == [one.read_bytes() for one in again]
    assert published_trainings.draw(found | {"losses": {}}, tmp_path / "none") == []


def test_titles_and_legends_of_many_panels_do_not_overlap(stored, tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr(published_trainings.style, "save", lambda figure, path: figures.append(figure) or [])
    one = next(iter(stored["losses"]["cgcnn"].values()))
    names = ("formation_energy_per_atom-1", "band_gap", "bulk_modulus", "shear_modulus", "poisson_ratio")
    losses = {folder: dict.fromkeys(names, one) for folder in ("cgcnn", "cgcnn-improved", "generator", "perov5")}
    published_trainings.draw(stored | {"losses": losses}, tmp_path / "many")
    figure = figures[0]
    figure.draw_without_rendering()
    boxes = [axes.get_tightbbox() for axes in figure.axes]  # ticks, titles, labels and legends are inside
    assert not any(a.overlaps(b) for place, a in enumerate(boxes) for b in boxes[place + 1 :])
    assert all(figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1 and box.y0 >= 0 for box in boxes)


def test_the_report_has_the_table_the_remarks_and_the_figure(stored, tmp_path):
    section = trainings(SimpleNamespace(published=Published(trainings=stored), folder=tmp_path))
    table, *remarks, figure = section.blocks
    assert isinstance(table, Table) and isinstance(figure, Figure) and (tmp_path / "trainings.svg").exists()
    assert len(table.rows) == len(stored["trainings"]) and remarks[-1].text == published_trainings.NOTE
    (nothing,) = trainings(SimpleNamespace(published=Published())).blocks
    assert "make published-trainings" in nothing.text


@pytest.mark.slow
def test_what_is_published_is_what_lies_beside_the_weights(stored):
    assert published_trainings.compute(WEIGHTS) == stored


def test_what_is_known_of_networks_trained_elsewhere_is_the_same_in_record_and_manifest(stored):
    rows = {row["folder"]: row for row in stored["trainings"]}
    for folder, stage in (("generator", "train-vae"), ("unet", "train-unet")):
        record = json.loads((WEIGHTS / folder / "training.json").read_text())[stage]
        assert record["counts"] == json.loads((WEIGHTS / folder / "manifest.json").read_text())["training"][stage]
        assert rows[folder]["card"] == "NVIDIA H200" and rows[folder]["samples"] == record["counts"]["samples"]
    assert rows["unet"]["flop"] == pytest.approx(3 * 126e9 * 256_160, rel=0.005)  # the UNet: 126 GFLOP forward
