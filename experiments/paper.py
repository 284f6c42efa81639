"""Every number that Court et al. (JCIM 2020, 60, 4518) print, once: Tables 1 to 6 and those in the text.

Nothing in here is ours, and nothing of ours is ever written in here. Where text and table disagree
the table counts and the text's number stands in ``TEXT`` under its own name (F15).
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class PropertyError:
    """A row of Table 1: CGCNN on held-out structures; ``mae`` in ``unit``, ``smape`` in %."""

    property: str
    unit: str
    mae: float
    smape: float
    train: int
    test: int


TABLE1 = (
    PropertyError("formation energy", "eV/atom", 0.102, 27.70, 35734, 6700),
    PropertyError("total energy", "eV/atom", 0.114, 2.51, 35734, 6700),
    PropertyError("band gap", "eV", 0.299, 137.73, 35734, 6700),
    PropertyError("bulk modulus", "log(GPa)", 0.186, 5.23, 8724, 1635),
    PropertyError("shear modulus", "log(GPa)", 0.306, 10.72, 8192, 1536),
    PropertyError("Poisson ratio", "", 0.051, 16.72, 8448, 1585),
    PropertyError("refractive index", "", 0.155, 5.34, 3744, 702),
    PropertyError("dielectric constant", "log", 0.115, 6.49, 3744, 702),
)


@dataclass(frozen=True)
class FilterStep:
    """A row of Table 2: samples around a base compound that are left, on average over 12 bases."""

    step: str
    samples: int
    percent: int


TABLE2 = (
    FilterStep("initial samples", 1000, 100),
    FilterStep("interatomic distance validation", 890, 89),
    FilterStep("stoichiometric formula", 350, 35),
    FilterStep("not in training set", 250, 25),
    FilterStep("within 20% of target Ef", 60, 6),
    FilterStep("unique composition", 20, 2),
)


@dataclass(frozen=True)
class DFTComparison:
    """A row of Table 3: change of bonds and cell in % and of formation energy in eV/atom under DFT."""

    type: str
    candidates: int
    bonds: float
    formation_energy: float
    cell: float


TABLE3 = (
    DFTComparison("perovskites", 30, 5.23, 0.57, 0.0),
    DFTComparison("Heusler", 22, 1.44, 3.34, 0.0),
    DFTComparison("binaries", 24, 10.88, 2.65, 0.0),
)


@dataclass(frozen=True)
class DatabaseComparison:
    """A row of Table 4: absolute errors against the Materials Project; None where the paper has none.

    ``a``, ``b``, ``c`` in Å, energies in eV/atom, moduli in GPa.
    """

    candidate: str
    a: float
    b: float
    c: float
    formation_energy: float
    energy: float
    bulk_modulus: float | None = None
    shear_modulus: float | None = None
    poisson_ratio: float | None = None
    icsd: int | None = None


TABLE4 = (
    DatabaseComparison("Lu2ZnAu", 0.19, 0.30, 0.20, 0.02, 0.16, 84.39, 2.36, 0.09),
    DatabaseComparison("Ho2ZnAu", 0.21, 0.18, 0.06, 0.04, 0.19),
    DatabaseComparison("YbSmPd2", 0.26, 0.21, 0.17, 0.00, 0.15, 69.57, 2.43, 0.11),
    DatabaseComparison("KWO3", 0.05, 0.06, 0.15, 0.03, 0.11, 184.78, 57.78, 0.06),
    DatabaseComparison("CaBeO3", 0.12, 0.28, 0.21, 0.35, 0.70),
    DatabaseComparison("AlSiO3", 0.22, 0.05, 0.07, 0.45, 0.46),
    DatabaseComparison("TiAlO3", 0.01, 0.03, 0.10, 0.19, 0.05, 228.63, 4.60, 0.07),
    DatabaseComparison("Sc2RuRh", 0.47, 0.34, 0.20, 0.16, 0.05, 137.26, 55.71, 0.00),
    DatabaseComparison("PaSiO3", 0.45, 0.57, 0.16, 0.03, 0.41),
    DatabaseComparison("ZnAu", 1.86, 1.79, 1.77, 0.26, 0.28, 113.78, 13.56, 0.20, 108022),
    DatabaseComparison("NpAlO3", 0.27, 0.33, 0.37, 0.32, 0.89),
    DatabaseComparison("AcMgO3", 0.20, 0.10, 0.46, 0.12, 0.40),
    DatabaseComparison("LiCd", 0.95, 0.90, 1.49, 0.02, 0.80, 34.67, 0.67, 0.09, 620101),
    DatabaseComparison("NaTl", 1.33, 1.27, 1.53, 0.21, 0.91, icsd=657524),
)
TABLE4_MAE = DatabaseComparison("MAE", 0.47, 0.46, 0.50, 0.16, 0.40, 121.87, 19.59, 0.09)


@dataclass(frozen=True)
class Ablation:
    """A row of Table 5: reconstruction MSE, non-zero recall in %, EMD in Å, difference in sites."""

    system: str
    mse: float
    recall: int
    emd: float
    delta_n: float


TABLE5 = (
    Ablation("VAE without DFC with σ = 1.0", 0.012, 55, 0.150, 1.0),
    Ablation("DFC-VAE with σ = 1.0", 0.013, 55, 0.112, 0.25),
    Ablation("DFC-VAE with σ = r", 0.013, 87, 0.090, 0.198),
)
FULL = TABLE5[2]  # "the performance of our full Cond-DFC-VAE-UNet model"

TABLE6 = {
    "α": 1.0,
    "β": 0.0005,
    "VAE learning rate": 0.0001,
    "VAE batch size": 20,
    "UNet learning rate": 0.000003,
    "UNet batch size": 10,
    "CGCNN learning rate": 0.001,
    "CGCNN batch size": 256,
}


BEYOND_TRAINING = ("A", "AB2", "ABC", "ABCD", "A2B3")  # Figure 6a: types "beyond those provided in the training set"
FIGURE7 = {"AB": "NdAl", "ABX3": "PmTiO3", "ABX2": "MnAl2Cr"}  # the crystal of each family


@dataclass(frozen=True)
class Stated:
    """A number of the running text: its value, its unit and the words it stands in."""

    value: float
    unit: str
    quote: str


TEXT = {
    # Data
    "sourced": Stated(7189, "CIFs", "source 7189 CIFs for three material classes"),
    "data_points": Stated(78588, "data points", "this processing pipeline results in 78 588 data points"),
    "train_share": Stated(80, "%", "80% were used for training"),
    "test_share": Stated(20, "%", "20% were retained for out-of-sample validation"),
    "data_points_in_results": Stated(78750, "data points", "independently on 78 750 crystallographic information"),
    "held_out_in_results": Stated(14000, "data points", "retained 14 000 of them for out-of-sample validation"),
    "max_sites": Stated(40, "atoms", "cubic unit-cells that contain ≤40 atoms"),
    "grid": Stated(32, "voxels", "32 × 32 × 32 voxelized electron-density map"),
    "background": Stated(90, "%", "(class-zero) to make up approximately 90% of the matrix"),
    # Latent space
    "latent": Stated(256, "dimensions", "256-dimensional electron-density map encoding"),
    "conditions": Stated(10, "dimensions", "a 10-dimensional one-hot encoded property-condition vector"),
    "latent_mean": Stated(0, "", "average mean and variances of 0 and 0.99"),
    "latent_variance": Stated(0.99, "", "average mean and variances of 0 and 0.99"),
    "interpolated_pairs": Stated(10, "pairs", "interpolations between 10 pairs of training compounds"),
    "interpolation_samples": Stated(1000, "samples", "1000 samples were generated along the interpolation vector"),
    "tsne_structures": Stated(5000, "structures", "t-SNE plot of 5000 crystal structures"),
    # Training and reconstruction
    "vae_epochs": Stated(50, "epochs", "We trained the Cond-DFC-VAE for 50 epochs"),
    "kld": Stated(100, "nats", "a KLD loss of O(10²) provides a good balance"),
    "mse_without_dfc": Stated(0.05, "", "compared to 0.05 without the DFC model"),
    "unet_epochs": Stated(50, "epochs", "We trained the UNet for 50 epochs"),
    "unet_cross_entropy": Stated(2.75, "nats", "Categorical Crossentropy (CCE) loss of 2.75"),
    "unet_f1": Stated(99, "%", "an F1 classification score of 99%"),
    "emd_without_dfc": Stated(0.198, "Å", "improved from 0.198 Å for the no-DFC model"),
    "emd_with_dfc": Stated(0.15, "Å", "to 0.15 Å for the DFC-VAE"),
    "validation_structures": Stated(1300, "structures", "validation set contains 1,300 unique crystal structures"),
    "shortest_length": Stated(2, "Å", "ranging in size from 2 to 10 Å"),
    "longest_length": Stated(10, "Å", "ranging in size from 2 to 10 Å"),
    "a_mae": Stated(0.06, "Å", "a, b, and c are 0.06, 0.06, and 0.06 Å"),
    "b_mae": Stated(0.06, "Å", "a, b, and c are 0.06, 0.06, and 0.06 Å"),
    "c_mae": Stated(0.06, "Å", "a, b, and c are 0.06, 0.06, and 0.06 Å"),
    "voxel_at_5": Stated(0.15, "Å", "resolution gives a voxel size of 0.15 Å"),
    "imatgen_lattice": Stated(0.1, "Å", "root mean squared error of 0.1 Å for the unit-cell parameters"),
    "imatgen_sites": Stated(0.2, "Å", "0.2 Å for the atomic coordinate reconstructions"),
    # Random sampling
    "random_samples": Stated(1000, "samples", "we sampled 1000 latent vectors from"),
    "random_per_condition": Stated(100, "samples", "(100 samples per formation energy condition)"),
    "random_valid": Stated(760, "structures", "This yielded 760 (76%) crystal structures that were valid"),
    "random_valid_share": Stated(76, "%", "This yielded 760 (76%) crystal structures that were valid"),
    "valid_distance": Stated(0.5, "Å", "minimum distance threshold (taken to be 0.5 Å herein)"),
    "negative": Stated(450, "structures", "450 (59%) had a CGCNN-predicted formation energy per atom below 0.0"),
    "negative_share": Stated(59, "%", "450 (59%) had a CGCNN-predicted formation energy per atom below 0.0"),
    "matches": Stated(75, "structures", "Of the 760 valid crystal structures, we found 75 matches"),
    "matches_energy_mae": Stated(0.6, "eV/atom", "an MAE of 0.6 eV/atom for the formation energy values"),
    "matches_length_mae": Stated(0.85, "Å", "0.85 Å for the unit-cell lengths"),
    # Targeted sampling
    "bases": Stated(12, "compounds", "randomly choosing 12 base compounds (4 per structure type)"),
    "bases_per_type": Stated(4, "compounds", "randomly choosing 12 base compounds (4 per structure type)"),
    "spread": Stated(0.5, "", "sampled, in turn, with a variance of 0.5"),
    "targeted_valid_share": Stated(89, "%", "targeted sampling yields 89% valid crystals"),
    "closest_kept": Stated(10, "candidates", "the 10 candidates closest to the base compound"),
    "dft_candidates": Stated(76, "candidates", "yielded a total of 76 candidates for DFT optimization"),
    "dft_bonds": Stated(6, "%", "a total average percentage change of 6%"),
    "dft_largest_bonds": Stated(30, "%", "show bond-length changes of around 30%"),
    "dft_energy": Stated(1.99, "eV/atom", "overall average of 1.99 eV/atom across all candidates"),
    "database_matches": Stated(14, "structures", "we found that 14 of our VAE-generated matched"),
    "database_length_mae": Stated(0.45, "Å", "a MAE of approximately 0.45 Å"),
    "noncubic_polymorphs": Stated(16, "structures", "A further 16 candidates from our filtered"),
    # Cost and electronic structure
    "generated": Stated(12000, "materials", "able to produce 12 000 candidate materials in 12 h"),
    "generated_hours": Stated(12, "h", "able to produce 12 000 candidate materials in 12 h"),
    "dft_hours": Stated(20000, "CPU hours", "Calculations required 20 000 CPU-hours"),
    "dft_energy_tolerance": Stated(0.00005, "eV/atom", "within a tolerance of 0.00005 eV per atom"),
    "dft_step_tolerance": Stated(1e-4, "Ry", "optimization steps was within 10⁻⁴ Ry"),
    "dft_force_tolerance": Stated(1e-3, "Ry/Bohr", "the forces within 10⁻³ Ry/Bohr"),
}

SAMPLES_SEEN = round(TEXT["data_points"].value * TEXT["train_share"].value / 100 * TEXT["vae_epochs"].value)
"""Training samples that a network of the paper has seen: data points, the share trained on, epochs."""
