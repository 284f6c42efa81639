"""The folder of a generator: ``runs/RUN/generator``, ``weights/generator`` (see ``network_folders``)."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from data_prep.cell_angles import AngleRule
from data_prep.elements import radii_of
from data_prep.errors import InputError
from data_prep.files.npz import DamagedNpz, read_npz, write_npz
from data_prep.formula_digests import FormulaDigests
from models.decoding.arrangements import Arrangements
from models.decoding.species import allowed_elements
from models.latent_sampler import LatentSampler
from models.site_count_classifier import SiteCountClassifier
from models.vae import CondDFCVAE
from repro.decoding.decoder import Decoder
from repro.decoding.latents import Autoencoder
from repro.generation.generator import Generator, KnownFormulas
from repro.network_folders import (
    GENERATOR,
    PROPERTY_NETWORKS,
    damaged,
    parameters_from_json,
    parameters_to_json,
    read_manifest,
    write_manifest,
    write_weights,
)
from repro.presets import GenerateParameters, Preset, VoxelParameters
from repro.training.dataset import Dataset
from repro.training.fit import load_weights
from repro.training.train_unet import build_segmenter
from repro.training.train_vae import build_vae

VAE, UNET, FORMULAS = "vae.weights.h5", "unet.weights.h5", "formulas.npz"
SITE_COUNTS, LATENTS = "site_counts.npz", "encoded.npz"

Readout = TypeVar("Readout", SiteCountClassifier, LatentSampler)


@dataclass(frozen=True)
class Learned:
    """What a run has learned: the VAE, the decoder of maps, the rule of the angles, the sampler of latents if any."""

    vae: CondDFCVAE
    decoder: Decoder
    angle_rule: AngleRule
    latent_sampler: LatentSampler | None


def write_generator(folder: Path, preset: Preset, learned: Learned, dataset: Dataset, facts: dict) -> None:
    """Write trained networks and what they need of the data; ``facts`` for the manifest: how they were trained."""
    decoder, sampler = learned.decoder, learned.latent_sampler
    write_weights(learned.vae, folder / VAE)
    write_weights(decoder.unet, folder / UNET)
    formulas = {"all": dataset.crystals, "train": dataset.train}
    digests = {name: FormulaDigests.of(one.formula for one in crystals).digests for name, crystals in formulas.items()}
    write_npz(folder / FORMULAS, digests)
    files = [VAE, UNET, FORMULAS]
    if decoder.site_counts:
        write_npz(folder / SITE_COUNTS, decoder.site_counts.arrays())
        files.append(SITE_COUNTS)
    if sampler:
        write_npz(folder / LATENTS, sampler.arrays(), compressed=True)
        files.append(LATENTS)
    manifest = {
        "vae": parameters_to_json(preset.vae),
        "unet": parameters_to_json(preset.unet),
        "voxels": asdict(preset.voxels),
        "generate": asdict(preset.generate),
        "condition_edges": dataset.edges,
        "elements": dataset.elements,
        "angles": learned.angle_rule.to_json(),
        "sites": decoder.arrangements.to_json(),
    }
    write_manifest(folder, files, manifest | facts)


def load_generator(folder: Path = GENERATOR, property_weights: Path = PROPERTY_NETWORKS) -> Generator:
    """Read a generator and the property networks that rank its candidates.

    Raises InputError naming a file that is missing, damaged, or of another version of this project.
    """
    manifest = read_manifest(folder)
    try:
        return _from_manifest(folder, manifest, property_weights)
    except InputError:
        raise
    except (DamagedNpz, OSError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise damaged(folder, error) from error


def _from_manifest(folder: Path, manifest: dict, property_weights: Path) -> Generator:
    voxels, sampling = VoxelParameters(**manifest["voxels"]), GenerateParameters(**manifest["generate"])
    vae_parameters, unet_parameters = (parameters_from_json(manifest[name]) for name in ("vae", "unet"))
    edges, elements = np.array(manifest["condition_edges"], dtype=float), np.array(manifest["elements"], dtype=int)
    rule = AngleRule.from_json(manifest["angles"])
    arrangements = Arrangements.from_json(manifest["sites"], rule.volumes)
    formulas = read_npz(folder / FORMULAS)
    known = KnownFormulas(*(FormulaDigests(formulas[name]) for name in ("all", "train")))
    counts, sampler = (
        load_arrays(kind, folder / name, vae_parameters.latent) if name in manifest["sha256"] else None
        for kind, name in ((SiteCountClassifier, SITE_COUNTS), (LatentSampler, LATENTS))
    )
    vae, unet = build_vae(vae_parameters, voxels.grid), build_segmenter(unet_parameters, voxels.radii)
    load_weights(vae, folder / VAE)
    load_weights(unet, folder / UNET)
    return Generator(
        autoencoder=Autoencoder(vae.encoder, vae.decoder),
        decoder=Decoder(unet, allowed_elements(radii_of(voxels.radii), elements), arrangements, counts),
        property_weights=property_weights,
        voxels=voxels,
        sampling=sampling,
        edges=edges,
        elements=elements,
        angle_rule=rule,
        latent_sampler=sampler,
        known=known,
    )


def load_arrays(kind: type[Readout], path: Path, latent: int) -> Readout:
    """Read a sampler of latents of ``latent`` numbers, or a classifier on them.

    Raises InputError naming the file when it is missing, damaged or does not fit.
    """
    try:
        return kind.from_arrays(read_npz(path), latent)
    except (OSError, DamagedNpz, KeyError, ValueError, TypeError) as error:  # TypeError: text that is no number
        raise InputError(f"{path} is damaged or of other networks ({error}): train the VAE again.") from error
