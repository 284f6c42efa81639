"""The packaged base compounds: small, attributed, those of the published generator, and like their source."""

import numpy as np
import pytest

from data_prep.bases import CARD, TABLE
from data_prep.bases.__main__ import main
from data_prep.crystal import Crystal
from data_prep.files.checksum import file_sha256
from data_prep.files.npz import read_npz
from data_prep.formula_digests import FormulaDigests
from data_prep.sources import read_source
from repro.generation.bases import find_base
from repro.network_folders import GENERATOR
from tests.support.exit_code import exit_code
from tests.support.real_structures import table_crystals


@pytest.fixture(scope="module")
def crystals() -> list[Crystal]:
    found, rejected = read_source("bases")
    assert rejected == []
    return found


def test_they_are_the_published_generators_data(crystals):
    assert TABLE.stat().st_size < 600_000
    assert len({crystal.id for crystal in crystals}) == len(crystals) == 6766
    assert all(np.isfinite(crystal.formation_energy_per_atom) for crystal in crystals)
    known = FormulaDigests(read_npz(GENERATOR / "formulas.npz")["all"])
    assert len({crystal.formula for crystal in crystals}) == len(known.digests)
    assert all(crystal.formula in known for crystal in crystals)
    card = CARD.read_text()
    assert file_sha256(TABLE) in card and "CC-BY-4.0" in card and "Jain et al." in card


@pytest.mark.parametrize("name", ["NiAl", "Cu2MnAl", "MnAlCu2", "Sr Ti O3", "BaZrO3", "mp-5229"])
def test_compounds_of_the_documentation_are_there(name, crystals):
    base = find_base(name, crystals)
    assert base.family in ("AB", "ABX3", "ABX2") and base.properties["spacegroup"] >= 195


def test_they_are_those_of_their_source(crystals, shared, tmp_path):
    source = {crystal.id: crystal for crystal in table_crystals(shared, [one.id for one in crystals[::100]])}
    for one in crystals[::100]:
        other = source[one.id]
        np.testing.assert_allclose(one.lengths, other.lengths, atol=1e-6)
        np.testing.assert_allclose(one.fractional, other.fractional, atol=1e-6)
        np.testing.assert_array_equal(one.numbers, other.numbers)
        assert one.formation_energy_per_atom == pytest.approx(other.formation_energy_per_atom, abs=1e-6)


def test_a_table_of_a_source_is_written(tmp_path, capsys):
    source, out = tmp_path / "few.csv", tmp_path / "bases.csv.gz"
    source.write_text(
        "id,a,b,c,alpha,beta,gamma,species,frac,formation_energy_per_atom\n"
        "one,3.9,3.9,3.9,90,90,90,Ni Al,0 0 0 0.5 0.5 0.5,-0.7\n"
        "two,3.9,3.9,3.9,90,90,90,Ni Ti,0 0 0 0.5 0.5 0.5,\n"
    )
    assert exit_code(main, [str(source), "--out", str(out)]) == 0
    (only,), rejected = read_source(str(out))
    assert (only.id, only.formula, only.properties["spacegroup"]) == ("one", "AlNi", 221) and rejected == []
    assert exit_code(main, [str(tmp_path / "nowhere.csv")]) == 2
    assert "does not exist" in capsys.readouterr().err
    assert exit_code(main, [str(source), "--out", str(source / "bases.csv.gz")]) == 2
    assert capsys.readouterr().err == f"{source} could not be read or written: File exists.\n"
