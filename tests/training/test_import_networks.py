"""Networks trained elsewhere become a run's own: the later stages take them, and foreign ones are refused."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from data_prep.files.checksum import file_sha256
from models.beyond_paper import ImprovedVAEParameters
from repro.__main__ import main
from repro.presets import PRESETS, SMOKE
from repro.run import Run
from repro.training.fit import load_weights
from repro.training.named_weights import write_named_weights
from repro.training.train_unet import build_segmenter, trained_unet
from repro.training.train_vae import build_vae, trained_vae
from tests.support.exit_code import exit_code
from tests.support.pipeline import small_source

pytestmark = pytest.mark.slow

PRESET = replace(
    SMOKE,
    vae=ImprovedVAEParameters(alpha=0.0, filters=(2, 3, 4, 5), latent=6),
    unet=replace(SMOKE.unet, filters=1),
)
RUN = Run(PRESET, "crystals.csv", "test", Path("nowhere"))
OPTIONS = ["--preset", "smoke", "--source", "crystals.csv", "--run", "test", "--shared", "nowhere"]
ENTRY = {"samples": 2000, "seconds": 12.4}


def repro(*arguments: str) -> int:
    return exit_code(main, [*arguments, *OPTIONS]) or 0


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    """A run whose data are ready, and the two networks that are to be taken into it."""
    folder = tmp_path_factory.mktemp("imported")
    small_source(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setitem(PRESETS, "smoke", PRESET)
        keras.utils.set_random_seed(5)
        unet, vae = build_segmenter(PRESET.unet, "ionic"), build_vae(PRESET.vae, PRESET.voxels.grid)
        (folder / "elsewhere").mkdir()
        write_named_weights(unet, folder / "elsewhere/unet.npz")
        write_named_weights(vae, folder / "elsewhere/vae_structured.npz")
        write_log()
        assert repro("import-networks", "elsewhere") == 2  # there are no data yet
        assert repro("data") == repro("voxelize") == 0
        yield unet, vae


def write_log(**change):
    log = {"machine": "a card", "unet": ENTRY, "vae_structured": ENTRY} | change
    Path("elsewhere/log.json").write_text(json.dumps({name: value for name, value in log.items() if value is not None}))


@pytest.fixture
def log(networks):
    yield write_log
    write_log()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"machine": None}, "is no log of trained networks ('machine')"),
        ({"unet": {"samples": 3}}, "is no log of trained networks ('seconds')"),
        ({"unet": ENTRY | {"samples": "many"}}, "samples of unet is no number above 0"),
        ({"unet": ENTRY | {"test": {"n": 1356}}}, "counts 1,356 crystals in the part test, this run has"),
        ({"unet": ENTRY | {"crystals": 5138}}, "counts 5,138 crystals in the part train, this run has"),
    ],
)
def test_a_log_of_other_crystals_or_of_nothing_is_refused(log, capsys, change, said):
    log(**change)
    assert repro("import-networks", "elsewhere") == 2
    assert said in capsys.readouterr().err
    assert not Path("runs/test/train-unet/best.weights.h5").exists()


def test_a_network_of_another_size_or_a_folder_without_one_is_refused(networks, capsys, monkeypatch):
    assert repro("import-networks", "nothing") == 2
    assert "nothing/log.json is not there: give the folder" in capsys.readouterr().err
    monkeypatch.setitem(PRESETS, "smoke", replace(PRESET, unet=replace(PRESET.unet, filters=2)))
    assert repro("import-networks", "elsewhere", "--again") == 2
    assert "unet.npz does not fit the network unet: down_1_conv_1/kernel has the shape" in capsys.readouterr().err


def test_the_networks_are_the_runs_own_and_its_stages_are_done(networks, capsys):
    unet, vae = networks
    left = Path("runs/test/train-unet")
    left.mkdir(exist_ok=True)
    for name in ("state.json", "epoch-0001.weights.h5", "history.csv"):
        (left / name).write_text("of an earlier training")
    assert repro("import-networks", "elsewhere", "--again") == 0
    assert {path.name for path in left.iterdir()} == {"best.weights.h5", "done.json", "started.json", ".lock"}
    counts = json.loads((left / "done.json").read_text())["counts"]
    parts = json.loads(Path("runs/test/data/split.json").read_text())["parts"]
    assert counts == {
        "parameters": unet.count_params(),
        "epochs": round(2000 / list(parts.values()).count("train")),
        "samples": 2000,
        "seconds": 12,
        "card": "a card",
        "imported": {name: file_sha256(Path("elsewhere") / name) for name in ("unet.npz", "log.json")},
    }
    rng = np.random.default_rng(0)
    for model, mine in (
        (unet, trained_unet(RUN)),
        (vae.encoder, trained_vae(RUN).encoder),
        (vae.decoder, trained_vae(RUN).decoder),
    ):
        inputs = {name: rng.random((2, *shape[1:])) for name, shape in _shapes(model).items()}
        given = inputs if len(inputs) > 1 else inputs["maps"]
        one, other = (keras.tree.flatten(network(given, training=False)) for network in (model, mine))
        for a, b in zip(one, other, strict=True):
            np.testing.assert_allclose(a, b, rtol=2e-2, atol=2e-3)  # kernels were rounded to float16
    capsys.readouterr()
    for stage in ("train-unet", "train-vae"):
        assert repro(stage) == 0
        assert f"{stage}: up to date" in capsys.readouterr().out
    assert repro("generator") == 0
    manifest = json.loads(Path("runs/test/generator/manifest.json").read_text())
    assert manifest["training"]["train-vae"]["card"] == "a card"
    others = _import_others(networks)
    assert repro("generator") == 2
    assert "runs/test/generator was made with an earlier result of train-unet and train-vae" in capsys.readouterr().err
    assert json.loads(Path("runs/test/generator/manifest.json").read_text()) == manifest
    assert repro("generator", "--again") == 0
    kernel = others.decoder.get_layer("decoder_dense").get_weights()[0]
    gathered = build_vae(PRESET.vae, PRESET.voxels.grid)
    load_weights(gathered, Path("runs/test/generator/vae.weights.h5"))
    np.testing.assert_allclose(gathered.decoder.get_layer("decoder_dense").get_weights()[0], kernel, atol=2e-3)


def _import_others(networks) -> keras.Model:
    """Take other networks into the run that has some already, and return their VAE."""
    keras.utils.set_random_seed(6)
    unet, vae = build_segmenter(PRESET.unet, "ionic"), build_vae(PRESET.vae, PRESET.voxels.grid)
    Path("others").mkdir()
    shutil.copy("elsewhere/log.json", "others/log.json")
    write_named_weights(unet, Path("others/unet.npz"))
    write_named_weights(vae, Path("others/vae_structured.npz"))
    assert repro("import-networks", "others", "--again") == 0
    return vae


def _shapes(model: keras.Model) -> dict[str, tuple]:
    return {one.name: (2, *(edge or 16 for edge in one.shape[1:])) for one in keras.tree.flatten(model.inputs)}
