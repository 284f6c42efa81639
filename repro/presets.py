"""What is run: presets differ in sizes and budgets only and share all code. PAPER is the paper."""

from dataclasses import dataclass, field, replace

from models.table6 import CGCNNParameters, UNetParameters, VAEParameters


@dataclass(frozen=True)
class DataParameters:
    """Which crystals, and how they are split."""

    cell: str = "primitive"  # F1; "conventional" is the other choice
    max_sites: int = 40  # Methods: "<= 40 atoms"
    limit: int = 0  # at most so many crystals, 0 for all
    split_by: str = "formula"  # F10; "id" as the release
    test_fraction: float = 0.2  # Methods: "20% were retained for out-of-sample validation"
    validation_fraction: float = 0.05  # of the rest, to choose the best epoch


@dataclass(frozen=True)
class VoxelParameters:
    """How a crystal is drawn."""

    grid: int = 32  # Methods: 32 x 32 x 32
    radii: str = "ionic"  # "unit" is the sigma = 1 ablation of Table 5
    shard_size: int = 256  # structures per file, about 25 MB


@dataclass(frozen=True)
class FeedParameters:
    """How often a structure is seen, and how many of them make an epoch."""

    rotations: int = 10  # F9: random rotated copies beside each original
    substituted: float = 0.0  # not in the paper: share of samples whose elements are exchanged (F36)
    noise: float = 0.0  # not in the paper: size of the errors that the UNet's maps get, as a decoder makes them
    steps_per_epoch: int = 0  # 0: an epoch is one pass over the data
    validation_limit: int = 0  # structures measured after each epoch, 0 for the whole validation part


@dataclass(frozen=True)
class EvaluateParameters:
    """How much of the held-out part is measured."""

    limit: int = 0  # at most so many held-out structures are decoded, 0 for all
    batch_size: int = 20


@dataclass(frozen=True)
class GenerateParameters:
    """What the pipeline's generation stage samples when no base is given."""

    bases_per_family: int = 4  # Ab Initio Validation: "12 base compounds (4 per structure type)"
    samples_per_base: int = 1000
    random_per_condition: int = 100  # Generation: "100 samples per formation energy condition"
    spread: float = 0.5  # F18: the standard deviation around a base
    random_from: str = "normal"  # Methods: z from N(0, 1); "encoded": as the training crystals' latents lie
    random_spread: float = 1.0  # factor of a random draw's distance from the middle
    networks: str = "run"  # whose property networks rank the candidates: the run's, or "published" with the project
    species_from: str = "unet"  # "unet": the paper's arg-max; "fit": a Gaussian fit of the map (F33)


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
    feed: FeedParameters = field(default_factory=FeedParameters)
    unet_feed: FeedParameters = field(default_factory=FeedParameters)
    vae: VAEParameters = field(default_factory=VAEParameters)
    unet: UNetParameters = field(default_factory=UNetParameters)
    cgcnn: CGCNNParameters = field(default_factory=CGCNNParameters)
    evaluate: EvaluateParameters = field(default_factory=EvaluateParameters)
    generate: GenerateParameters = field(default_factory=GenerateParameters)


PAPER = Preset(name="paper")

LAPTOP = replace(
    PAPER,
    name="laptop",
    feed=FeedParameters(rotations=0, steps_per_epoch=60, validation_limit=40),
    unet_feed=FeedParameters(rotations=10, steps_per_epoch=40, validation_limit=96),
    # A short training needs larger rates than Table 6's, a schedule that ends it, and more, smaller steps.
    vae=replace(
        PAPER.vae,
        learning_rate=2e-3,
        batch_size=5,
        epochs=15,
        schedule="cosine",
        warmup_steps=20,
        norm_momentum=0.9,
        start_from_statistics=True,
    ),
    unet=replace(
        PAPER.unet,
        filters=4,
        crop=16,
        batch_size=24,
        learning_rate=2e-3,
        epochs=12,
        schedule="cosine",
        warmup_steps=20,
        norm_momentum=0.9,
    ),
    cgcnn=replace(PAPER.cgcnn, epochs=40, transfer_epochs=100, patience=20, schedule="cosine"),
    evaluate=EvaluateParameters(limit=150),
    generate=GenerateParameters(bases_per_family=1, samples_per_base=20, random_per_condition=4, species_from="fit"),
)

# The best networks of hours on two cores (property networks: minutes on a GPU): not the paper's, nor under its name.
IMPROVED = replace(
    LAPTOP,
    name="improved",
    feed=FeedParameters(rotations=0, substituted=0.5, steps_per_epoch=250, validation_limit=100),
    evaluate=EvaluateParameters(limit=450),
    generate=GenerateParameters(
        samples_per_base=200,
        random_per_condition=100,
        random_from="encoded",
        random_spread=0.8,
        species_from="fit",
        networks="published",
    ),
    unet_feed=FeedParameters(rotations=10, substituted=0.5, noise=0.5, steps_per_epoch=200, validation_limit=96),
    unet=replace(LAPTOP.unet, gaussian=True, learning_rate=3e-3, epochs=12, warmup_steps=50, norm_momentum=0.95),
    vae=replace(
        LAPTOP.vae,
        alpha=0.0,
        heads=True,
        composition_weight=1.0,
        batch_size=10,
        epochs=28,
        warmup_steps=100,
        norm_momentum=0.95,
    ),
    cgcnn=replace(
        LAPTOP.cgcnn,
        convolutions=4,
        atom_features=128,
        hidden=256,
        learned_elements=True,
        readout="attention",
        batch_size=128,
        epochs=130,
        transfer_epochs=80,
        patience=0,
        members=1,
    ),
)

SMOKE = replace(
    LAPTOP,
    name="smoke",
    data=DataParameters(limit=60),
    property_data=replace(PAPER.property_data, limit=60),
    voxels=VoxelParameters(grid=16, shard_size=32),
    feed=FeedParameters(rotations=0, steps_per_epoch=10),
    unet_feed=FeedParameters(rotations=1, steps_per_epoch=10),
    vae=replace(LAPTOP.vae, epochs=2, batch_size=4, warmup_steps=2),
    unet=replace(LAPTOP.unet, filters=2, crop=8, epochs=2, batch_size=8, warmup_steps=2),
    cgcnn=replace(
        LAPTOP.cgcnn, epochs=3, transfer_epochs=3, batch_size=32, steps_per_epoch=1, head_epochs=1, members=2
    ),
    evaluate=EvaluateParameters(limit=8, batch_size=8),
    generate=GenerateParameters(bases_per_family=1, samples_per_base=2, random_per_condition=1, species_from="fit"),
)

PRESETS = {preset.name: preset for preset in (SMOKE, LAPTOP, IMPROVED, PAPER)}
