"""What is run: presets differ in sizes and budgets only and share all code. PAPER is the paper."""

from dataclasses import dataclass, field, replace
from typing import Literal

from models.beyond_paper import (
    ImprovedCGCNNParameters,
    ImprovedUNetParameters,
    ImprovedVAEParameters,
    Precision,
)
from models.decoding import Way
from models.decoding.watershed_parameters import PAPERS_READING, WatershedParameters
from models.table6 import CGCNNParameters, UNetParameters, VAEParameters

Schedule = Literal["constant", "cosine"]
RandomFrom = Literal["normal", "encoded", "posteriors"]
Around = Literal["noise", "neighbours"]
PerceptualScale = Literal["raw", "mean_square"]
Place = Literal["host", "device"]


@dataclass(frozen=True)
class DataParameters:
    """Which crystals, and how they are split."""

    cell: str = "primitive"  # F1; "conventional" is the other choice
    max_sites: int = 40  # Methods: "<= 40 atoms"
    limit: int = 0  # at most so many crystals, 0 for all
    split_by: str = "formula"  # F10; "id" as the release
    test_fraction: float = 0.2  # Methods: "20% were retained for out-of-sample validation"
    validation_fraction: float = 0.05  # of the rest, to choose the best epoch
    any_crystal: bool = False  # not in the paper: of every stoichiometry and symmetry, split without regard to it


@dataclass(frozen=True)
class VoxelParameters:
    """How a crystal is drawn."""

    grid: int = 32  # Methods: 32 x 32 x 32
    radii: str = "ionic"  # "unit" is the sigma = 1 ablation of Table 5
    shard_size: int = 256  # structures per file, about 25 MB


@dataclass(frozen=True)
class TrainingParameters:
    """How a network of maps is trained, beyond Table 6's learning rate, batch size and epochs."""

    rotations: int = 10  # F9: random rotated copies beside each original
    substituted: float = 0.0  # not in the paper: share of samples whose elements are exchanged (F36)
    noise: float = 0.0  # not in the paper: size of the errors that the UNet's maps get, as a decoder makes them
    crop: int = 0  # edge of the UNet's training crops in voxels; 0 trains on whole maps
    steps_per_epoch: int = 0  # 0: an epoch is one pass over the data
    validation_limit: int = 0  # structures measured after each epoch, 0 for the whole validation part
    schedule: Schedule = "constant"  # learning rate over the steps
    warmup_steps: int = 0  # linear rise before the schedule
    restarts: int = 0  # of the cosine: equal parts of the epochs, each from the full rate
    start_from_statistics: bool = False  # not in the paper: see ``start_from_statistics`` in models/vae.py
    perceptual_scale: PerceptualScale = "mean_square"  # F42: of each layer's difference; "raw" as the released weights
    perceptual_samples: int = (
        0  # of each batch, the others add no perceptual term; 0: all (the mean expected is the same)
    )
    perceptual_from: int = 0  # not in the paper: epochs that train without the perceptual term, at a sixth of the cost
    precision: Precision = "float32"  # of the convolutions in training; all else, and evaluation, is float32
    minutes: float = 0.0  # trained by the clock, whatever the epochs, a cosine over the time; 0: by epochs
    drawn_on: Place = "host"  # where training maps are drawn; a large card is faster than 16 cores draw
    class_weight_cap: float = 0.0  # not in the paper: largest weight of a species, in medians of all; 0: no cap
    published: bool = False  # not trained at all: the UNet that comes with the project

    def __post_init__(self):
        if self.drawn_on == "device" and self.crop:
            raise ValueError("maps that are drawn on the device are whole: crop must be 0")


@dataclass(frozen=True)
class PropertyTrainingParameters:
    """How the property networks are trained; the paper gives none of it."""

    epochs: int = 500  # an upper bound, early stopping decides
    patience: int = 40  # epochs without improvement before stopping, 0 for never
    schedule: Schedule = "constant"
    steps_per_epoch: int = 30  # a property with fewer batches passes over them several times
    transfer_epochs: int = 500  # as ``epochs``, for the properties that start from formation energy
    head_epochs: int = 10  # transfer: epochs in which only the head is trained, before the fine-tuning (SI)
    members: int = 5  # networks for formation energy, whose spread is the uncertainty
    further_members: int = 0  # more networks for a property that starts from formation energy and has few labels
    seed_shift: int = 0  # added to the preset's seed: other starting weights and order of the crystals, the same split


@dataclass(frozen=True)
class EvaluateParameters:
    """How much of the held-out part is measured."""

    limit: int = 0  # at most so many held-out structures are decoded, 0 for all
    batch_size: int = 20
    path_points: int = 0  # latent vectors along the path of Figure 2c, 0 for the paper's 1,000


@dataclass(frozen=True)
class GenerateParameters:
    """What the pipeline's generation stage samples when no base is given."""

    bases_per_family: int = 4  # Ab Initio Validation: "12 base compounds (4 per structure type)"
    samples_per_base: int = 1000
    random_per_condition: int = 100  # Generation: "100 samples per formation energy condition"
    spread: float = 0.5  # F18: the standard deviation around a base
    around: Around = "noise"  # of the encoded base; "neighbours": crystals like it, of elements near to its own (F46)
    distance: float = 0.2  # of the neighbours, from 0 (near) to 1 (far)
    random_from: RandomFrom = "normal"  # Methods: z from N(0, 1); else as the training crystals' latents lie
    random_spread: float = 1.0  # factor of a random draw's distance from the middle
    networks: Literal["run", "published"] = "run"  # whose property networks rank the candidates
    fitted_cells: bool = False  # not in the paper: cells get the volume that fits their atoms (F47)
    way: Way = "vote"  # from maps to atoms: the paper's, "fit" (F33) or "composition", for a VAE that gives it


@dataclass(frozen=True)
class Preset:
    """Everything a run depends on, its source apart."""

    name: str
    seed: int = 0
    data: DataParameters = field(default_factory=DataParameters)
    property_data: DataParameters = DataParameters(
        max_sites=50, test_fraction=0.16, validation_fraction=0.08
    )  # Table 1: 6,700 of 42,434
    voxels: VoxelParameters = field(default_factory=VoxelParameters)
    vae: VAEParameters = field(default_factory=VAEParameters)
    vae_training: TrainingParameters = field(default_factory=TrainingParameters)
    unet: UNetParameters = field(default_factory=UNetParameters)
    unet_training: TrainingParameters = field(default_factory=TrainingParameters)
    watershed: WatershedParameters = PAPERS_READING
    cgcnn: CGCNNParameters = field(default_factory=CGCNNParameters)
    cgcnn_training: PropertyTrainingParameters = field(default_factory=PropertyTrainingParameters)
    evaluate: EvaluateParameters = field(default_factory=EvaluateParameters)
    generate: GenerateParameters = field(default_factory=GenerateParameters)


PAPER = Preset(name="paper")

LAPTOP = replace(
    PAPER,
    name="laptop",
    # A short training needs larger rates than Table 6's, a schedule that ends it, and more, smaller steps.
    vae=replace(PAPER.vae, learning_rate=2e-3, batch_size=5, epochs=15, norm_momentum=0.9),
    vae_training=TrainingParameters(
        rotations=0,
        steps_per_epoch=60,
        validation_limit=40,
        schedule="cosine",
        warmup_steps=20,
        start_from_statistics=True,
    ),
    unet=replace(PAPER.unet, filters=4, batch_size=24, learning_rate=2e-3, epochs=12, norm_momentum=0.9),
    unet_training=TrainingParameters(
        rotations=10, crop=16, steps_per_epoch=40, validation_limit=96, schedule="cosine", warmup_steps=20
    ),
    cgcnn_training=replace(
        PAPER.cgcnn_training, epochs=40, transfer_epochs=100, patience=20, schedule="cosine", further_members=1
    ),
    evaluate=EvaluateParameters(limit=150),
    generate=GenerateParameters(bases_per_family=1, samples_per_base=20, random_per_condition=4, way="fit"),
)

# The best networks of hours on two cores (property networks: minutes on a GPU): not the paper's, nor under its name.
IMPROVED = replace(
    LAPTOP,
    name="improved",
    vae=ImprovedVAEParameters(
        alpha=0.0, composition_weight=1.0, learning_rate=2e-3, batch_size=10, epochs=28, norm_momentum=0.95
    ),
    vae_training=replace(
        LAPTOP.vae_training, substituted=0.5, steps_per_epoch=250, validation_limit=100, warmup_steps=100
    ),
    unet=ImprovedUNetParameters(filters=4, batch_size=24, learning_rate=3e-3, epochs=12, norm_momentum=0.95),
    unet_training=replace(
        LAPTOP.unet_training, substituted=0.5, noise=0.5, steps_per_epoch=200, validation_limit=96, warmup_steps=50
    ),
    cgcnn=ImprovedCGCNNParameters(
        convolutions=4, atom_features=128, hidden=256, learned_elements=True, readout="attention", batch_size=128
    ),
    cgcnn_training=replace(
        LAPTOP.cgcnn_training, epochs=130, transfer_epochs=16, patience=0, members=1, further_members=0
    ),
    evaluate=EvaluateParameters(limit=450),
    generate=GenerateParameters(
        samples_per_base=200,
        random_per_condition=100,
        random_from="encoded",
        random_spread=0.8,
        around="neighbours",
        fitted_cells=True,
        way="composition",
        networks="published",
    ),
)

# The paper's UNet at Table 6's size, the VAE with heads: minutes of one large GPU (F38, F41); not the paper's schedule.
FULL = replace(
    IMPROVED,
    name="full",
    vae=replace(IMPROVED.vae, batch_size=64, norm_momentum=0.97),
    vae_training=replace(
        IMPROVED.vae_training,
        steps_per_epoch=500,
        validation_limit=0,
        warmup_steps=220,
        precision="float16",
        minutes=2,
        drawn_on="device",
    ),
    unet=replace(PAPER.unet, batch_size=32, learning_rate=1e-3, norm_momentum=0.97),
    unet_training=replace(
        PAPER.unet_training,
        substituted=0.5,
        noise=0.25,
        steps_per_epoch=1000,
        schedule="cosine",
        warmup_steps=240,
        precision="float16",
        minutes=6,
        drawn_on="device",
        class_weight_cap=10.0,
    ),
    evaluate=EvaluateParameters(limit=450, path_points=100),  # the UNet takes a second for each on two cores
    watershed=WatershedParameters(threshold=0.98, marker_share=1 / 8192, weighted_centres=True),  # F39, by validation
)

# The paper's own VAE, without heads, whose perceptual model is the published UNet (F42): 40,000 samples, the perceptual
# term in the last 6,400 of them. With the term from the first sample, 13,600 of them did not learn the density.
DFC = replace(
    FULL,
    name="dfc",
    vae=replace(PAPER.vae, learning_rate=2e-3, batch_size=8, epochs=50, norm_momentum=0.95),
    vae_training=replace(
        LAPTOP.vae_training, steps_per_epoch=100, warmup_steps=50, perceptual_samples=2, perceptual_from=42
    ),
    unet_training=TrainingParameters(published=True),
    evaluate=EvaluateParameters(limit=150, path_points=100),
    generate=replace(PAPER.generate, networks="published"),
)

# CDVAE's benchmark of five-site perovskites (docs/scoring.md): one split by crystal, of which a tenth is held out.
PEROV5 = replace(
    FULL,
    name="perov5",
    data=DataParameters(split_by="id", test_fraction=0.1, any_crystal=True),
    vae=replace(IMPROVED.vae, epochs=20),
    vae_training=replace(IMPROVED.vae_training, restarts=1),
    unet_training=DFC.unet_training,
    generate=replace(FULL.generate, random_from="posteriors", random_spread=1.0),
)

# As DFC, after half as many samples: every crystal has five sites in nearly the same places.
PEROV5_PAPER = replace(
    PEROV5,
    name="perov5-paper",
    vae=replace(DFC.vae, epochs=24),
    vae_training=replace(DFC.vae_training, perceptual_from=20),
    generate=DFC.generate,
)

SMOKE = replace(
    LAPTOP,
    name="smoke",
    data=DataParameters(limit=60),
    property_data=replace(PAPER.property_data, limit=60),
    voxels=VoxelParameters(grid=16, shard_size=32),
    vae=replace(LAPTOP.vae, epochs=2, batch_size=4),
    vae_training=replace(
        LAPTOP.vae_training, steps_per_epoch=10, validation_limit=0, warmup_steps=2, perceptual_from=1
    ),
    unet=replace(LAPTOP.unet, filters=2, epochs=2, batch_size=8),
    unet_training=replace(
        LAPTOP.unet_training, rotations=1, crop=8, steps_per_epoch=10, validation_limit=0, warmup_steps=2
    ),
    cgcnn=replace(LAPTOP.cgcnn, batch_size=32),
    cgcnn_training=replace(
        LAPTOP.cgcnn_training,
        epochs=3,
        transfer_epochs=3,
        steps_per_epoch=1,
        head_epochs=1,
        members=2,
        further_members=0,
    ),
    evaluate=EvaluateParameters(limit=8, batch_size=8, path_points=40),
    generate=GenerateParameters(bases_per_family=1, samples_per_base=2, random_per_condition=1, way="fit"),
)

PRESETS = {preset.name: preset for preset in (SMOKE, LAPTOP, IMPROVED, FULL, DFC, PEROV5, PEROV5_PAPER, PAPER)}
