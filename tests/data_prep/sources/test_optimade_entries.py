"""What becomes of an OPTIMADE source's name, of a provider's properties and of its entries, without a server."""

import json
import subprocess
import sys
from math import isnan

import numpy as np
import pytest

from data_prep.crystal import Crystal
from data_prep.errors import InputError
from data_prep.quarantine import Rejected
from data_prep.source_names import is_optimade
from data_prep.sources import optimade, read_source
from data_prep.sources.optimade import base_url, crystal_of
from data_prep.sources.optimade_client import Page
from data_prep.sources.optimade_labels import labels_of
from repro.commands import parser
from repro.run import default_name
from repro.run_options import run_of
from tests.conftest import ROOT

OQMD = labels_of({"_oqmd_delta_e": {"unit": "eV/atom"}}, "https://oqmd.org/optimade")


def entry(**changes) -> dict:
    """Rocksalt NaCl in its cube of 8 sites, as OPTIMADE writes it."""
    corners = [[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]
    sites = corners + [[0.5, 0, 0], [0.5, 0.5, 0.5], [0, 0, 0.5], [0, 0.5, 0]]
    attributes = {
        "lattice_vectors": (5.64 * np.eye(3)).tolist(),
        "cartesian_site_positions": (5.64 * np.array(sites)).tolist(),
        "species": [{"name": name, "chemical_symbols": [name], "concentration": [1.0]} for name in ("Na", "Cl")],
        "species_at_sites": ["Na"] * 4 + ["Cl"] * 4,
        "_oqmd_delta_e": -2.13,
        "_oqmd_band_gap": 5.0,
    }
    return {"id": "oqmd/1", "attributes": {**attributes, **changes}}


@pytest.mark.parametrize(
    ("source", "url"),
    [
        ("optimade", "https://optimade.materialsproject.org"),
        ("optimade:https://oqmd.org/optimade", "https://oqmd.org/optimade"),
        ("optimade:https://oqmd.org/optimade/v1/", "https://oqmd.org/optimade"),
        ("optimade:http://127.0.0.1:5000/v1.2.0/structures", "http://127.0.0.1:5000"),
    ],
)
def test_the_address_is_the_base_url(source, url):
    assert is_optimade(source)
    assert base_url(source) == url


@pytest.mark.parametrize(
    "source", ["optimade:oqmd", "optimade:ftp://x.org", "optimade:https://", "optimade:https://me:secret@x"]
)
def test_an_address_that_is_none_is_one_sentence(source, tmp_path):
    with pytest.raises(InputError, match="names no web address; give optimade:https://HOST/PATH"):
        read_source(source, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("optimade", "smoke-optimade"),
        ("optimade:https://oqmd.org/optimade", "smoke-optimade-oqmd-org-optimade"),
        ("optimade:https://alexandria.icams.rub.de/pbe/", "smoke-optimade-alexandria-icams-rub-de-pbe"),
        ("optimade:http://127.0.0.1:5000", "smoke-optimade-127-0-0-1-5000"),
        ("../data/mp_cubic.csv.gz", "smoke-mp_cubic"),
        ("materials-project", "smoke-materials-project"),
        ("my-cifs/", "smoke-my-cifs"),
        ("../my-cifs", "smoke-my-cifs"),
    ],
)
def test_make_and_the_command_line_call_a_run_alike(source, name):
    assert default_name("smoke", source) == name
    asked = f"include {ROOT / 'Makefile'}\nshow:\n\t@echo $(OF_RUN)\n"
    command = ["make", "-s", "-f", "-", "show", "PRESET=smoke", f"SOURCE={source}"]
    made = subprocess.run(command, input=asked, capture_output=True, text=True, check=True)
    assert run_of(parser().parse_args(["data", *made.stdout.split()])).name == name


def test_a_cube_becomes_the_primitive_cell_or_stays():
    primitive = crystal_of(entry(), OQMD, "primitive")
    assert (primitive.formula, primitive.n_sites) == ("NaCl", 2)
    assert primitive.lengths == pytest.approx(np.full(3, 5.64 / 2**0.5))
    assert primitive.formation_energy_per_atom == -2.13
    assert primitive.properties == {"band_gap": 5.0, "spacegroup": 225.0}
    assert crystal_of(entry(), OQMD, "conventional").n_sites == 8


def species(name: str, symbols: list[str], shares: list[float], **more) -> dict:
    return {"name": name, "chemical_symbols": symbols, "concentration": shares, **more}


CHLORINE = species("Cl", ["Cl"], [1.0])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"species": [species("Na", ["Na", "K"], [0.5, 0.5]), CHLORINE]}, "disordered"),
        ({"species": [species("Na", ["Na", "vacancy"], [0.9, 0.1]), CHLORINE]}, "disordered"),
        ({"species": [species("Na", ["Na"], [1.0], attached=["H"], nattached=[1]), CHLORINE]}, "disordered"),
        ({"species": [species("Na", ["X"], [1.0]), CHLORINE]}, "unknown_element"),
        ({"species": [species("Na", ["D"], [1.0]), CHLORINE]}, "isotope"),
        ({"species": None, "species_at_sites": ["Na1"] * 8}, "unknown_element"),
        ({"species_at_sites": ["Na"]}, "unreadable"),
        ({"species_at_sites": None}, "unreadable"),
        ({"lattice_vectors": None}, "unreadable"),
        ({"lattice_vectors": [[5.64, 0, 0], [0, 5.64, 0], [0, 0, None]]}, "degenerate_cell"),
        ({"lattice_vectors": [[5.64, 0, 0], [5.64, 0, 0], [0, 0, 5.64]]}, "unreadable"),
        ({"cartesian_site_positions": [[0.0, 0.0, 0.0]] * 8}, "overlapping_sites"),
        ({"_oqmd_delta_e": "low"}, "unreadable"),
    ],
)
def test_entries_that_cannot_be_used_are_named(changes, reason):
    refused = crystal_of(entry(**changes), OQMD, "primitive")
    assert isinstance(refused, Rejected)
    assert (refused.id, refused.reason) == ("oqmd/1", reason)


def test_species_may_be_left_to_the_names_of_the_sites():
    found = crystal_of(entry(species=None), OQMD, "primitive")
    assert isinstance(found, Crystal)
    assert found.formula == "NaCl"


@pytest.mark.parametrize(
    ("offered", "attributes", "expected"),
    [
        (["_oqmd_delta_e"], {"_oqmd_delta_e": -1.5, "_oqmd_stability": -0.2}, (-1.5, {})),
        (
            ["_alexandria_formation_energy_per_atom"],
            {"_alexandria_formation_energy_per_atom": -0.5, "_alexandria_hull_distance": 0.01},
            (-0.5, {"e_above_hull": 0.01}),
        ),
        (
            ["_mp_stability"],
            {"_mp_stability": {"gga_gga+u": {"formation_energy_per_atom": -2.0, "energy_above_hull": 0.0}}},
            (-2.0, {"e_above_hull": 0.0}),
        ),
        (["_mp_stability"], {"_mp_stability": {"GGA_GGA+U": {"formation_energy_per_atom": -2.0}}}, (-2.0, {})),
        (["_jarvis_formation_energy_peratom"], {"_jarvis_formation_energy_peratom": -0.75}, (-0.75, {})),
        (["_mine_formation_energy_per_atom"], {"_mine_formation_energy_per_atom": -0.1}, (-0.1, {})),
    ],
)
def test_providers_names_for_the_formation_energy(offered, attributes, expected):
    assert labels_of(dict.fromkeys(offered, {}), "https://x").read(attributes) == expected


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"_mp_stability": None},
        {"_mp_stability": {"r2scan": {"formation_energy_per_atom": -2.0}}},
        {"_mp_stability": {"gga_gga+u": {"formation_energy_per_atom": None}}},
    ],
)
def test_an_entry_without_an_energy_comes_without_a_label(attributes):
    energy, others = labels_of({"_mp_stability": {}}, "https://x").read(attributes)
    assert isnan(energy)
    assert others == {}


def test_jarvis_marks_what_it_has_not_computed():
    labels = labels_of({"_jarvis_formation_energy_peratom": {}}, "https://x")
    missing = {"_jarvis_formation_energy_peratom": -99999, "_jarvis_optb88vdw_bandgap": "na"}
    assert isnan(labels.read(missing)[0])
    assert labels.read(missing)[1] == {}


def test_an_energy_in_another_unit_is_refused():
    with pytest.raises(InputError, match="gives _oqmd_delta_e in kJ/mol, not in eV/atom"):
        labels_of({"_oqmd_delta_e": {"unit": "kJ/mol"}}, "https://x")


def test_without_the_client_the_sentence_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "optimade.client", None)
    with pytest.raises(InputError, match=r"needs the OPTIMADE client .*pip install 'optimade\[http-client\]'"):
        read_source("optimade", tmp_path)
    assert list(tmp_path.iterdir()) == []


class Circle:
    """A provider whose second page names itself as the next."""

    url, client = "https://circle.org", "none"

    def __init__(self, *arguments):
        self.asked: list[str | None] = []

    def properties(self) -> dict:
        return {"_oqmd_delta_e": {}}

    def page(self, filter, fields, url, what) -> Page:
        self.asked.append(url)
        return Page([entry()], "https://circle.org/2", None, {})


def test_pages_that_go_in_a_circle_end_with_a_sentence(tmp_path, monkeypatch):
    provider = Circle()
    monkeypatch.setattr(optimade, "Provider", lambda url, sleep: provider)
    with pytest.raises(InputError, match="names https://circle.org/2 as the next page twice; its AB have no end"):
        read_source("optimade:https://circle.org", tmp_path)
    assert provider.asked == [None, "https://circle.org/2"]


class Shrinking(Circle):
    """A provider whose every family has ``pages`` pages of one entry."""

    pages = 3

    def page(self, filter, fields, url, what) -> Page:
        family, number = what.split()[-1].split("-")[0], int(url[-1]) if url else 1
        following = f"https://circle.org/{family}/{number + 1}" if number < self.pages else None
        return Page([entry() | {"id": f"{family}/{number}"}], following, self.pages, {})


def test_pages_of_a_list_that_has_become_shorter_are_forgotten(tmp_path, monkeypatch):
    provider, url = Shrinking(), "optimade:https://circle.org"
    monkeypatch.setattr(optimade, "Provider", lambda url, sleep: provider)
    assert len(read_source(url, tmp_path)[0]) == 9
    folder = tmp_path / "optimade/circle-org"
    (folder / "AB-0002.json.gz").write_bytes(b"damaged")
    provider.pages = 2
    found, _ = read_source(url, tmp_path)
    others = {f"{family}/{number}" for family in ("ABX2", "ABX3") for number in (1, 2, 3)}
    assert {crystal.id for crystal in found} == {"AB/1", "AB/2"} | others
    assert not (folder / "AB-0003.json.gz").exists()
    assert json.loads((folder / "manifest.json").read_text())["documents"] == 8
