"""python -m repro verify: what agrees, what is a miss, and expectations that cannot be read."""

import json

import pytest

from repro.__main__ import main
from repro.evaluation import verify as module
from repro.evaluation.verify import FORMS, agrees, tolerance, verify
from repro.network_folders import GENERATOR
from tests.support.exit_code import exit_code

NUMBERS = {
    "VAE: parameters": 1_017_115,
    "VAE: MSE": 0.0013,
    "VAE: divergence, nats": 219.7,
    "at random: share valid": 1.0,
}


@pytest.fixture
def measured(tmp_path, monkeypatch):
    """What the command measures, as a dictionary that a test may change; the expectations are in a file of the test."""
    numbers = dict(NUMBERS)
    monkeypatch.setattr(module, "EXPECTED", tmp_path / "verify.json")
    monkeypatch.setattr(module, "_measure", lambda size: iter(numbers.items()))
    assert verify("quick", accept=True)
    return numbers


@pytest.mark.parametrize(
    ("name", "value", "right"),
    [
        ("VAE: parameters", 1_017_114, False),
        ("VAE: MSE", 0.0017, True),
        ("VAE: MSE", 0.0019, False),
        ("VAE: divergence, nats", 221.5, True),
        ("VAE: divergence, nats", 223.0, False),
        ("at random: share valid", 0.9375, True),
        ("at random: share valid", 0.875, False),
    ],
)
def test_a_number_agrees_as_far_as_rounding_goes(measured, capsys, name, value, right):
    assert agrees(name, value, NUMBERS[name]) is right
    measured[name] = value
    capsys.readouterr()
    assert exit_code(main, ["verify", "--quick"]) in ((0, None) if right else (1,))
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith(name)]
    assert line.endswith("as published" if right else "DIFFERS")


def test_a_number_that_is_not_measured_any_more_or_not_expected_is_a_miss(measured, capsys):
    kept = measured.pop("VAE: MSE")
    assert not verify("quick")
    *_, lacking, summary = capsys.readouterr().out.splitlines()
    assert lacking.split() == ["VAE:", "MSE", "0.0013", "-", "-", "NOT", "MEASURED"]
    assert summary.startswith("3 of 4 numbers as published")
    assert not verify("quick") and verify("quick", accept=True) and verify("quick")
    measured["VAE: MSE"] = kept
    assert not verify("quick")
    assert tolerance("VAE: parameters", 5) == 0


def test_expectations_that_cannot_be_read_are_named(measured, capsys):
    assert exit_code(main, ["verify"]) == 2  # the whole form was never accepted
    assert f"{module.EXPECTED} is damaged (KeyError: 'whole')" in capsys.readouterr().err
    module.EXPECTED.write_text("{")
    assert exit_code(main, ["verify", "--quick"]) == 2
    module.EXPECTED.unlink()
    assert exit_code(main, ["verify", "--quick"]) == 2
    assert "is not there" in capsys.readouterr().err


def test_the_published_expectations_are_those_of_the_published_evaluation():
    expected = json.loads(module.EXPECTED.read_text())
    assert set(expected) == set(FORMS)
    whole, published = expected["whole"], json.loads((module.EXPECTED.parent / "evaluation.json").read_text())
    assert published["counts"]["structures"] == FORMS["whole"].held_out
    assert whole["VAE: MSE"] == pytest.approx(published["vae_mse"], abs=5e-4)
    assert whole["VAE: divergence, nats"] == pytest.approx(published["kld"], rel=0.02)
    assert whole["by composition: EMD, Å"] == pytest.approx(published["emd"], abs=0.01)
    assert whole["by composition: share all right"] == pytest.approx(published["exact_fraction"], abs=0.005)
    assert whole["UNet: parameters"] == 31_163_008


def test_one_changed_digit_of_a_weight_is_found_before_anything_is_measured(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "generator"
    folder.mkdir()
    for path in GENERATOR.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    weights = folder / "vae.weights.h5"
    kept = weights.read_bytes()
    weights.write_bytes(kept[:-9] + bytes([kept[-9] ^ 1]) + kept[-8:])
    monkeypatch.setattr(module, "GENERATOR", folder)
    assert exit_code(main, ["verify", "--quick"]) == 2
    assert f"{weights} is damaged" in capsys.readouterr().err
