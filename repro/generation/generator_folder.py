"""The folder of a generator: ``runs/RUN/generator``, ``weights/generator`` (see ``network_folders``).

Its UNet lies in the folder ``unet`` beside it, and the manifest has its checksum.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from data_prep.cell_angles import AngleRule
from data_prep.crystal import Crystal
from data_prep.elements import radii_of
from data_prep.errors import InputError
from data_prep.files.npz import DamagedNpz, read_npz, write_npz
from data_prep.formula_digests import FormulaDigests
from models.cell_volume import VolumeRegression
from models.decoding.arrangements import Arrangements
from models.decoding.species import allowed_elements
from models.decoding.watershed_parameters import WatershedParameters
from models.element_roles import ElementRoles, count_roles
from models.forward.vae import Decoder as MapDecoder
from models.forward.vae import Encoder
from models.latent_sampler import LatentSampler
from models.site_count_classifier import SiteCountClassifier
from repro.decoding.decoder import Decoder
from repro.decoding.latents import Autoencoder
from repro.decoding.unet_folder import lazy_unet, write_unet
from repro.generation.generator import Generator, KnownFormulas
from repro.network_folders import (
    GENERATOR,
    PROPERTY_NETWORKS,
    damaged,
    identity_of_networks,
    parameters_from_json,
    parameters_to_json,
    read_manifest,
    unet_beside,
    write_manifest,
    write_weights,
)
from repro.presets import GenerateParameters, Preset, VoxelParameters
from repro.stored_weights import read_network
from repro.training.dataset import Dataset

if TYPE_CHECKING:
    from models.vae import CondDFCVAE

VAE, FORMULAS = "vae.weights.h5", "formulas.npz"
SITE_COUNTS, LATENTS, VOLUMES = "site_counts.npz", "encoded.npz", "volumes.npz"

Readout = TypeVar("Readout", SiteCountClassifier, LatentSampler)


@dataclass(frozen=True)
class Learned:
    """What a run has learned.

    The VAE, the decoder of maps, the rule of the angles; the sampler of latents and the volumes of cells if any.
    """

    vae: "CondDFCVAE"
    decoder: Decoder
    angle_rule: AngleRule
    latent_sampler: LatentSampler | None = None
    volumes: VolumeRegression | None = None


def write_generator(folder: Path, preset: Preset, learned: Learned, dataset: Dataset, facts: dict) -> None:
    """Write trained networks and what they need of the data; ``facts`` for the manifests: how they were trained."""
    decoder, sampler = learned.decoder, learned.latent_sampler
    write_weights(learned.vae, folder / VAE)
    formulas = {"all": dataset.crystals, "train": dataset.train}
    digests = {name: FormulaDigests.of(one.formula for one in crystals).digests for name, crystals in formulas.items()}
    write_npz(folder / FORMULAS, digests)
    files = [VAE, FORMULAS]
    if decoder.site_counts:
        write_npz(folder / SITE_COUNTS, decoder.site_counts.arrays())
        files.append(SITE_COUNTS)
    if sampler:
        write_npz(folder / LATENTS, sampler.arrays(), compressed=True)
        files.append(LATENTS)
    if learned.volumes:
        write_npz(folder / VOLUMES, learned.volumes.arrays(), compressed=True)
        files.append(VOLUMES)
    maps = {"voxels": asdict(preset.voxels)}
    manifest = maps | {
        "vae": parameters_to_json(preset.vae),
        "unet": write_unet(unet_beside(folder), decoder.unet(), preset.unet, preset.voxels.radii, maps | facts),
        "generate": asdict(preset.generate),
        "watershed": asdict(preset.watershed),
        "condition_edges": dataset.edges,
        "elements": dataset.elements,
        "angles": learned.angle_rule.to_json(),
        "sites": decoder.arrangements.to_json(),
        "roles": count_roles(crystal.numbers for crystal in dataset.train).to_json(),
    }
    write_manifest(folder, files, manifest | facts)


def load_generator(
    folder: Path = GENERATOR, property_weights: Path = PROPERTY_NETWORKS, data: Sequence[Crystal] | None = None
) -> Generator:
    """Read a generator; its UNet, and the property networks that rank its candidates, are read when they are needed.

    ``data`` are the crystals that it was made from, if they are at hand: candidates are compared with them.
    Raises InputError naming a file that is missing, damaged, or of another version of this project.
    """
    manifest = read_manifest(folder)
    try:
        return replace(_from_manifest(folder, manifest, property_weights), data=data)
    except InputError:
        raise
    except (DamagedNpz, OSError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise damaged(folder, error) from error


def _from_manifest(folder: Path, manifest: dict, property_weights: Path) -> Generator:
    voxels, sampling = VoxelParameters(**manifest["voxels"]), GenerateParameters(**manifest["generate"])
    vae_parameters, watershed = parameters_from_json(manifest["vae"]), WatershedParameters(**manifest["watershed"])
    edges, elements = np.array(manifest["condition_edges"], dtype=float), np.array(manifest["elements"], dtype=int)
    rule = AngleRule.from_json(manifest["angles"])
    arrangements = Arrangements.from_json(manifest["sites"], rule.volumes)
    formulas = read_npz(folder / FORMULAS)
    known = KnownFormulas(*(FormulaDigests(formulas[name]) for name in ("all", "train")))
    counts, sampler = (
        load_arrays(kind, folder / name, vae_parameters.latent) if name in manifest["sha256"] else None
        for kind, name in ((SiteCountClassifier, SITE_COUNTS), (LatentSampler, LATENTS))
    )
    encoder, decoder = (
        read_network(folder / VAE, partial(kind, vae_parameters, voxels.grid), part)
        for kind, part in ((Encoder, "encoder"), (MapDecoder, "decoder"))
    )
    unet = lazy_unet(unet_beside(folder), manifest["unet"])
    return Generator(
        autoencoder=Autoencoder(encoder, decoder),
        decoder=Decoder(unet, allowed_elements(radii_of(voxels.radii), elements), arrangements, counts, watershed),
        identity=identity_of_networks(folder),
        property_weights=property_weights,
        voxels=voxels,
        sampling=sampling,
        edges=edges,
        elements=elements,
        angle_rule=rule,
        latent_sampler=sampler,
        known=known,
        roles=ElementRoles.from_json(manifest["roles"]),
        volumes=VolumeRegression.from_arrays(read_npz(folder / VOLUMES)) if VOLUMES in manifest["sha256"] else None,
    )


def load_arrays(kind: type[Readout], path: Path, latent: int) -> Readout:
    """Read a sampler of latents of ``latent`` numbers, or a classifier on them.

    Raises InputError naming the file when it is missing, damaged or does not fit.
    """
    try:
        return kind.from_arrays(read_npz(path), latent)
    except (OSError, DamagedNpz, KeyError, ValueError, TypeError) as error:  # TypeError: text that is no number
        raise InputError(f"{path} is damaged or of other networks ({error}): train the VAE again.") from error
