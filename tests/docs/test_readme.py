"""Commands, options, columns and Python code that the README and the pages show are those of the program."""

import argparse
import re

import pandas as pd
import pytest

from tests.conftest import ROOT
from tests.support.pages import DOCS, blocks, code_spans, commands, read, table_after, typed_lines

SHOWN = ("README.md", *DOCS)


def parsers() -> dict[str, argparse.ArgumentParser]:
    """Return the real parsers of ``python -m repro`` and ``python -m experiments``."""
    from experiments.__main__ import parser as experiments_parser
    from repro.commands import parser as repro_parser

    return {"repro": repro_parser(), "experiments": experiments_parser()}


def subcommands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Return the commands of a parser by name."""
    return next(action.choices for action in parser._actions if isinstance(action, argparse._SubParsersAction))


@pytest.mark.parametrize("name", SHOWN)
def test_command_lines_are_understood(name, capsys):
    """A whole command line parses; in backticks the name of a command alone is enough."""
    known = parsers()
    for package, arguments in commands(typed_lines(read(name))):
        understood(known[package], arguments, capsys)
    for package, arguments in commands(code_spans(read(name))):
        if arguments[0].isupper():  # STAGE, NAME
            continue
        assert arguments[0] in subcommands(known[package]), arguments[0]
        if len(arguments) > 1:
            understood(known[package], arguments, capsys)


def understood(parser, arguments, capsys):
    try:
        parser.parse_args(arguments)
    except SystemExit:
        pytest.fail(f"{' '.join(arguments)}: {capsys.readouterr().err}")


def test_the_readme_shows_the_main_commands():
    shown = {arguments[0] for package, arguments in commands(typed_lines(read("README.md"))) if package == "repro"}
    assert {"generate", "predict", "reconstruct"} <= shown
    first = [line.split("#")[0].strip() for line in typed_lines(read("README.md"))[:2]]
    assert first == ["make reproduce", "make test"]


@pytest.mark.parametrize("name", SHOWN)
def test_options_exist(name):
    every = [command for parser in parsers().values() for command in subcommands(parser).values()]
    known = {option for command in every for action in command._actions for option in action.option_strings}
    named = {word for span in code_spans(read(name)) for word in re.findall(r"^--[a-z0-9-]+", span)}
    assert named <= known


def documented(heading: str) -> list[str]:
    """Return the names in the first column of a table of ``docs/generating.md``, as its rows list them."""
    return [
        name
        for cell, *_ in table_after(heading, read("docs/generating.md"))[1:]
        for name in re.findall(r"[\w.]+", cell)
    ]


def test_columns_of_the_written_tables_are_explained():
    from data_prep.property_labels import PROPERTIES
    from repro.evaluation import reconstruct
    from repro.generation import candidates

    bounds = set(candidates.PREDICTED) - set(PROPERTIES)  # one sentence for all of them
    assert documented("The columns of `candidates.csv`") == [name for name in candidates.COLUMNS if name not in bounds]
    assert "`.._low` and `.._high` beside each" in read("docs/generating.md")
    assert documented("sends cubic AB") == list(reconstruct.COLUMNS)


def test_the_columns_that_the_readme_cuts_out_are_those_it_shows():
    from repro.generation import candidates

    lines = read("README.md").splitlines()
    place = next(number for number, line in enumerate(lines) if re.match(r"\$ cut .*candidates\.csv", line))
    fields = re.search(r"-f(\S+)", lines[place])[1]
    assert lines[place + 1].split(",") == [candidates.COLUMNS[number - 1] for number in field_numbers(fields)]


def field_numbers(fields: str) -> list[int]:
    """Return the numbers in what ``cut -f`` is given: ``1,3-5`` is 1, 3, 4, 5."""
    parts = [[int(end) for end in part.split("-")] for part in fields.split(",")]
    return [number for part in parts for number in range(part[0], part[-1] + 1)]


def test_presets_and_sources_are_listed():
    from repro.presets import PRESETS

    readme = read("README.md")
    presets = [row[0].split()[0] for row in table_after("`make reproduce PRESET", readme)[1:]]
    assert sorted(presets) == sorted(PRESETS)
    sources = [row[0].split()[0] for row in table_after("## Your own data", readme)[1:]]
    assert sources == ["embedded", "materials-project", "optimade:URL", "PATH.csv,", "FOLDER"]
    assert len(table_after("| | paper |", readme)) == 9


def test_the_readme_is_short():
    assert len(read("README.md").splitlines()) <= 150


@pytest.mark.slow
@pytest.mark.parametrize("name", ["README.md", "docs/python-api.md"])
def test_the_python_code_runs(name, monkeypatch):
    monkeypatch.chdir(ROOT)
    names: dict = {}
    for code in blocks(read(name), "python"):
        exec(compile(code, name, "exec"), names)
    table = names["table"]
    assert isinstance(table, pd.DataFrame) and len(table) == 20
    energies = table["formation_energy_per_atom (eV/atom)"]
    assert energies.between(-6.0, 2.0).all()
    if name == "README.md":  # around SrTiO3
        assert energies.median() < -2.0
