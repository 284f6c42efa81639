"""The report's section on the paper's claims: which of them hold in this run."""

from datetime import datetime
from pathlib import Path

from experiments import claims, figure2, latent
from experiments.reporting.document import Section, Table, Text
from experiments.reporting.material import Material
from experiments.reporting.samples import of_this_generation
from experiments.trained import present
from repro import stamps

SLACK = 5  # seconds that one sitting's two stamps may lie farther apart than the work took
_SAMPLED = ("table2", "table3", "table3_dft", "table4", "figure6")
_ENCODED = {"figure2": figure2.NETWORKS, "figure3": latent.NETWORKS}


def which_claims_hold(material: Material) -> Section:
    """Every claim with the paper's number and ours, from what the run has stored; also written to ``claims.json``."""
    found = claims.compute(_stored(material))
    claims.render(found, material.folder)
    table = Table("The paper's claims", claims.HEADER, claims.cells(found))
    return Section("Which of the paper's claims hold", (Text(claims.summary(found)), table, Text(found["note"])))


def in_one_sitting(folder: Path, stamp: dict | None) -> dict | None:
    """Return a stage's stamp, None where it was resumed: its seconds are then those of the last sitting only.

    Its other stamp was written when the first sitting began.
    """
    begun = folder / stamps.STARTED
    if not stamp or not begun.exists():
        return stamp
    elapsed = datetime.fromisoformat(stamp["finished"]).timestamp() - begun.stat().st_mtime
    return stamp if elapsed <= stamp["seconds"] + SLACK else None


def _stored(material: Material) -> dict[str, dict]:
    """Return the results that are of the present networks and the present generation."""
    found = {
        "evaluation": material.evaluation,
        "structures": material.measured,
        "table1": material.ranking,
        "generate": in_one_sitting(material.run.folder("generate"), material.stamps.get("generate")),
    }
    found |= {name: of_this_generation(material, name) for name in _SAMPLED}
    encoded = {name: present(name, material.run, networks) for name, networks in _ENCODED.items()}
    found |= {name: stored.facts for name, stored in encoded.items() if stored}
    found["table5"] = material.ablations
    return {name: result for name, result in found.items() if result}
