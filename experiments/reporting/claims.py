"""The report's section on the paper's claims: which of them hold in this run."""

from experiments import claims, figure2, latent
from experiments.reporting.document import Section, Table, Text
from experiments.reporting.material import Material
from experiments.reporting.samples import of_this_generation
from experiments.trained import present

_SAMPLED = ("table2", "table3", "table3_dft", "table4", "figure6")
_ENCODED = {"figure2": figure2.NETWORKS, "figure3": latent.NETWORKS}


def which_claims_hold(material: Material) -> Section:
    """Every claim with the paper's number and ours, from what the run has stored; also written to ``claims.json``."""
    found = claims.compute(_stored(material))
    claims.render(found, material.folder)
    table = Table("The paper's claims", claims.HEADER, claims.cells(found))
    return Section("Which of the paper's claims hold", (Text(claims.summary(found)), table, Text(found["note"])))


def _stored(material: Material) -> dict[str, dict]:
    """Return the results that are of the present networks and the present generation."""
    found = {
        "evaluation": material.evaluation,
        "structures": material.measured,
        "table1": material.published or material.properties,
        "generate": material.stamps.get("generate"),
    }
    found |= {name: of_this_generation(material, name) for name in _SAMPLED}
    encoded = {name: present(name, material.run, networks) for name, networks in _ENCODED.items()}
    found |= {name: stored.facts for name, stored in encoded.items() if stored}
    found["table5"] = material.ablations
    return {name: result for name, result in found.items() if result}
