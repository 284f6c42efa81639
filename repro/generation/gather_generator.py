"""The stage ``generator``: the trained networks, and what is fitted to the training crystals, in one folder."""

from dataclasses import asdict
from functools import partial

import numpy as np

from data_prep.cell_angles import fit_angle_rule
from data_prep.elements import radii_of
from models.beyond_paper import ImprovedVAEParameters
from models.cell_volume import VolumeRegression, fit_volumes
from models.decoding.species import allowed_elements
from models.latent_sampler import LatentSampler
from models.site_count_classifier import SiteCountClassifier
from repro import stamps
from repro.decoding.decoder import Decoder
from repro.decoding.knowledge import (
    CLASSIFIER_CRYSTALS,
    encode_crystals,
    fit_arrangements,
    fit_latent_sampler,
    fit_site_counts,
)
from repro.decoding.latents import Autoencoder, trained_autoencoder
from repro.generation.generator_folder import Learned, write_generator
from repro.run import Run
from repro.training.dataset import Dataset, load_dataset, load_store
from repro.training.train_unet import trained_unet
from repro.training.train_vae import trained_vae


def gather_generator(run: Run) -> dict:
    """Write ``runs/RUN/generator``: networks of the best epochs, arrangements, angles, formulas, latents."""
    dataset = load_dataset(run)
    vae = trained_vae(run)
    rule = fit_angle_rule(dataset.train)
    sampler, counts = None, None
    if isinstance(run.preset.vae, ImprovedVAEParameters):
        sampler, counts = _fit_readouts(
            run, trained_autoencoder(vae.encoder, vae.decoder, run.preset.vae, run.preset.voxels.grid), dataset
        )
    decoder = Decoder(
        unet=partial(trained_unet, run),
        elements=allowed_elements(radii_of(run.preset.voxels.radii), dataset.elements),
        arrangements=fit_arrangements(dataset.train, rule),
        site_counts=counts,
        watershed=run.preset.watershed,
    )
    facts = {
        "preset": run.preset.name,
        "source": run.source_name,
        "training_crystals": len(dataset.train),
        "split": {"by": run.preset.data.split_by, "seed": run.preset.seed},
        "vae_training": asdict(run.preset.vae_training),
        "unet_training": asdict(run.preset.unet_training),
        "training": {stage: stamps.read(run.folder(stage))["counts"] for stage in ("train-unet", "train-vae")},
    }
    volumes = _fit_cells(dataset) if run.preset.generate.fitted_cells else None
    write_generator(run.folder("generator"), run.preset, Learned(vae, decoder, rule, sampler, volumes), dataset, facts)
    return {
        "elements": len(dataset.elements),
        "arrangements": sum(map(len, decoder.arrangements.arrangements.values())),
    }


def _fit_cells(dataset: Dataset) -> VolumeRegression:
    structures = [crystal.structure() for crystal in dataset.train]
    numbers = [crystal.numbers for crystal in dataset.train]
    cells = [(structure.frac_coords, structure.lattice.matrix) for structure in structures]
    return fit_volumes((each, *cell) for each, cell in zip(numbers, cells, strict=True))


def _fit_readouts(run: Run, autoencoder: Autoencoder, dataset: Dataset) -> tuple[LatentSampler, SiteCountClassifier]:
    """Encode the training part; return a sampler of such latents, and a classifier of the number of sites."""
    chosen = dataset.indices("train")
    mean, log_var = encode_crystals(autoencoder, dataset, load_store(run), chosen)
    sampler = fit_latent_sampler(dataset, chosen, mean, log_var)
    some = np.arange(len(chosen))[:: -(-len(chosen) // CLASSIFIER_CRYSTALS)]
    sizes = np.array([dataset.crystals[index].n_sites for index in chosen[some]])
    return sampler, fit_site_counts(mean[some], log_var[some], sizes, run.preset.seed)
