"""The authors' VAE and UNet files in our networks, and the command that measures them."""

import json
import shutil
from dataclasses import replace

import h5py
import keras
import numpy as np
import pytest

from data_prep.errors import InputError
from models.decoding.lattice import lattice_least_squares, lattice_minmax
from models.released.vae_weights import RELEASED_VAE, load_released_unet, load_released_vae
from models.table6 import UNetParameters
from models.unet import build_unet
from repro.decoding.latents import trained_autoencoder
from repro.released import __main__ as released
from repro.released import measure_released
from repro.released.reference_outputs import TOLERANCE, Agreement, compare_vae
from repro.released.released_errors import GRID, labelled_sample, reconstruct_crystals
from repro.released.released_files import find_released, read_oracle
from tests.support.exit_code import exit_code
from tests.support.made_up_crystals import made_up_crystals
from tests.support.real_structures import table_crystals

SMALL_UNET = UNetParameters(filters=2)


@pytest.fixture(scope="module")
def entries(shared):
    return read_oracle(shared / "reference/icsg3d/oracle.json")["vae"]


@pytest.fixture(scope="module")
def crystals(shared, entries):
    return {crystal.id: crystal for crystal in table_crystals(shared, [entry["mp_id"] for entry in entries])}


@pytest.fixture(scope="module")
def vae_file(shared):
    return shared / "reference/icsg3d/vae_weights_mixed.best.hdf5"


@pytest.fixture(scope="module")
def vae(vae_file):
    return trained_autoencoder(*load_released_vae(vae_file), RELEASED_VAE)


@pytest.fixture(scope="module")
def weights_only(shared, tmp_path_factory):
    """The released weights alone, laid out as in a clone of the authors' repository: no oracle, no tables."""
    folder = tmp_path_factory.mktemp("clone")
    for source in (shared / "reference/icsg3d").iterdir():
        if source.suffix == ".hdf5" or source.name == "atom_init.json":
            below = folder / "saved_models" / source.name.split("_")[0]
            below.mkdir(parents=True, exist_ok=True)
            (below / source.name).symlink_to(source.resolve())
    return folder


@pytest.mark.slow
def test_the_vae_agrees_with_the_oracle_on_every_quantity(vae, crystals, entries):
    found = {agreement.quantity: agreement for agreement in compare_vae(vae, crystals, entries)}
    assert {name.removeprefix("VAE ") for name in found} == {
        "density_sum",
        "density_max",
        "z_mean_norm",
        "z_mean_first4",
        "reconstruction_mse",
        "kld",
        "lattice_minmax",
        "lattice_least_squares",
    }
    assert all(agreement.count == 24 for agreement in found.values())
    assert max(agreement.deviation for agreement in found.values()) < TOLERANCE
    bent = [{**entry, "kld": entry["kld"] * 1.002} for entry in entries[:1]]
    off = [agreement.quantity for agreement in compare_vae(vae, crystals, bent) if not agreement.met]
    assert off == ["VAE kld"]


def test_lattice_formulas_agree_with_the_oracle(vae, crystals, entries):
    some = entries[::12]
    found = reconstruct_crystals(vae, [crystals[e["mp_id"]] for e in some], [e["condition_bin"] for e in some])
    coordinates = found.decoded.maps[..., 1:]
    np.testing.assert_allclose(lattice_minmax(coordinates), [e["lattice_minmax"] for e in some], rtol=1e-4)
    np.testing.assert_allclose(
        lattice_least_squares(coordinates), [e["lattice_least_squares"] for e in some], rtol=1e-4
    )
    # On the true map least squares is exact and the release's formula is 1/32 too small (F16).
    true = np.array([crystals[e["mp_id"]].lengths for e in some])
    np.testing.assert_allclose(lattice_least_squares(found.true[..., 1:]), true, rtol=1e-6)
    np.testing.assert_allclose(lattice_minmax(found.true[..., 1:]), true * (1 - 1 / GRID), rtol=1e-6)


def test_nan_is_no_agreement():
    assert not Agreement("x", 1, float("nan"), "a").met
    assert Agreement("x", 1, TOLERANCE, "a").met


@pytest.mark.parametrize("size", [0, 100, 4_000, 1_000_000, -1])
def test_a_cut_vae_file_is_named(vae_file, tmp_path, size):
    path = tmp_path / "cut.hdf5"
    path.write_bytes(vae_file.read_bytes()[:size])
    with pytest.raises(InputError, match="cut.hdf5"):
        load_released_vae(path)


@pytest.mark.parametrize("change", ["shape", "missing", "extra", "nan", "no names", "no group", "text"])
def test_a_changed_vae_file_is_named(vae_file, tmp_path, change):
    path = tmp_path / "changed.hdf5"
    shutil.copyfile(vae_file, path)
    with h5py.File(path, "r+") as file:
        group = file["encoder"]
        names = list(group.attrs["weight_names"])
        kernel = names[0].decode()
        if change == "nan":
            group[kernel][0, 0, 0, 0, 0] = np.nan
        elif change == "extra":
            group.attrs["weight_names"] = [*names, names[0]]
        elif change == "no names":
            del group.attrs["weight_names"]
        elif change == "no group":
            del file["encoder"]
        else:
            del group[kernel]
            if change == "shape":
                group[kernel] = np.zeros((3, 3, 3, 14, 16), np.float32)
            elif change == "text":
                group[kernel] = "not an array"
    with pytest.raises(InputError, match="changed.hdf5"):
        load_released_vae(path)


def write_keras_2_file(path, unet, whole_model):
    """Write ``unet`` as Keras 2.3 does: a group per layer, heads in the order soft, sig (F20)."""
    rank = {"species": 1, "occupied": 2}
    layers = sorted(unet.layers, key=lambda layer: rank.get(layer.name, 0))
    with h5py.File(path, "w") as file:
        root = file.create_group("model_weights") if whole_model else file
        root.attrs["layer_names"] = [layer.name.encode() for layer in layers]
        for layer in layers:
            group = root.create_group(layer.name)
            names = [f"{layer.name}/{weight.name}:0" for weight in layer.weights]
            group.attrs["weight_names"] = [name.encode() for name in names]
            for name, weight in zip(names, layer.weights, strict=True):
                group[name] = keras.ops.convert_to_numpy(weight)


@pytest.fixture(scope="module")
def unet():
    keras.utils.set_random_seed(3)
    unet = build_unet(SMALL_UNET)
    rng = np.random.default_rng(3)
    for weight in unet.weights:  # moving statistics and biases too: no two arrays are alike
        weight.assign(rng.uniform(0.5, 1.5, weight.shape) * 0.2)
    return unet


@pytest.mark.parametrize("whole_model", [False, True], ids=["weights", "model"])
def test_a_keras_2_unet_file_gives_the_same_network(tmp_path, unet, whole_model):
    path = tmp_path / "unet_weights_mixed_full.best.hdf5"
    write_keras_2_file(path, unet, whole_model)
    loaded = load_released_unet(path, SMALL_UNET)
    maps = np.random.default_rng(0).random((1, 8, 8, 8, 4), dtype=np.float32)
    expected, found = unet(maps, training=False), loaded(maps, training=False)
    for name in ("species", "occupied"):
        np.testing.assert_array_equal(*(keras.ops.convert_to_numpy(output[name]) for output in (expected, found)))
    with pytest.raises(InputError, match="unet_weights_mixed_full.best.hdf5.*shape"):
        load_released_unet(path, replace(SMALL_UNET, classes=90))


def test_a_vae_file_is_not_a_unet(vae_file):
    with pytest.raises(InputError, match="vae_weights_mixed.best.hdf5"):
        load_released_unet(vae_file, SMALL_UNET)


def test_files_are_found_in_a_clone(weights_only):
    files = find_released(weights_only)
    assert files.vae == weights_only / "saved_models/vae/vae_weights_mixed.best.hdf5"
    assert set(files.cgcnn) == {"formation_energy_per_atom", "energy_per_atom", "bulk_modulus"}
    assert files.unet is files.oracle is files.cubic is files.general is None


def test_a_pointer_of_git_lfs_is_no_file(weights_only, tmp_path):
    for path in weights_only.rglob("*.*"):
        (tmp_path / path.name).symlink_to(path.resolve())
    (tmp_path / "unet_weights_mixed_full.best.h5").write_text(
        "version https://git-lfs.github.com/spec/v1\noid sha256:f"
    )
    assert find_released(tmp_path).unet is None
    (tmp_path / "atom_init.json").unlink()
    (tmp_path / "atom_init.json").touch()
    with pytest.raises(InputError, match="atom_init.json"):
        find_released(tmp_path)


def test_the_reference_needs_all_its_networks(weights_only, tmp_path):
    for path in weights_only.rglob("*.*"):
        if "bulk_modulus" not in path.name:
            (tmp_path / path.name).symlink_to(path.resolve())
    assert set(find_released(tmp_path).cgcnn) == {"formation_energy_per_atom", "energy_per_atom"}
    (tmp_path / "oracle.json").write_text("{}")
    with pytest.raises(InputError, match="bulk_modulus"):
        find_released(tmp_path)


@pytest.mark.parametrize("text", ["", "{}", '{"vae": []}', "[1]", '{"vae": [1], "cgcnn": 3}', "{"])
def test_a_damaged_oracle_is_named(tmp_path, text):
    path = tmp_path / "oracle.json"
    path.write_text(text)
    with pytest.raises(InputError, match="oracle.json"):
        read_oracle(path)


def test_a_sample_holds_crystals_with_physical_labels_only():
    moduli = (100.0, -3.0, 2_000.0)
    crystals = [
        replace(crystal, properties={"K_VRH": modulus})
        for crystal, modulus in zip(made_up_crystals(3), moduli, strict=True)
    ]
    kept, values = labelled_sample([*crystals, *made_up_crystals(1)], "bulk_modulus", 5, seed=0)
    assert [crystal.id for crystal in kept] == [crystals[0].id] and values == pytest.approx([np.log(100)])


@pytest.fixture(scope="module")
def made_up():
    """Crystals in place of the embedded ones: nine with energies and moduli."""
    return [replace(crystal, properties={"bulk_modulus_eos": 90.0}) for crystal in made_up_crystals(9)]


def run(monkeypatch, made_up, *arguments):
    monkeypatch.setattr(measure_released, "read_source", lambda source: (made_up, []))
    return released.main([str(argument) for argument in arguments])


@pytest.mark.slow
def test_the_command_measures_a_clone_on_the_embedded_crystals(monkeypatch, capsys, tmp_path, weights_only, made_up):
    options = ("--shared", weights_only, "--out", tmp_path, "--structures", 2, "--crystals", 6)
    assert run(monkeypatch, made_up, *options) == 0
    shown = capsys.readouterr().out
    assert "embedded crystals are measured instead" in shown and "not compared" in shown
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert set(metrics) == {"files", "sample", "versions", "finished", "oracle", "vae", "cgcnn", "unet"}
    assert metrics["oracle"]["met"] is None and "oracle.json" in metrics["oracle"]["reason"]
    assert metrics["sample"] == {"structures": 2, "crystals": 6, "seed": 0}
    assert all(len(file["sha256"]) == 64 for file in metrics["files"].values())
    assert metrics["vae"]["source"] == "embedded crystals" and metrics["vae"]["condition_deciles"]["rows"] == 9
    for cell in ("primitive", "conventional"):
        groups = metrics["vae"]["cells"][cell]
        assert [groups[family]["count"] for family in ("all", "AB", "ABX3", "ABX2")] == [6, 2, 2, 2]
        for group in ("all", "AB", "ABX3", "ABX2"):
            values = groups[group]
            assert 0 < values["mse"] < 1 and values["density_mse"] > 0 and 0 < values["kld"] < 1_000
            assert (
                np.shape(values["lattice_mae"]["least_squares"]) == np.shape(values["lattice_mae"]["release"]) == (3,)
            )
    for name, unit in (("formation_energy_per_atom", "eV/atom"), ("bulk_modulus", "ln(K/GPa)")):
        result = metrics["cgcnn"]["properties"][name]
        assert result["unit"] == unit and result["count"] == 6
        sizes = [(error["batch_size"], error["missing_neighbours"]) for error in result["errors"]]
        assert sizes == [(size, how) for how in ("masked", "filled") for size in (1, 32, 256)]
        assert all(np.isfinite([error["mae"], error["median"]]).all() for error in result["errors"])


def test_a_reference_that_is_not_met_ends_with_1(monkeypatch, capsys, tmp_path, weights_only):
    failed = {"quantity": "VAE kld", "count": 24, "deviation": 0.5, "worst": "mp-682", "met": False}
    metrics = {
        "oracle": {"met": False, "reason": None, "tolerance": TOLERANCE, "quantities": [failed]},
        "vae": {"source": "mp_cubic.csv.gz", "cells": {}},
        "cgcnn": {"source": "mp_general.parquet", "properties": {}},
        "unet": None,
    }
    monkeypatch.setattr(measure_released, "measure", lambda files, sample: metrics)
    assert released.main(["--shared", str(weights_only), "--out", str(tmp_path)]) == 1
    assert "FAILS (worst mp-682)" in capsys.readouterr().out
    assert json.loads((tmp_path / "metrics.json").read_text())["oracle"]["met"] is False


@pytest.mark.parametrize("fault", ["no folder", "empty folder", "damaged unet", "cut vae"])
def test_one_sentence_and_2_where_a_file_is_missing_or_damaged(capsys, tmp_path, weights_only, fault):
    for path in weights_only.rglob("*.*"):
        (tmp_path / path.name).symlink_to(path.resolve())
    folder, named = tmp_path, str(tmp_path)
    if fault == "no folder":
        folder = tmp_path / "nowhere"
    elif fault == "empty folder":
        folder = tmp_path / "empty"
        folder.mkdir()
    elif fault == "damaged unet":
        named = "unet_weights.h5"
        (tmp_path / named).write_bytes(b"\x89HDF\r\n\x1a\n but no more")
    else:
        named = "vae_weights_mixed.best.hdf5"
        whole = (tmp_path / named).read_bytes()
        (tmp_path / named).unlink()
        (tmp_path / named).write_bytes(whole[: len(whole) // 2])
    assert exit_code(released.main, ["--shared", str(folder), "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err.strip()
    assert named in error and len(error.splitlines()) == 1
    assert not (tmp_path / "out").exists()
