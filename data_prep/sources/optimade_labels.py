"""The providers' names of the formation energy and other labels, for which OPTIMADE has no standard."""

import math
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from data_prep.errors import InputError
from data_prep.quarantine import Unusable

Keys = tuple[str, ...]  # a property's name, then keys of nested dictionaries


@dataclass(frozen=True)
class Labels:
    """The places of an entry's labels: ``energy`` in eV/atom, ``others`` by our names."""

    energy: Keys
    others: tuple[tuple[str, Keys], ...] = ()

    @property
    def field(self) -> str:
        """The property that holds the formation energy."""
        return self.energy[0]

    @property
    def fields(self) -> list[str]:
        """The properties to request."""
        return list(dict.fromkeys([self.field, *(path[0] for _, path in self.others)]))

    def read(self, attributes: dict[str, Any]) -> tuple[float, dict[str, float]]:
        """Return the formation energy (NaN: none) and the other labels of an entry's attributes."""
        others = {name: _number(attributes, path) for name, path in self.others}
        return _number(attributes, self.energy), {name: x for name, x in others.items() if not math.isnan(x)}


# Of the Materials Project's three kinds of thermochemistry the one nearest to the paper's data (GGA and
# GGA+U, 2021 corrections); a material that has only others comes without a label.
_MP = ("_mp_stability", "gga_gga+u")
KNOWN = (
    Labels((*_MP, "formation_energy_per_atom"), (("e_above_hull", (*_MP, "energy_above_hull")),)),
    Labels(("_oqmd_delta_e",), (("band_gap", ("_oqmd_band_gap",)),)),  # its _stability is not an energy above the hull
    Labels(
        ("_alexandria_formation_energy_per_atom",),
        (("band_gap", ("_alexandria_band_gap",)), ("e_above_hull", ("_alexandria_hull_distance",))),
    ),
    Labels(("_jarvis_formation_energy_peratom",), (("band_gap", ("_jarvis_optb88vdw_bandgap",)),)),
)
ABSENT = (None, "", "na", -99999)  # the last two are JARVIS's
UNKNOWN = re.compile(r"_[a-z0-9]+_formation_energy_per_atom")  # of other providers


def labels_of(
    listed: Mapping[str, Any], url: str, sample: Callable[[], Mapping[str, Any]] = lambda: MappingProxyType({})
) -> Labels:
    """Return the places of a provider's formation energy and other labels.

    ``listed`` are its descriptions of its properties, by name. If no formation energy is among them, the
    attributes of one structure, ``sample()``, are searched. Raises ``InputError`` if there is none either,
    or if its unit is not eV/atom.
    """
    labels = _among(listed)
    if labels:
        _refuse_unit(labels.field, listed[labels.field], url)
    labels = labels or _among(sample())
    if labels is None:
        known = ", ".join(labels.field for labels in KNOWN)
        raise InputError(
            f"{url} offers no formation energy (none of {known} or _NAME_formation_energy_per_atom); "
            "without one nothing can be trained: choose another provider"
        )
    return labels


def _among(offered: Collection[str]) -> Labels | None:
    known = next((labels for labels in KNOWN if labels.field in offered), None)
    unknown = sorted(name for name in offered if UNKNOWN.fullmatch(name))
    return known or (Labels((unknown[0],)) if unknown else None)


def _refuse_unit(field: str, description: Any, url: str) -> None:
    unit = description.get("unit") if isinstance(description, dict) else None
    if unit and str(unit).lower().replace(" ", "") not in ("ev/atom", "ev", "inapplicable", "ev.atom-1", "ev*atom^-1"):
        raise InputError(f"{url} gives {field} in {unit}, not in eV/atom; choose another provider")


def _number(attributes: Mapping[str, Any], path: Keys) -> float:
    value = attributes.get(path[0])
    for key in path[1:]:  # the Materials Project's own model has GGA_GGA+U for the served gga_gga+u
        value = {str(name).lower(): item for name, item in value.items()}.get(key) if isinstance(value, dict) else None
    try:
        return math.nan if value in ABSENT else float(value)
    except (ValueError, TypeError):
        raise Unusable("unreadable", f"{'.'.join(path)} is {value!r}, not a number") from None
