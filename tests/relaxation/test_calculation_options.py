"""What the options of commands with calculations name, and which of them do not fit together."""

import argparse
from dataclasses import replace
from pathlib import Path

import pytest

from data_prep.errors import InputError
from repro.__main__ import main
from repro.relaxation.calculation_options import STORE, add_options, calculator_of
from repro.relaxation.calculator import Calculator
from repro.relaxation.espresso import Dft
from repro.relaxation.potentials import POTENTIALS
from repro.relaxation.surrogate import Surrogate
from tests.support.exit_code import exit_code


def chosen(*arguments: str, d2: bool = True) -> Calculator:
    parser = argparse.ArgumentParser()
    add_options(parser, d2)
    return calculator_of(parser.parse_args(arguments))


@pytest.fixture
def dft(tmp_path) -> tuple[str, ...]:
    """Options of DFT with a program that exists in the place of pw.x."""
    return "--dft", "--pseudo-dir", str(tmp_path), "--pw", "true"


@pytest.fixture
def with_potentials(monkeypatch):
    for name, potential in POTENTIALS.items():
        monkeypatch.setitem(POTENTIALS, name, replace(potential, versions=dict))


def test_without_dft_it_is_the_surrogate(with_potentials):
    assert chosen().method == Surrogate() and chosen().store.root == STORE
    found = chosen("--seconds", "7", "--workers", "0", "--store", "elsewhere", "--parsl", "cluster.py")
    assert found.method == Surrogate(seconds=7.0) and found.store.root == Path("elsewhere")
    assert (found.workers, found.parsl) == (0, Path("cluster.py"))
    assert chosen("--potential", "sevennet").method.title == "SevenNet"


def test_the_options_of_dft_reach_it(dft, tmp_path):
    assert chosen(*dft).method == Dft(str(tmp_path), command="true")
    found = chosen(*dft, "--cutoff", "30", "--k-spacing", "0.35", "--seconds", "60", "--no-d2").method
    assert found == Dft(str(tmp_path), d2=False, cutoff=30.0, spacing=0.35, seconds=60.0, command="true")


@pytest.mark.parametrize(
    ("usual", "given", "d2"),
    [(True, [], True), (True, ["--no-d2"], False), (False, [], False), (False, ["--d2"], True)],
)
def test_d2_is_the_commands_default_unless_given(dft, usual, given, d2):
    assert chosen(*dft, *given, d2=usual).method.d2 is d2


@pytest.mark.parametrize(
    "given",
    [["--cutoff", "30"], ["--k-spacing", "0.3"], ["--pw", "pw.x"], ["--pseudo-dir", "."], ["--no-d2"], ["--d2"]],
)
def test_options_of_dft_without_dft_are_refused(with_potentials, given):
    with pytest.raises(InputError, match="are for DFT: add --dft"):
        chosen(*given)


def test_dft_needs_pseudopotentials_and_workers_are_no_negative_number(tmp_path):
    with pytest.raises(InputError, match="--dft needs --pseudo-dir"):
        chosen("--dft")
    with pytest.raises(InputError, match="nowhere is not a folder"):
        chosen("--dft", "--pw", "true", "--pseudo-dir", str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match="--workers -1: give the number of jobs"):
        chosen("--workers", "-1")


def test_a_potential_and_dft_are_not_taken_together(dft):
    with pytest.raises(InputError, match="--potential sevennet and --dft are two methods"):
        chosen(*dft, "--potential", "sevennet")


@pytest.mark.parametrize(
    "given",
    [
        ("--k-spacing", "-0.3"), ("--k-spacing", "0"), ("--k-spacing", "nan"), ("--cutoff", "0"),
        ("--seconds", "-1"), ("--seconds", "inf"),
    ],
)  # fmt: skip
def test_a_number_that_nothing_can_be_calculated_with_is_refused(dft, given):
    option, value = given
    with pytest.raises(InputError, match=f"{option} {float(value):g}: give a number above 0"):
        chosen(*dft, *given)


def test_workers_beside_a_configuration_of_parsl_are_refused(with_potentials):
    with pytest.raises(InputError, match="cluster.py says how many jobs"):
        chosen("--workers", "4", "--parsl", "cluster.py")


RELAXING = pytest.mark.parametrize(
    "command", [["score", "."], ["generate", "--base", "NiAl"]], ids=["score", "generate"]
)


@RELAXING
def test_a_command_that_also_relaxes_takes_the_potential_asked_for(monkeypatch, tmp_path, capsys, command):
    """It is loaded first: one that is not installed costs no other work."""
    monkeypatch.chdir(tmp_path)

    def missing():
        raise InputError("no SevenNet: run 'make sevennet' once.")

    monkeypatch.setitem(POTENTIALS, "sevennet", replace(POTENTIALS["sevennet"], versions=missing))
    monkeypatch.setitem(POTENTIALS, "chgnet", replace(POTENTIALS["chgnet"], versions=None))
    assert exit_code(main, [*command, "--relax", "--potential", "sevennet"]) == 2
    assert capsys.readouterr().err.strip().endswith("no SevenNet: run 'make sevennet' once.")
    assert not list(tmp_path.iterdir())


@RELAXING
def test_a_potential_needs_a_relaxation_and_has_a_known_name(monkeypatch, tmp_path, capsys, command):
    monkeypatch.chdir(tmp_path)
    assert exit_code(main, [*command, "--potential", "sevennet"]) == 2
    assert "--potential sevennet is for relaxing: add --relax, or leave it out." in capsys.readouterr().err
    assert exit_code(main, [*command, "--relax", "--potential", "mace"]) == 2
    assert "invalid choice: 'mace'" in capsys.readouterr().err
    assert exit_code(main, [*command, "--relax", "--dft"]) == 2
    assert "unrecognized arguments: --dft" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
