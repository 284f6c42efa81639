"""The generated part of DATA_CARD.md: counts, rejections, elements, and a check against known compounds."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from data_prep.embedded.chgnet_model import EnergyFunction
from data_prep.embedded.compounds import Compound
from data_prep.embedded.equation_of_state import Minimum
from data_prep.embedded.prototypes import PROTOTYPES
from data_prep.embedded.relax_compounds import formation_energy, relax_compounds
from data_prep.errors import InputError


@dataclass(frozen=True)
class Known:
    """A well-known compound: lattice constant (Å), formation enthalpy and PBE energy (eV/atom), K (GPa)."""

    formula: str
    prototype: str
    species: tuple[str, ...]
    a: float
    enthalpy: float | None
    materials_project: float
    bulk_modulus: float | None


@dataclass(frozen=True)
class Check:
    """CHGNet's values for a known compound, in the same units."""

    known: Known
    a: float
    formation_energy: float
    bulk_modulus: float


# Room-temperature lattice constants, standard enthalpies of formation and bulk moduli from the usual
# handbooks (CRC Handbook of Chemistry and Physics; Landolt-Boernstein; Kubaschewski for the
# aluminides); formation energies of the Materials Project before its 2020 corrections (PBE,
# CC-BY-4.0, Jain et al. 2013), where CHGNet was trained on corrected ones.
KNOWN = (
    Known("NaCl", "rocksalt", ("Na", "Cl"), 5.640, -2.13, -2.105, 24.5),
    Known("MgO", "rocksalt", ("Mg", "O"), 4.212, -3.12, -3.065, 160.0),
    Known("LiF", "rocksalt", ("Li", "F"), 4.026, -3.19, -3.181, 67.0),
    Known("TiC", "rocksalt", ("Ti", "C"), 4.328, -0.95, -0.808, 242.0),
    Known("CsCl", "CsCl", ("Cs", "Cl"), 4.123, -2.29, -2.198, 18.0),
    Known("NiAl", "CsCl", ("Ni", "Al"), 2.887, -0.61, -0.659, 158.0),
    Known("FeAl", "CsCl", ("Fe", "Al"), 2.909, -0.26, -0.330, 136.0),
    Known("GaAs", "zincblende", ("Ga", "As"), 5.653, -0.37, -0.347, 75.0),
    Known("SrTiO3", "perovskite", ("Sr", "Ti", "O", "O", "O"), 3.905, -3.46, -3.568, 174.0),
    Known("KMgF3", "perovskite", ("K", "Mg", "F", "F", "F"), 3.989, None, -3.564, 75.0),
    Known("Cu2MnAl", "L2_1", ("Cu", "Cu", "Mn", "Al"), 5.949, None, -0.130, None),
    Known("Co2MnSi", "L2_1", ("Co", "Co", "Mn", "Si"), 5.654, None, -0.437, None),
)


def check_compounds(energies: EnergyFunction, elements: dict[str, float]) -> list[Check]:
    """Relax the known compounds as those of the table; ``elements`` are in eV/atom.

    Raises ``InputError`` if one has no minimum, which a correct model would find.
    """
    compounds = [Compound(k.formula, k.formula, "", k.prototype, "", k.species) for k in KNOWN]
    results = relax_compounds(compounds, energies)
    checks = []
    for known, compound in zip(KNOWN, compounds, strict=True):
        result = results[known.formula]
        if not isinstance(result, Minimum):
            raise InputError(f"{known.formula} was not relaxed ({result}): check the installed chgnet.")
        formation = formation_energy(compound, result.energy, elements)
        checks.append(Check(known, result.a, formation, result.fit.bulk_modulus))
    return checks


def checks_table(checks: list[Check]) -> str:
    """Return the checks as a Markdown section."""
    lines = [
        "## Check against twelve known compounds\n",
        "a in Å, E_f in eV/atom, K in GPa. Measured: lattice constant, standard enthalpy of formation, bulk",
        "modulus at room temperature. MP: formation energy in the Materials Project (PBE, with its",
        "corrections of before 2020).\n",
        "| compound | type | a | measured | error | E_f | measured | MP | E_f - MP | K | measured |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for check in checks:
        known, energy = check.known, check.formation_energy
        cells = (
            known.formula,
            known.prototype,
            f"{check.a:.3f}",
            f"{known.a:.3f}",
            f"{100 * (check.a / known.a - 1):+.1f} %",
            f"{energy:.3f}",
            _or_dash(known.enthalpy, 2),
            f"{known.materials_project:.3f}",
            f"{energy - known.materials_project:+.3f}",
            f"{check.bulk_modulus:.0f}",
            _or_dash(known.bulk_modulus, 0),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def summary(
    rows: list[dict[str, Any]], reasons: list[str], elements: dict[str, float], versions: dict[str, str]
) -> str:
    """Return counts, rejections, ranges and element energies as Markdown sections."""
    total = len(rows) + len(reasons)
    coverage = Counter(symbol for row in rows for symbol in sorted(set(row["species"].split())))
    rarest_first = sorted(coverage.items(), key=lambda item: (item[1], item[0]))
    sections = [
        "## Counts\n",
        f"{len(rows):,} structures of {total:,} compounds, {len(coverage)} elements. "
        f"Versions: {', '.join(f'{name} {version}' for name, version in versions.items())}.\n",
        _count_table("family", Counter(row["family"] for row in rows)),
        _count_table("prototype", Counter(row["prototype"] for row in rows), list(PROTOTYPES)),
        _count_table("chemistry", Counter(row["chemistry"] for row in rows)),
        f"Rejected: {len(reasons):,}.\n",
        _count_table("reason", Counter(reasons)),
        "## Ranges\n",
        _ranges(rows),
        "## Elements\n",
        "Structures that contain each element: "
        + ", ".join(f"{symbol} {count}" for symbol, count in rarest_first)
        + ".\n",
        "CHGNet energies of the relaxed elements (eV/atom), from which formation energies are counted: "
        + ", ".join(f"{symbol} {energy:.4f}" for symbol, energy in sorted(elements.items()))
        + ".\n",
    ]
    return "\n".join(sections) + "\n"


def _count_table(name: str, counts: Counter, order: list[str] | None = None) -> str:
    keys = order or sorted(counts, key=lambda key: (-counts[key], key))
    lines = [f"| {name} | structures |", "|---|---|", *(f"| {key} | {counts[key]:,} |" for key in keys)]
    return "\n".join(lines) + "\n"


def _ranges(rows: list[dict[str, Any]]) -> str:
    lines = ["| column | minimum | median | maximum |", "|---|---|---|---|"]
    for column in ("a_conv", "formation_energy_per_atom", "bulk_modulus_eos", "convergence"):
        values = sorted(row[column] for row in rows)
        lines.append(f"| `{column}` | {values[0]:.4g} | {values[len(values) // 2]:.4g} | {values[-1]:.4g} |")
    return "\n".join(lines) + "\n"


def _or_dash(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
