"""The folder of a generator that was never trained: small networks on 16^3 maps, and what made-up crystals teach."""

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np

from data_prep.cell_angles import fit_angle_rule
from data_prep.crystal import FAMILIES
from data_prep.elements import ionic_radii
from models.beyond_paper import ImprovedUNetParameters, ImprovedVAEParameters
from models.decoding.species import allowed_elements
from models.latent_sampler import LatentSampler
from models.site_count_classifier import SiteCountClassifier
from repro.decoding.decoder import Decoder
from repro.decoding.knowledge import fit_arrangements
from repro.generation.generator_folder import Learned, write_generator
from repro.presets import SMOKE, Preset
from repro.training.dataset import Dataset
from repro.training.train_unet import build_segmenter
from repro.training.train_vae import build_vae
from tests.support.made_up_crystals import made_up_crystals

PLAIN = replace(
    SMOKE,
    vae=replace(SMOKE.vae, filters=(2, 2, 2, 2), latent=4, dense=8),
    unet=replace(SMOKE.unet, filters=1),
)
IMPROVED = replace(
    PLAIN,
    vae=ImprovedVAEParameters(filters=(2, 2, 2, 2), latent=4, dense=8, alpha=0.0),
    unet=ImprovedUNetParameters(filters=1),
    generate=replace(SMOKE.generate, way="composition", random_from="encoded"),
)
FACTS = {"preset": "made-up", "source": "made-up", "split": {"by": "formula", "seed": 0}, "training": {}}


def made_up_dataset() -> Dataset:
    """Return 24 crystals for training and 6 for testing, and the deciles of their energies."""
    crystals, edges = made_up_crystals(30), np.linspace(-2.5, -0.1, 9)
    energies = np.array([crystal.formation_energy_per_atom for crystal in crystals])
    return Dataset(crystals, np.array(["train"] * 24 + ["test"] * 6), edges, np.searchsorted(edges, energies))


def untrained(preset: Preset, dataset: Dataset) -> Learned:
    """Return networks of a preset as they are initialised; those beyond the paper read latents as well."""
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    rule, sampler, counts = fit_angle_rule(dataset.train), None, None
    if isinstance(preset.vae, ImprovedVAEParameters):
        chosen = dataset.indices("train")
        families = np.array([FAMILIES.index(dataset.crystals[index].family) for index in chosen])
        latents = rng.normal(size=(len(chosen), preset.vae.latent)).astype(np.float32)
        sampler = LatentSampler(latents, dataset.bins[chosen], families, np.ones((3, preset.vae.latent)))
        counts = SiteCountClassifier(np.array([2, 4, 5]), rng.normal(size=(preset.vae.latent, 3)), np.zeros(3))
    elements = allowed_elements(ionic_radii(), dataset.elements)
    unet = build_segmenter(preset.unet, preset.voxels.radii)
    decoder = Decoder(lambda: unet, elements, fit_arrangements(dataset.train, rule), counts)
    return Learned(build_vae(preset.vae, preset.voxels.grid), decoder, rule, sampler)


def write(folder: Path, preset: Preset) -> tuple[Learned, Dataset]:
    """Write the folder and return what it was written from."""
    dataset = made_up_dataset()
    learned = untrained(preset, dataset)
    write_generator(folder, preset, learned, dataset, FACTS)
    return learned, dataset
