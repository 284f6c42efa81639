"""Tables of numbers: all digits, or so many that a reader needs."""

import math

import numpy as np

from data_prep.files.atomic import csv_text

ROWS = [
    {"id": "a", "edge": 3.90512345, "energy": np.float64(-1e-7), "sites": 5, "known": True},
    {"id": "1.23456789", "edge": math.nan, "energy": None, "sites": 123456789, "other": 1},
]


def test_only_floats_are_rounded_and_text_stays():
    assert csv_text(ROWS, ("id", "edge", "energy", "sites", "known"), digits=4) == (
        "id,edge,energy,sites,known\na,3.905,-1e-07,5,True\n1.23456789,nan,,123456789,\n"
    )


def test_floats_keep_all_digits_if_none_are_asked_for():
    assert csv_text(ROWS[:1]) == "id,edge,energy,sites,known\na,3.90512345,-1e-07,5,True\n"
