"""Scores without networks: an energy for each formula, and a reference of a few crystals."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pymatgen.core import Structure

from data_prep.hull import FOLDER
from repro.network_folders import PROPERTY_NETWORKS
from repro.scoring import score
from repro.scoring.score import Scoring
from tests.support.structure_types import perovskite, rock_salt

SALT, HALITE, TITANATE = rock_salt("Na", "Cl", 5.64), rock_salt("K", "Cl", 6.29), perovskite("Sr", "Ti", "O", 3.9)


@dataclass
class MadeUpJudge:
    """Says that everything lies ``above`` the hull, eV/atom, with a width of 0.1; counts how many it was asked."""

    above: float = 0.05
    asked: list[str] = field(default_factory=list)

    def rows(self, formulas, graphs) -> list[dict]:
        self.asked += formulas
        stable = {"e_above_hull": self.above, "e_above_hull_low": self.above - 0.16, "decomposition": "its elements"}
        stable |= {"e_above_hull_high": self.above + 0.16, "probability_within_0.1": 0.7, "hull_covered": True}
        energies = {"formation_energy_per_atom": -1.0, "formation_energy_width": 0.1, "warning": ""}
        return [energies | stable for _ in formulas]


def judged_by(monkeypatch: pytest.MonkeyPatch, judge: MadeUpJudge) -> MadeUpJudge:
    """Let ``judge`` take the networks' place."""
    monkeypatch.setattr(score.EnergyJudge, "load", lambda weights, hull: judge)
    return judge


def scoring(reference: Path | str, relaxation=None) -> Scoring:
    return Scoring(str(reference), PROPERTY_NETWORKS, FOLDER, relaxation)


def reference_table(folder: Path, *structures: Structure, label: str | None = "-2.1") -> Path:
    """Write a table of ``structures`` with this label each; None: without a column of labels."""
    head = "id,a,b,c,alpha,beta,gamma,species,frac" + (",formation_energy_per_atom" if label else "")
    lines = [head]
    for place, one in enumerate(structures, start=1):
        cell = ",".join(f"{value:.6f}" for value in (*one.lattice.abc, *one.lattice.angles))
        species = " ".join(site.specie.symbol for site in one)
        frac = " ".join(f"{value:.6f}" for value in one.frac_coords.ravel())
        lines.append(f"known-{place},{cell},{species},{frac}" + (f",{label}" if label else ""))
    path = folder / "reference.csv"
    path.write_text("\n".join(lines) + "\n")
    return path
