"""Every choice of ours that differs from the paper, or that the paper leaves open: one table, for the report and docs.

F-numbers are the numbered findings of our measurements on the authors' released weights and data.
"""

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

from data_prep.files.atomic import write_text
from experiments.tables import markdown
from repro.run import Run


@dataclass(frozen=True)
class Deviation:
    """One choice: ``what`` it is about, what the paper says, what the authors' program does, what we do and why.

    A dash stands for nothing to compare with.
    """

    what: str
    paper: str
    release: str
    here: str
    why: str


HEADER = ("what", "paper", "release", "here", "why")
DEVIATIONS = (
    Deviation(
        "Cell (F1)",
        '"cubic unit-cells"',
        "primitive cells as deposited",
        'primitive; `DataParameters.cell = "conventional"` is the other choice',
        "The released VAE reconstructs conventional cells worse, those of ABX2 with ten times the error.",
    ),
    Deviation(
        "Angles (F2)",
        "not recoverable",
        "90° put back by hand",
        "those of the base; for random samples 60° or 90° by a rule (`data_prep/cell_angles.py`), with its probability "
        "in `candidates.csv`",
        "A map does not hold the angles, and a crystal rebuilt at wrong ones has wrong bonds.",
    ),
    Deviation(
        "Ties in the species map (F7)",
        "nearest ion",
        "order of the loop",
        "nearest ion; of two equally near ones the one listed first",
        "The paper's rule, with a fixed choice if it leaves two.",
    ),
    Deviation(
        "Rotations (F9)",
        "random 90° turns",
        "spline interpolation",
        "exact, and fixed for each copy; three quarter turns reach 12 of the 24 rotations",
        "A quarter turn of an array needs no interpolation.",
    ),
    Deviation(
        "Split (F10)",
        "80/20",
        "by id",
        'by reduced formula, per family; `split_by = "id"` is the other choice. 5 % of the training part chooses the '
        "best epoch",
        "Split by id, polymorphs of one formula lie in both parts.",
    ),
    Deviation(
        "Deciles (F17)",
        "of the property",
        "over the whole table",
        "over the training part, stored with the run",
        "Held-out labels must not shape the conditions.",
    ),
    Deviation(
        "Condition in the encoder (F12)",
        "concatenated",
        "tiled four times (44 channels)",
        "concatenated once; four copies for the released weights",
        "One copy is the plain reading; the released weights need four.",
    ),
    Deviation(
        "Perceptual layers (F14)",
        '"hidden layers of the UNet"',
        "second ReLU of each down block and of the bottleneck",
        "as the release; alpha and beta from Table 6",
        "The paper does not name the layers.",
    ),
    Deviation(
        "Lattice from the map (F16)",
        "a deterministic transform",
        "range of the channel",
        "least-squares slope; the error of the release's formula is reported beside it",
        "The release's formula is 3.1 % too small on a perfect map.",
    ),
    Deviation(
        "UNet loss (F21)",
        "inverse class frequency, class 0 at 0",
        "unweighted",
        "the paper's, normalised by the summed weights",
        "The released program computes the weights but does not use them.",
    ),
    Deviation(
        "Species of an atom (F24, F33)",
        "arg-max of the UNet",
        "majority label of the region",
        "`unet`: as the release, in the paper preset; `fit`: a Gaussian fit of the density, in the laptop preset. Both "
        "are evaluated",
        "A short training leaves the UNet's arg-max poor, while a fit of a true map finds the species without a "
        "network.",
    ),
    Deviation(
        "Touching atoms (F24)",
        "watershed, in the Supporting Information",
        "one erosion marks the atoms",
        "up to 5 erosions until a region parts, markers of 8 voxels or fewer ignored; "
        "`WatershedParameters(erosions=1, marker_share=0.0)` is the literal reading",
        "On true maps 97 to 99 % of structures are entirely right instead of 55 to 98 %.",
    ),
    Deviation(
        '"Variance 0.5" (F18)',
        "variance",
        "standard deviation",
        "standard deviation",
        "As the release.",
    ),
    Deviation(
        "CGCNN normalisation (F27)",
        "not stated",
        "one scalar mean and variance of the current batch, at prediction too",
        "masked batch normalisation with moving statistics, each training batch corrected to them (batch "
        "renormalisation)",
        "A prediction must not depend on the other crystals of its batch.",
    ),
    Deviation(
        "CGCNN batches",
        "not stated",
        "every crystal padded to 50 sites",
        "the sites of all crystals end to end, nothing padded to the largest",
        "The same numbers in a quarter of the time.",
    ),
    Deviation(
        "CGCNN training",
        'transfer learning, "details in the Supporting Information"',
        "–",
        "the head alone for 10 epochs, then all layers; MAE loss (F26); the best epoch of a validation part",
        "The details are not in the text at hand.",
    ),
    Deviation(
        "Split of the properties",
        "a test set for each",
        "by id",
        "one split by formula for all eight",
        "No network may start from one that saw its test crystals.",
    ),
    Deviation(
        "Energy per atom",
        "Materials Project",
        "the same",
        "made from formation energies (`data_prep/total_energy.py`)",
        "Only the Materials Project's own source has it as a label.",
    ),
    Deviation("Logarithms (F28)", '"log-scale"', "natural", "natural", "As the release."),
    Deviation(
        "Zero band gap (F29)",
        "no refractive index, no dielectric constant",
        "–",
        "the same below 0.05 eV",
        "A regression is never exactly zero.",
    ),
    Deviation(
        "Moduli",
        "not stated",
        "not stated",
        "0 to 1000 GPa; a Poisson ratio from moduli outside is dropped too, and both are counted",
        "Values outside are not physical: diamond has 440 GPa.",
    ),
    Deviation(
        "VAE of the published generator",
        "–",
        "–",
        "preset `full`: `models/improved_vae.py` (heads for composition and lattice, an encoder that also receives "
        "the composition, density error times 20, no perceptual term); half of the training samples have exchanged "
        "elements and no condition",
        "Errors of the density decide which element is found, and the latent has room for the formula (F34, F35, F37).",
    ),
    Deviation(
        "Atoms of a map whose composition is known",
        "–",
        "–",
        "number of sites from the latent (`models/site_count_classifier.py`); the known structure type that explains "
        "the map (`models/decoding/structure_types.py`), else a fit from the training crystals' commonest "
        "arrangements, the known species at the least misfit, sites put into an arrangement within 0.4 Å "
        '(`models/decoding/arrangements.py`); `way = "vote"` is the paper\'s',
        "The decoder of the published generator gives the composition, which decides the species better than the "
        "density.",
    ),
    Deviation(
        "Random latents of the published generator",
        "N(0, 1)",
        "N(0, 1)",
        "as the training crystals' encodings lie: a Gaussian per decile and family, 0.8 times as wide "
        "(`models/latent_sampler.py`)",
        "The encodings of this VAE leave most of N(0, 1) empty.",
    ),
    Deviation(
        "Perceptual term on two cores (preset dfc)",
        "in every step, on all of a batch",
        "as the paper",
        "not in the first 42 of 50 epochs, then on 2 of the 8 samples of a batch (`perceptual_from`, "
        "`perceptual_samples`)",
        "It costs five times the VAE itself. With the term from the first step the density was not learned in 13,600 "
        "samples.",
    ),
    Deviation(
        "Crystals of every stoichiometry (presets perov5, perov5-paper)",
        "AB, ABX3, ABX2, cubic",
        "the same",
        "any formula and symmetry, split by crystal (`any_crystal`)",
        "The benchmark of the method's rivals has formulas such as ABCDE, and sites off the ideal positions.",
    ),
    Deviation(
        "UNet of the published generator",
        "–",
        "–",
        "the paper's, at full size: a rate of 1e-3 with cosine decay, batches of 32, 256,160 samples, half of them "
        "with exchanged elements, maps with errors, class weights of at most ten medians; kernels stored as float16",
        "Minutes of one large GPU teach it (F38), where Table 6 takes hours.",
    ),
    Deviation(
        "Voxels to atoms in preset full (F39)",
        "0.8 for an occupied voxel; the rest is not stated",
        "0.8, markers of more than 8 voxels",
        "0.98, markers of more than 4 voxels, centres weighted by the density; the release's reading stands beside it",
        "By validation structures: fewer touching atoms are joined (|ΔN| 0.20 to 0.08 on true maps).",
    ),
    Deviation(
        "Perceptual term (F42)",
        "a weight of 1",
        "a weight of 1",
        "each layer's difference divided by the layer's mean square over training maps; raw for the released weights",
        "A UNet trained at a higher rate has larger features, so that a weight of 1 means nothing without the scale.",
    ),
    Deviation(
        "New crystals around a base (F46)",
        "N(z, 0.5)",
        "N(z, 0.5)",
        "Table 2 as the paper; `generate --base` encodes crystals like the base with elements near to its own on the "
        "chemical scale (`repro/generation/chemical_neighbours.py`); `--spread 0.5` is the paper's way. Tables 2 and 3 "
        "have these neighbours beside the paper's samples, filtered and selected by the same rule, with a column and "
        "a row of their own; Table 4 counts only the paper's way as filtered",
        "Noise around this VAE's latents gives the base again.",
    ),
    Deviation(
        "Volumes of new cells (F47)",
        "as decoded",
        "as decoded",
        "what fits the atoms by a regression of the training cells (`models/cell_volume.py`), the rest as decoded",
        "A random latent's lengths and composition are independent: cells changed by 14 % on relaxation.",
    ),
    Deviation(
        "CGCNN element features (F26)",
        "as Xie and Grossman",
        "`atom_init.json`",
        "the same nine properties, computed from pymatgen",
        "pymatgen has all nine.",
    ),
    Deviation(
        "Equal distances among the 12 neighbours",
        "not stated",
        "search order",
        "by species",
        "The graph must not depend on the order of the sites.",
    ),
    Deviation(
        "Energies (data)",
        "Materials Project",
        "the same",
        "embedded data: CHGNet, a surrogate",
        "They need no key and no network.",
    ),
    Deviation(
        "Short presets",
        "–",
        "–",
        "`laptop` and `smoke` change sizes, budgets, learning rates and schedules (the CGCNN keeps Table 6's rate and "
        "batch size, with a cosine decay over 40 epochs, 100 for the transferred properties), train the UNet on crops, "
        "start the decoder's last normalisation at the statistics of the maps, and decode by `fit` "
        "(`repro/presets.py`)",
        "They end on two cores in minutes.",
    ),
)
INTRODUCTION = """# Deviations from the paper

Every choice that differs from the paper, or that the paper leaves open, with what the authors' released program and
weights do. F-numbers are our [findings](findings.md) on those weights and data. Formation energies are predictions of
the CGCNN, not of electronic-structure calculations; generated cells are not relaxed except in Table 3.

<!-- Written by `make deviations` from experiments/deviations.py: change that, not this page. -->
"""


def from_run(_: Run) -> tuple[Deviation, ...]:
    """Return the table, which is the same for every run."""
    return DEVIATIONS


def text(rows: Sequence[Deviation]) -> str:
    """Return the number of rows."""
    return f"Deviations: {len(rows)} choices."


def page(rows: Sequence[Deviation]) -> str:
    """Return the page of the documentation."""
    return f"{INTRODUCTION}\n{markdown(HEADER, [astuple(row) for row in rows], numbers=False)}\n"


def render(rows: Sequence[Deviation], path: Path) -> list[Path]:
    """Write ``path``.md; ``path`` has no suffix."""
    write_text(path.with_suffix(".md"), page(rows))
    return [path.with_suffix(".md")]
