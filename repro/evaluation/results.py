"""What the stage ``evaluate`` left, by name instead of by the keys of its files.

A *route* is how a structure was obtained: from a map, of a *source*, by a *way* from map to atoms. Its name in the
files is made here and nowhere else.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from data_prep.files.json_files import read_json
from models.decoding import Way

SUMMARY, STRUCTURES = "evaluation.json", "evaluation_structures.json"
REMEDY = "run the stage 'evaluate'"

TRUE_MAP = "true map"  # a source: the crystal's own maps; the others are the VAEs, by their names
OURS, RELEASED = "ours", "released"
WAYS: tuple[Way, ...] = get_args(Way)
PAPERS_WAY: Way = "vote"  # the UNet's arg-max in each region
PAPERS_WATERSHED = "vote, the paper's watershed"  # where a preset cuts regions in another way (F39)
TRUE_SPECIES = "true species"  # a route of its own: the true species maps, decoded without any network


def route(source: str, way: str) -> str:
    """Return the name of the route from a source's maps to atoms by one of ``WAYS``, or by ``PAPERS_WATERSHED``."""
    return f"{source}, {way}"


@dataclass(frozen=True)
class Evaluation:
    """The measurements on the held-out crystals: ``summary`` in groups, ``structures`` one by one.

    Both are as the stage wrote them, and empty if it has not been run. A group is ``"all"`` or a family. What was not
    measured is an empty dict or list. Errors of lengths and sites in Å.
    """

    summary: dict = field(default_factory=dict)
    structures: dict = field(default_factory=dict)

    @property
    def models(self) -> list[str]:
        """The VAEs that were measured: ours and, if its weights are there, the released one."""
        return list((self.summary or self.structures).get("vae", {}))

    @property
    def unet(self) -> dict:
        """The UNet's recalls and F1 on the true maps, shares of one, and the counts of voxels."""
        return self.summary.get("unet", {})

    @property
    def routes(self) -> dict[str, dict[str, dict]]:
        """The errors of the decoded structures by route and group."""
        return self.summary.get("routes", {})

    @property
    def decoders_way(self) -> Way:
        """The best way beside the paper's: ``composition`` if our VAE gives the composition, else ``fit``."""
        return "composition" if route(OURS, "composition") in self.routes else "fit"

    def vae_groups(self, model: str) -> dict[str, dict]:
        """Return the errors of a VAE's reconstructions by group."""
        return self.summary.get("vae", {}).get(model, {})

    def vae(self, model: str, group: str = "all") -> dict:
        """Return the mean errors of a VAE's reconstructions of one group."""
        return self.vae_groups(model).get(group, {})

    def sites(self, source: str, way: str, group: str = "all") -> dict:
        """Return the mean errors of the structures that one group's maps were decoded to."""
        return self.routes.get(route(source, way), {}).get(group, {})

    def reconstructions(self, model: str) -> list[dict]:
        """Return the errors of a VAE's reconstructions, structure by structure."""
        return self.structures.get("vae", {}).get(model, [])

    def decoded(self, source: str, way: Way) -> list[dict]:
        """Return the errors of the decoded structures one by one; those that failed have a ``reason`` instead."""
        return self.structures.get("routes", {}).get(route(source, way), [])


def read_evaluation(results: Path) -> Evaluation:
    """Read what the stage left in ``results``, as far as it is there; raises InputError if a file is damaged."""
    found = (read_json(results / name, REMEDY) if (results / name).exists() else {} for name in (SUMMARY, STRUCTURES))
    return Evaluation(*found)


def read_structures(results: Path) -> Evaluation:
    """Read the measurements structure by structure; raises InputError if they are missing or damaged."""
    return Evaluation(structures=read_json(results / STRUCTURES, REMEDY))
