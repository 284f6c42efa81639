"""The OPTIMADE source against the project's reference server on the loopback address, with real structures."""

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from math import isnan
from pathlib import Path

import numpy as np
import pytest

from data_prep.crystal import Crystal, crystal_from_structure
from data_prep.errors import InputError
from data_prep.quarantine import count_reasons, screen
from data_prep.sources import optimade_client, read_embedded, read_source
from data_prep.sources.optimade import read_optimade
from data_prep.sources.patience import ATTEMPTS
from repro.__main__ import main
from tests.conftest import ROOT
from tests.support.exit_code import exit_code
from tests.support.optimade_server import optimade_server, structure_entry

pytest.importorskip(
    "optimade.client", reason="the OPTIMADE client is not installed: pip install 'optimade[http-client]'"
)
for package in ("uvicorn", "fastapi", "mongomock"):
    pytest.importorskip(package, reason="the OPTIMADE server is not installed: pip install 'optimade[server]'")

pytestmark = pytest.mark.slow

ENERGY = {"name": "formation_energy_per_atom", "type": "float", "unit": "eV/atom", "description": "From the elements."}
PAGE = 20  # what the reference server gives where no limit is named


@pytest.fixture(scope="module")
def crystals() -> list[Crystal]:
    """Embedded crystals: 24 AB (two pages), 4 ABX2 and 4 ABX3."""
    found = read_embedded()[0]
    families = {"AB": 24, "ABX2": 4, "ABX3": 4}
    return [one for family, count in families.items() for one in [c for c in found if c.family == family][:count]]


@pytest.fixture(scope="module")
def entries(crystals) -> list[dict]:
    return [
        structure_entry(crystal, crystal.id, formation_energy_per_atom=crystal.formation_energy_per_atom)
        for crystal in crystals
    ]


def read(url: str, cache: Path, waits: list | None = None, cell: str = "primitive"):
    return read_optimade(f"optimade:{url}", cache, cell, ([] if waits is None else waits).append)


def pages(asked: list[str]) -> list[str]:
    """The family and the offset of every request for entries; counts and examples are left out."""
    names = {"A2BC": "ABX2", "A3BC": "ABX3", "AB": "AB"}
    wanted = [query for query in asked if "lattice_vectors" in query]
    return [
        f"{next(names[key] for key in names if f'%22{key}%22' in query)} "
        f"from {query.partition('page_offset=')[2].partition('&')[0] or 0}"
        for query in wanted
    ]


def test_structures_and_energies_arrive_as_they_were_sent(crystals, entries, tmp_path):
    with optimade_server(entries, [ENERGY]) as (url, server):
        found, rejected = read(url, tmp_path)
    assert (len(found), rejected) == (32, [])
    assert pages(server.asked) == ["AB from 0", "ABX2 from 0", "ABX3 from 0"]
    sent = {crystal.id: crystal for crystal in crystals}
    for crystal in found:
        original = sent[crystal.id]
        assert (crystal.formula, crystal.family) == (original.formula, original.family)
        assert crystal.formation_energy_per_atom == original.formation_energy_per_atom
        assert crystal.properties["spacegroup"] == original.properties["spacegroup"]
        assert np.sort(crystal.numbers).tolist() == np.sort(original.numbers).tolist()
        volumes = [one.structure().volume for one in (crystal, original)]
        assert volumes[0] == pytest.approx(volumes[1], rel=1e-6)
    assert len(screen(found)[0]) == 32


def test_what_the_selection_leaves_out_is_not_asked_for_or_is_named(crystals, entries, tmp_path):
    cesium_chloride = next(crystal for crystal in crystals if crystal.family == "AB" and crystal.angles[0] == 90)
    large = crystal_from_structure(cesium_chloride.structure() * (3, 3, 3), "large")  # 54 sites
    long = replace(cesium_chloride, lengths=cesium_chloride.lengths * [1, 1, 1.2])
    doubled = crystal_from_structure(cesium_chloride.structure() * (1, 1, 2), "doubled")
    others = [structure_entry(crystal, id) for id, crystal in (("large", large), ("long", long), ("doubled", doubled))]
    others[1]["formation_energy_per_atom"] = others[2]["formation_energy_per_atom"] = -0.5
    unlabelled = {**entries[0], "id": "unlabelled", "formation_energy_per_atom": None}
    with optimade_server([*entries, *others, unlabelled], [ENERGY]) as (url, _):
        found, _ = read(url, tmp_path)
    sites = {crystal.id: crystal.n_sites for crystal in found}
    assert "large" not in sites
    assert sites["doubled"] == 2  # brought to the primitive cell
    assert isnan(next(crystal for crystal in found if crystal.id == "unlabelled").formation_energy_per_atom)
    kept, rejected = screen(found)
    assert len(kept) == 33
    assert {item.id: item.reason for item in rejected} == {"long": "not_cubic", "unlabelled": "no_label"}


def test_a_provider_that_knows_its_space_groups_is_asked_for_cubic_ones(crystals, entries, tmp_path):
    known = [
        {**entry, "space_group_it_number": int(crystal.properties["spacegroup"])}
        for entry, crystal in zip(entries, crystals, strict=True)
    ]
    known[0]["space_group_it_number"] = 123
    with optimade_server(known, [ENERGY]) as (url, server):
        found, _ = read(url, tmp_path)
    assert {crystal.id for crystal in found} == {entry["id"] for entry in entries[1:]}
    assert all("space_group_it_number%3E=195" in query for query in server.asked if "lattice_vectors" in query)


def test_pages_faults_and_a_cut_connection_lose_nothing(entries, tmp_path, capfd):
    waits: list[float] = []
    with optimade_server(entries, [ENERGY], page_limit_max=PAGE) as (url, server):
        server.faults = [None, None, 429, 500, "cut", None, "cut", 503]
        found, rejected = read(url, tmp_path, waits)
    assert (len(found), len({crystal.id for crystal in found}), rejected) == (32, 32, [])
    assert server.faults == []
    # a limit of 100 is refused, so that the provider's own is taken from then on
    assert pages(server.asked) == ["AB from 0"] * 5 + ["AB from 20"] * 3 + ["ABX2 from 0", "ABX3 from 0"]
    assert waits == [2.0, 4.0, 8.0, 2.0, 4.0]
    assert "Error" not in "".join(capfd.readouterr())


def test_an_answer_that_takes_too_long_is_asked_for_again(entries, tmp_path, monkeypatch):
    monkeypatch.setattr(optimade_client, "TIMEOUT", 1.0)
    waits: list[float] = []
    with optimade_server(entries, [ENERGY]) as (url, server):
        server.faults = [None, "slow"]
        found, _ = read(url, tmp_path, waits)
    assert len(found) == 32
    assert waits[:1] == [2.0]


def test_a_run_that_was_cut_off_asks_only_for_what_is_missing(entries, tmp_path, monkeypatch):
    with optimade_server(entries, [ENERGY], page_limit_max=PAGE) as (url, server):
        server.faults = [None] * 3 + [502] * ATTEMPTS  # after the example's count and one page
        with pytest.raises(InputError, match=r"failed 6 times at the query for AB-0002.*goes on where it stopped"):
            read(url, tmp_path)
        before = len(server.asked)
        found, rejected = read(url, tmp_path)
        assert pages(server.asked[before:]) == ["AB from 20", "ABX2 from 0", "ABX2 from 0", "ABX3 from 0"]
        assert (len(found), rejected) == (32, [])
    monkeypatch.setitem(sys.modules, "optimade.client", None)  # what is complete needs neither server nor client
    again, _ = read_source(f"optimade:{url}", tmp_path)
    assert [crystal.id for crystal in again] == [crystal.id for crystal in found]


def test_a_damaged_page_is_named_and_downloaded_again(entries, tmp_path, caplog):
    with optimade_server(entries, [ENERGY]) as (url, server):
        before, _ = read(url, tmp_path)
        path = next(tmp_path.rglob("ABX2-0001.json.gz"))
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 0xFF
        path.write_bytes(content)
        asked = len(server.asked)
        after, _ = read(url, tmp_path)
        assert pages(server.asked[asked:]) == ["ABX2 from 0"]
    assert f"{path} is damaged and will be downloaded again" in caplog.text
    assert [crystal.id for crystal in after] == [crystal.id for crystal in before]


def test_the_manifest_says_what_was_downloaded(entries, tmp_path):
    with optimade_server(entries, [ENERGY]) as (url, _):
        read(url, tmp_path)
    manifest = json.loads(next(tmp_path.rglob("manifest.json")).read_text())
    assert (manifest["source"], manifest["complete"], manifest["documents"]) == (url, True, 32)
    assert manifest["label"] == "_test_formation_energy_per_atom"
    assert manifest["filters"]["ABX3"] == 'chemical_formula_anonymous="A3BC" AND nsites<=40'
    assert manifest["provider"]["prefix"] == "test"
    kept = json.loads(gzip.decompress(next(tmp_path.rglob("AB-0001.json.gz")).read_bytes()))
    assert set(kept[0]["attributes"]) == set(manifest["fields"])


def test_a_provider_without_energies_is_refused_with_a_sentence(entries, tmp_path):
    with optimade_server(entries) as (url, _), pytest.raises(InputError) as caught:
        read(url, tmp_path)
    assert str(caught.value).startswith(f"{url} offers no formation energy (none of _mp_stability, _oqmd_delta_e")
    assert str(caught.value).endswith("choose another provider")
    assert list(tmp_path.iterdir()) == []


def test_energies_that_only_the_entries_tell_of_are_found(entries, tmp_path):
    """A provider need not list its own properties; the Materials Project keeps its energies in a dictionary."""
    nested = [
        {**entry, "stability": {"gga_gga+u": {"formation_energy_per_atom": -0.25, "energy_above_hull": 0.125}}}
        for entry in entries
    ]
    nested[0]["stability"] = {"r2scan": {"formation_energy_per_atom": -0.25}}
    provider = {"name": "MP", "prefix": "mp", "description": "as the Materials Project"}
    with optimade_server(nested, ["stability"], provider=provider) as (url, _):
        found, _ = read(url, tmp_path)
    assert isnan(found[0].formation_energy_per_atom)
    assert {crystal.formation_energy_per_atom for crystal in found[1:]} == {-0.25}
    assert {crystal.properties["e_above_hull"] for crystal in found[1:]} == {0.125}


def test_an_address_without_a_database_is_one_sentence(entries, tmp_path):
    waits: list[float] = []
    nothing = pytest.raises(InputError, match="/nowhere answers, but not as an OPTIMADE database does")
    with optimade_server(entries[:1], [ENERGY]) as (url, _), nothing:
        read(f"{url}/nowhere", tmp_path)
    with pytest.raises(InputError, match=f"{url} failed {ATTEMPTS} times at its list of properties .*ConnectionError"):
        read(url, tmp_path, waits)  # the server is gone
    assert waits == [2.0, 4.0, 8.0, 16.0, 32.0]
    assert list(tmp_path.iterdir()) == []


def test_a_page_that_has_moved_says_how_to_begin_anew(entries, tmp_path):
    with optimade_server(entries, [ENERGY], page_limit_max=PAGE) as (url, server):
        server.faults = [None] * 3 + [410]
        with pytest.raises(InputError, match=r"refused the query for AB-0002.*410.*delete .* to begin anew"):
            read(url, tmp_path)


def test_the_data_stage_runs_on_a_provider(entries, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with optimade_server(entries, [ENERGY]) as (url, _):
        assert exit_code(main, ["data", "--preset", "smoke", "--source", f"optimade:{url}"]) == 0
        folder = f"smoke-optimade-{url.removeprefix('http://').replace('.', '-').replace(':', '-')}"
        done = json.loads((tmp_path / "runs" / folder / "data/done.json").read_text())
    assert "32" in json.dumps(done)
    with optimade_server(entries) as (url, _):
        assert exit_code(main, ["data", "--preset", "smoke", "--source", f"optimade:{url}"]) == 2
    text = capsys.readouterr().err
    assert "offers no formation energy" in text
    assert "Traceback" not in text


@pytest.mark.nightly
def test_two_thousand_entries_with_a_kill_on_the_way(entries, tmp_path, monkeypatch):
    many = [{**entries[index % len(entries)], "id": f"x/{index}"} for index in range(2000)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with optimade_server(many, [ENERGY], page_limit_max=PAGE) as (url, server):
        command = [sys.executable, "-m", "repro", "data", "--preset", "smoke", "--source", f"optimade:{url}"]
        process = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL)
        while len(server.asked) < 25 and process.poll() is None:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
        before = len(server.asked)
        kept = len(list(tmp_path.rglob("A*-????.json.gz")))
        assert 10 < kept < 30
        monkeypatch.chdir(tmp_path)
        found, rejected = read_source(f"optimade:{url}", Path("data"))
        repeated = set(pages(server.asked[:before])) & set(pages(server.asked[before:]))
    assert (len(found), len({crystal.id for crystal in found}), count_reasons(rejected)) == (2000, 2000, {})
    assert len(repeated) <= 2  # the page on its way when the process died, and the first that tries the page limit
