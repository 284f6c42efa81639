"""The paper's numbers are the paper's: against its own text, and against each other."""

import re
from dataclasses import fields

import pytest

from experiments import paper

COLUMNS = [field.name for field in fields(paper.DatabaseComparison) if field.name not in ("candidate", "icsd")]
PRINTED = str.maketrans(
    {"²": "2", "³": "3", "⁴": "4", "⁻": "–", "\xa0": " ", "\u2009": " "}
)  # as in the extracted text


@pytest.fixture(scope="module")
def text(shared) -> str:
    return _plain((shared / "paper" / "court2020.txt").read_text())


def _plain(text: str) -> str:
    return re.sub(r"\s+", " ", text.translate(PRINTED))


@pytest.mark.parametrize("name", paper.TEXT)
def test_every_quote_is_in_the_paper(text, name):
    assert _plain(paper.TEXT[name].quote) in text


POWERS = {"kld": "10²", "dft_step_tolerance": "10⁻⁴", "dft_force_tolerance": "10⁻³"}


@pytest.mark.parametrize("name", paper.TEXT)
def test_every_value_is_in_its_quote(name):
    stated = paper.TEXT[name]
    if name in POWERS:
        assert POWERS[name] in stated.quote
        return
    numbers = [
        float(number) for number in re.findall(r"\d+(?:\.\d+)?", re.sub(r"(?<=\d)[ ,](?=\d{3})", "", stated.quote))
    ]
    assert stated.value in numbers


def test_rows_of_the_tables_are_in_the_paper(text):
    """The text at hand runs the cells of a row together: '0.102 (eV/atom)27.70357346700'."""
    for row in paper.TABLE1:
        cells = f"{row.smape:.2f}{row.train}{row.test}"
        assert re.search(rf"{row.mae:.3f}[^.]{{0,12}}{re.escape(cells)}", text), row.property
    for row in paper.TABLE2:
        assert f"{row.step}{row.samples}{row.percent}" in text
    for row in paper.TABLE3:
        assert f"{row.type}{row.candidates}{row.bonds}{row.formation_energy}{row.cell:.0f}" in text
    for row in (*paper.TABLE4, paper.TABLE4_MAE):
        lengths = f"{row.a:.2f}{row.b:.2f}{row.c:.2f}{row.formation_energy:.2f}{row.energy:.2f}"
        moduli = [row.bulk_modulus, row.shear_modulus, row.poisson_ratio]
        cells = lengths + "".join("" if value is None else f"{value:.2f}" for value in moduli)
        assert f"{row.candidate}{cells}" in text
        assert row.icsd is None or str(row.icsd) in text
    for row in paper.TABLE5:
        assert f"{row.mse}{row.recall}{row.emd:.3f}{row.delta_n}" in text
    for parameter, value in paper.TABLE6.items():
        assert f"{parameter}{value:.6f}".rstrip("0").rstrip(".") in text or f"{parameter}{value}" in text


@pytest.mark.parametrize("column", COLUMNS)
def test_table_4_ends_in_its_own_means(column):
    values = [getattr(row, column) for row in paper.TABLE4 if getattr(row, column) is not None]
    assert sum(values) / len(values) == pytest.approx(getattr(paper.TABLE4_MAE, column), abs=0.0051)


def test_the_numbers_agree_among_themselves():
    assert sum(row.candidates for row in paper.TABLE3) == paper.TEXT["dft_candidates"].value
    assert len(paper.TABLE4) == paper.TEXT["database_matches"].value
    assert all(row.percent == row.samples / 10 for row in paper.TABLE2)
    random = paper.TEXT["random_valid"].value
    assert 100 * random / paper.TEXT["random_samples"].value == paper.TEXT["random_valid_share"].value
    assert 100 * paper.TEXT["negative"].value / random == pytest.approx(paper.TEXT["negative_share"].value, abs=0.5)
    for row in paper.TABLE1:  # the paper tests on a sixth
        assert row.train / row.test == pytest.approx(16 / 3, rel=0.002)
    assert paper.SAMPLES_SEEN == 3_143_520  # 0.8 x 78,588 x 50
