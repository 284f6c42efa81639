"""The rule that gives a randomly sampled cell its angle."""

import numpy as np
import pytest

from data_prep.cell_angles import angle_class, fit_angle_rule
from data_prep.splits import split_crystals
from tests.support.made_up_crystals import made_up_crystals
from tests.support.real_structures import table_crystals


@pytest.mark.slow
def test_the_rule_is_right_for_held_out_real_crystals(shared):
    """Binaries share their boxed map between rocksalt (60°) and CsCl (90°): the volume decides in over 95 %."""
    crystals = [crystal for crystal in table_crystals(shared) if angle_class(crystal)]
    parts = split_crystals(crystals, "formula", 0.2, 0.05, seed=0)
    rule = fit_angle_rule([crystal for crystal, part in zip(crystals, parts, strict=True) if part == "train"])
    held_out = [crystal for crystal, part in zip(crystals, parts, strict=True) if part == "test"]
    for family, least in (("AB", 0.95), ("ABX3", 0.98), ("ABX2", 0.98)):
        members = [crystal for crystal in held_out if crystal.family == family]
        right = [rule.choose(crystal.numbers, crystal.lengths)[0] == angle_class(crystal) for crystal in members]
        assert np.mean(right) > least, family


def test_the_probability_is_a_probability_and_sites_never_seen_rest_on_the_volume():
    crystals = made_up_crystals(60)
    rule = fit_angle_rule(crystals)
    numbers = np.array([11] * 3)
    volume = rule.volumes[numbers].sum()
    for factor, angle in ((1.0, 90.0), (2**0.5, 60.0)):
        chosen, probability = rule.choose(numbers, np.full(3, (volume * factor) ** (1 / 3)))
        assert chosen == angle
        assert 0.5 <= probability <= 1.0
