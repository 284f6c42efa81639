"""Everything that turns a latent vector into a crystal: of a run, or as it travels with the project.

``weights/generator`` holds the VAE, the UNet and a manifest: checksums, hyperparameters, the decile edges,
which elements and angles occur, and the formulas of the data as digests, enough to tell a new formula from a
known one.
"""

import hashlib
import json
from collections.abc import Container, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import keras
import numpy as np

from data_prep.cell_angles import AngleRule, fit_angle_rule
from data_prep.crystal import Crystal
from data_prep.elements import RADII
from data_prep.errors import InputError
from data_prep.files.atomic import replacing, write_json
from data_prep.files.checksum import file_sha256
from data_prep.files.npz import DamagedNpz, read_npz
from data_prep.formula_digests import FormulaDigests
from data_prep.quarantine import screen
from data_prep.sources import read_source
from models.decoding.arrangements import Arrangements
from models.decoding.fitted_species import Candidates, candidate_elements
from models.latent_sampler import LatentSampler
from models.site_count_classifier import SiteCountClassifier
from models.table6 import UNetParameters, VAEParameters
from repro import stamps
from repro.decoding.arrangements import fit_arrangements
from repro.decoding.decoder import Segmented, needs_segmentation, segment, unsegmented
from repro.decoding.encodings import load_encoded_latents, trained_encoded_latents, write_encoded_latents
from repro.decoding.site_counts import load_site_counts, trained_site_counts, write_site_counts
from repro.presets import GenerateParameters, VoxelParameters
from repro.properties.train import trained_networks
from repro.properties.weights import CGCNN_WEIGHTS, load_published, refuse_changed
from repro.run import Run
from repro.training.dataset import load_dataset
from repro.training.fit import BEST, load_weights
from repro.training.prepare import CACHE
from repro.training.train_unet import build_segmenter, trained_unet
from repro.training.train_vae import build_vae, trained_vae

MAX_BASE_SITES = 40  # Methods: "<= 40 atoms"
GENERATOR_WEIGHTS = CGCNN_WEIGHTS.parent / "generator"
MANIFEST, VAE, UNET, FORMULAS = "manifest.json", "vae.weights.h5", "unet.weights.h5", "formulas.npz"
SITE_COUNTS, ENCODED = "site_counts.npz", "encoded.npz"


@dataclass(frozen=True)
class Known:
    """The formulas of the data, and of their training part."""

    all: Container[str]
    train: Container[str]


@dataclass(frozen=True)
class Generator:
    """The trained networks and what they know of the data.

    ``edges`` (9,) in eV/atom are the deciles of the condition; ``elements`` the atomic numbers of the training
    part; ``crystals`` those that a base may be chosen from.
    """

    encoder: keras.Model
    decoder: keras.Model
    unet: keras.Model
    networks: dict[str, list[keras.Model]]
    voxels: VoxelParameters
    parameters: GenerateParameters
    edges: np.ndarray
    elements: np.ndarray
    rule: AngleRule
    prior: Arrangements
    site_counts: SiteCountClassifier | None
    encoded: LatentSampler | None
    known: Known
    crystals: Sequence[Crystal]

    @property
    def n_conditions(self) -> int:
        """Number of deciles."""
        return len(self.edges) + 1

    def count_sites(self, z: np.ndarray) -> np.ndarray | None:
        """Return how many sites latent vectors (B, L) mean, (B,), where the VAE tells."""
        return self.site_counts.choose(z) if self.site_counts else None

    def segmented(self, z: np.ndarray, maps: np.ndarray, compositions: np.ndarray | None) -> list[Segmented]:
        """Return maps (B, G, G, G, 4) of latents (B, L) ready for ``decode_all``: segmented where that is needed."""
        if needs_segmentation(self.parameters.species_from, compositions):
            return segment(self.unet, maps, compositions)[0]
        return unsegmented(maps, compositions, self.count_sites(z))

    def fingerprint(self) -> str:
        """Return a short hash of the weights behind a candidate: partial results of others are not gone on with."""
        models = [self.decoder, *(model for members in self.networks.values() for model in members)]
        arrays = (array for model in models for array in model.get_weights())
        return hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()[:12]

    @property
    def candidates(self) -> Candidates:
        """The elements that an atom may be."""
        return self.candidates_among(self.elements)

    def candidates_among(self, numbers: np.ndarray) -> Candidates:
        """Return the elements that an atom may be, of the given atomic numbers (k,)."""
        return candidate_elements(RADII[self.voxels.radii](), numbers)


def of_run(run: Run, property_weights: Path | None = None) -> Generator:
    """Return the networks of a finished run, with the property networks asked for, its own or the published ones."""
    dataset = load_dataset(run)
    train = [dataset.crystals[index] for index in dataset.indices("train")]
    encoder, decoder = trained_vae(run)
    rule = fit_angle_rule(train)
    formulas = (frozenset(crystal.formula for crystal in crystals) for crystals in (dataset.crystals, train))
    published = property_weights or run.preset.generate.networks == "published"
    return Generator(
        encoder,
        decoder,
        trained_unet(run),
        load_published(property_weights or CGCNN_WEIGHTS).networks if published else trained_networks(run),
        run.preset.voxels,
        run.preset.generate,
        dataset.edges,
        np.unique(np.concatenate([crystal.numbers for crystal in train])),
        rule,
        fit_arrangements(train, rule),
        trained_site_counts(run),
        trained_encoded_latents(run),
        Known(*formulas),
        dataset.crystals,
    )


def publish_generator(run: Run, folder: Path, facts: dict) -> None:
    """Write the VAE and the UNet of a run with their manifest into ``folder``; ``facts`` say how they were trained."""
    dataset = load_dataset(run)
    train = [dataset.crystals[index] for index in dataset.indices("train")]
    vae = build_vae(run.preset.vae, run.preset.voxels.grid)
    load_weights(vae, run.folder("train-vae") / BEST)
    # All is read before anything is written: what was published before stays whole where something is missing.
    unet, counts, encoded = trained_unet(run), trained_site_counts(run), trained_encoded_latents(run)
    for name, model in ((VAE, vae), (UNET, unet)):
        with replacing(folder / name) as temporary:
            model.save_weights(temporary, overwrite=True)
    with replacing(folder / FORMULAS) as temporary:
        np.savez(
            temporary,
            all=FormulaDigests.of(crystal.formula for crystal in dataset.crystals).digests,
            train=FormulaDigests.of(crystal.formula for crystal in train).digests,
        )
    rule = fit_angle_rule(train)
    prior = fit_arrangements(train, rule)
    files = [VAE, UNET, FORMULAS]
    if counts:
        write_site_counts(counts, folder / SITE_COUNTS)
        files.append(SITE_COUNTS)
    if encoded:
        write_encoded_latents(encoded, folder / ENCODED)
        files.append(ENCODED)
    manifest = {
        "sha256": {name: file_sha256(folder / name) for name in files},
        "vae": asdict(run.preset.vae),
        "unet": asdict(run.preset.unet),
        "voxels": asdict(run.preset.voxels),
        "generate": asdict(run.preset.generate),
        "condition_edges": dataset.edges,
        "elements": np.unique(np.concatenate([crystal.numbers for crystal in train])),
        "angles": {"volumes": rule.volumes, "log_ratio": rule.log_ratio, "counts": rule.counts},
        "sites": {"arrangements": prior.arrangements, "counts": prior.counts},
        "versions": stamps.versions(),
    }
    write_json(folder / MANIFEST, manifest | facts)


def load_generator(folder: Path, crystals: Sequence[Crystal], property_weights: Path = CGCNN_WEIGHTS) -> Generator:
    """Read a generator and its property networks; raises InputError naming a file that is missing or damaged."""
    manifest = _read_manifest(folder)
    try:
        return _from_manifest(folder, manifest, crystals, property_weights)
    except (DamagedNpz, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{folder / MANIFEST} is damaged ({error}): clone the project again.") from error


def _from_manifest(folder: Path, manifest: dict, crystals: Sequence[Crystal], property_weights: Path) -> Generator:
    voxels = VoxelParameters(**manifest["voxels"])
    parameters = VAEParameters(**_tuples(manifest["vae"]))
    vae = build_vae(parameters, voxels.grid)
    unet = build_segmenter(UNetParameters(**manifest["unet"]), voxels.radii)
    load_weights(vae, folder / VAE)
    load_weights(unet, folder / UNET)
    angles = manifest["angles"]
    rule = AngleRule(
        np.array(angles["volumes"]),
        {int(number): tuple(pair) for number, pair in angles["log_ratio"].items()},
        {int(number): tuple(pair) for number, pair in angles["counts"].items()},
    )
    sites = manifest["sites"]
    prior = Arrangements(
        rule.volumes,
        {int(number): tuple(map(np.array, found)) for number, found in sites["arrangements"].items()},
        {int(number): tuple(map(tuple, found)) for number, found in sites["counts"].items()},
    )
    formulas = read_npz(folder / FORMULAS)
    known = Known(*(FormulaDigests(formulas[name]) for name in ("all", "train")))
    return Generator(
        vae.encoder,
        vae.decoder,
        unet,
        load_published(property_weights).networks,
        voxels,
        GenerateParameters(**manifest["generate"]),
        np.array(manifest["condition_edges"]),
        np.array(manifest["elements"]),
        rule,
        prior,
        load_site_counts(folder / SITE_COUNTS, parameters.latent) if SITE_COUNTS in manifest["sha256"] else None,
        load_encoded_latents(folder / ENCODED, parameters.latent) if ENCODED in manifest["sha256"] else None,
        known,
        crystals,
    )


def base_crystals(source: str) -> list[Crystal]:
    """Return the crystals of a source that a base compound may be chosen from, in their primitive cells."""
    found, _ = read_source(source, CACHE, cell="primitive")
    return screen(found, max_sites=MAX_BASE_SITES, require_label=False)[0]


def _read_manifest(folder: Path) -> dict:
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text())
        sums = dict(manifest["sha256"])
    except FileNotFoundError:
        raise InputError(f"{path} is missing: clone the project again, or give a folder of networks.") from None
    except (OSError, ValueError, KeyError, TypeError) as error:  # a JSON fault is a ValueError
        raise InputError(f"{path} is damaged ({error}): clone the project again.") from error
    for name, sha256 in sums.items():
        refuse_changed(folder / name, sha256)
    return manifest


def _tuples(parameters: dict) -> dict:
    """Return hyperparameters as they were before JSON turned tuples into lists."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in parameters.items()}
