"""Ids that tell structures apart: one that several would share gets the path of its file before it."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from data_prep.crystal import Crystal
from data_prep.quarantine import Rejected

Found = tuple[list[Crystal], list[Rejected]]


@dataclass(frozen=True)
class Part:
    """What one file or folder gave, its path, and the name with which ids begin that are made from the path.

    With ``keeps`` its ids stay as they are, whatever others are called.
    """

    found: Found
    path: str
    name: str = ""
    keeps: bool = False

    def with_path(self, id: str) -> str:
        """Return an id of this part with the path before it."""
        if self.keeps:
            return id
        if self.name and (id == self.name or id.startswith((f"{self.name}#", f"{self.name}/"))):
            return self.path + id.removeprefix(self.name)
        return f"{self.path}/{id}"


def with_own_ids(parts: Sequence[Part]) -> Found:
    """Return the crystals of all parts under ids that differ, and what the parts left out.

    An id that several crystals share, or one left out with another, gets the path of its part before it; crystals
    that share even that are numbered from 1. Others keep their ids.
    """
    crystals = [(part, crystal) for part in parts for crystal in part.found[0]]
    rejected = [(part, item) for part in parts for item in part.found[1]]
    uses = Counter(crystal.id for _, crystal in crystals)
    ids = _numbered([part.with_path(one.id) if uses[one.id] > 1 else one.id for part, one in crystals])
    uses.update(item.id for _, item in rejected)
    return (
        [replace(one, id=id) if id != one.id else one for (_, one), id in zip(crystals, ids, strict=True)],
        [replace(item, id=part.with_path(item.id)) if uses[item.id] > 1 else item for part, item in rejected],
    )


def _numbered(ids: Sequence[str]) -> Iterator[str]:
    """Yield the ids, those that occur several times with a number that no other has."""
    uses, given = Counter(ids), Counter()
    for id in ids:
        name = id
        while uses[id] > 1 and uses[name]:
            given[id] += 1
            name = f"{id}#{given[id]}"
        yield name
