"""The viewers of crystals: what they are given, the script they come with, and the whole page in a browser."""

import base64
import hashlib
import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import Structure

from experiments.drawing import scene
from experiments.reporting import markup
from experiments.reporting.document import Document, Link, Part, Section, Table, Text
from experiments.reporting.generated_crystals import MOST, facts, viewer
from experiments.reporting.markup import to_html, to_markdown
from tests.support.made_up_generation import perovskite, rocksalt

VENDOR = Path(markup.__file__).parent / "vendor"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--use-gl=angle", "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--enable-logging=stderr",
)  # fmt: skip


@pytest.fixture(scope="module")
def document(tmp_path_factory) -> Document:
    """Two viewers, one near the top and one below it, and a table with a CIF to take away."""
    folder = tmp_path_factory.mktemp("results")
    structures = {"SrTiO3": perovskite("Sr", "Ti", 3.9), "NaCl": rocksalt("Na", "Cl", 5.64)}
    for name, structure in structures.items():
        structure.to(str(folder / f"{name}.cif"), fmt="cif")
    both = viewer(folder, [(name, f"Of {name}.", f"{name}.cif") for name in structures], "Two crystals")
    one = viewer(folder, [("<b>NaCl</b>", "</script><b>", "NaCl.cif")], "One crystal")
    table = Table("Files", ("name", "file"), [("NaCl", Link("CIF", "NaCl.cif", (folder / "NaCl.cif").read_text()))])
    sections = (Section("First: the crystals", (*both, Text("Words."), table)), Section("Second", one))
    return Document("Crystals", "To turn.", [], (Part("All", sections),))


def test_a_scene_holds_the_sites_where_they_are():
    drawn = scene(perovskite("Sr", "Ti", 3.9))
    assert [element["symbol"] for element in drawn["elements"]] == ["Sr", "Ti", "O"]
    counts = [sum(site[0] == element for site in drawn["sites"]) for element in range(3)]
    assert counts == [8, 1, 6]  # corners, centre, faces
    places = np.array([site[1:] for site in drawn["sites"]])
    titanium = places[[site[0] == 1 for site in drawn["sites"]]]
    distances = np.sort(np.linalg.norm(places - titanium, axis=1))
    np.testing.assert_allclose(distances[1:7], 1.95, atol=2e-3)  # turning keeps distances
    assert len(drawn["edges"]) == 12
    assert all(abs(np.linalg.norm(np.subtract(*edge)) - 3.9) < 2e-3 for edge in drawn["edges"])


def test_the_library_is_the_one_that_is_named():
    noted = (VENDOR / "README.md").read_text(encoding="utf-8")
    library = VENDOR / "3Dmol-min.js"
    assert hashlib.sha256(library.read_bytes()).hexdigest() in noted
    assert "</script" not in library.read_text(encoding="utf-8").lower()  # it would end the script in the page
    assert "Redistribution and use" in (VENDOR / "3Dmol-LICENSE.txt").read_text(encoding="utf-8")


def test_a_report_without_crystals_carries_no_script():
    plain = to_html(Document("T", "", [], (Part("P", (Section("S", (Text("x"),)),)),)))
    assert "<script" not in plain and len(plain) < 20_000


def test_the_files_travel_inside_the_html_and_lie_beside_the_markdown(document):
    html = to_html(document)
    (url,) = re.findall(r'href="(data:chemical/x-cif;base64,[^"]+)" download="NaCl.cif"', html)
    taken = Structure.from_str(base64.b64decode(url.partition(",")[2]).decode(), fmt="cif")
    assert taken.composition.reduced_formula == "NaCl"
    (data, _) = re.findall(r'<script type="application/json">(.+?)</script>', html)
    assert [crystal["saved"] for crystal in json.loads(data)] == ["SrTiO3.cif", "NaCl.cif"]
    assert "CIFs: [SrTiO3](SrTiO3.cif), [NaCl](NaCl.cif)." in to_markdown(document)
    assert "  - [First: the crystals](#first-the-crystals)" in to_markdown(document)


def test_no_more_crystals_than_a_report_can_bear(tmp_path):
    rocksalt("Na", "Cl", 5.64).to(str(tmp_path / "NaCl.cif"), fmt="cif")
    (block,) = viewer(tmp_path, [("NaCl", "", "NaCl.cif")] * (MOST + 1), "Many")
    assert len(block.crystals) == MOST and block.caption.startswith(f"Many ({MOST} of {MOST + 1} crystals).")
    assert viewer(tmp_path, [], "None") == ()


def test_what_is_known_of_a_candidate_is_said_in_words():
    row = {"base": "", "formation_energy_per_atom": -1.234, "spacegroup": 225, "training_formula": False}
    expected = "Random sample, predicted formation energy −1.23 eV/atom, space group Fm\u20113m, new formula."
    assert facts(row) == expected
    assert facts({"base": "NaCl", "formation_energy_per_atom": None, "spacegroup": None}) == "Around NaCl."


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: the page is not opened in a browser")
def test_a_browser_draws_the_crystals_and_complains_of_nothing(document, tmp_path):
    page = tmp_path / "report.html"
    page.write_text(to_html(document), encoding="utf-8")
    command = [CHROMIUM, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", "--window-size=390,2000",
               "--virtual-time-budget=3000", "--dump-dom", page.as_uri()]  # fmt: skip
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120)
    said = [line for line in ended.stderr.splitlines() if "CONSOLE" in line and "GL Driver Message" not in line]
    assert said == []
    assert re.findall(r'data-drawn="([^"]*)"', ended.stdout) == ["SrTiO3", "&lt;b&gt;NaCl&lt;/b&gt;"]
    assert ended.stdout.count("<canvas") >= 2
    assert re.findall(r'class="cif" download="([^"]+)"', ended.stdout) == ["SrTiO3.cif", "NaCl.cif"]
    assert '<p class="facts">&lt;/script&gt;&lt;b&gt; 2 sites' in ended.stdout
