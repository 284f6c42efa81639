"""Rows of the reference tables as crystals, for tests that need real structures."""

from pathlib import Path

import numpy as np
import pandas as pd
from pymatgen.core import Composition, Element

from data_prep.crystal import Crystal, wrap


def table_crystals(shared: Path, ids: list[str] | None = None) -> list[Crystal]:
    """Return the crystals of ``mp_cubic.csv.gz`` with consistent labels, or those with the given ids in order."""
    table = pd.read_csv(shared / "data/mp_cubic.csv.gz").set_index("mp_id")
    if ids is None:
        ids = list(table.index[~table.ef_source.isin(["none", "mp_2021_corrections"])])
    return [_crystal(id, table.loc[id]) for id in ids]


def _crystal(id: str, row: pd.Series) -> Crystal:
    species = row.species.split()
    return Crystal(
        id=id,
        formula=Composition({symbol: species.count(symbol) for symbol in species}).reduced_formula,
        lengths=row[["a", "b", "c"]].to_numpy(float),
        angles=row[["alpha", "beta", "gamma"]].to_numpy(float),
        numbers=np.array([Element(symbol).Z for symbol in species]),
        fractional=wrap(np.array(row.frac.split(), dtype=float).reshape(-1, 3)),
        formation_energy_per_atom=float(row.formation_energy_per_atom),
    )
