"""What a CIF's block says about its symmetry: the operators listed, and the space group named with its settings."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pymatgen.core import Lattice, SymmOp

from data_prep.quarantine import Unusable
from data_prep.sources.cif_blocks import Block, Value
from data_prep.sources.cif_sites import number_of
from data_prep.sources.cif_symmetry import Setting, distinct, distinct_rotations, settings_of
from data_prep.sources.frames import PARSER_FAULTS

OPERATORS = ("_symmetry_equiv_pos_as_xyz", "_space_group_symop_operation_xyz")
NAMES = (
    "_symmetry_space_group_name_h-m", "_space_group_name_h-m_alt", "_symmetry_space_group_name_h_m",
    "_space_group_name_h-m_full", "_space_group_name_h-m_ref",
)  # fmt: skip
HALL = ("_space_group_name_hall", "_symmetry_space_group_name_hall")
NUMBERS = ("_space_group_it_number", "_symmetry_int_tables_number")
MAGNETIC, CENTRING = "_space_group_symop_magn_operation_xyz", "_space_group_symop_magn_centering_xyz"


@dataclass(frozen=True)
class StatedSymmetry:
    """The operators that a block lists (None: none), the name or number of its space group (None: none).

    ``settings`` are those that the name can mean, ``fitting`` those of them that the shape of the cell allows.
    """

    operators: list[SymmOp] | None
    named: Value | None
    settings: Sequence[Setting]
    fitting: Sequence[Setting]
    magnetic: bool

    @property
    def doubtful(self) -> bool:
        """Whether no operators are listed, or fewer than the group has; in another basis its rotations count.

        Of a magnetic CIF the named group may be that of the crystal without moments.
        """
        if self.operators is None:
            return True
        if self.magnetic or not self.settings:
            return False
        if self.fitting:
            return distinct(self.operators) < min(distinct(one.operators) for one in self.fitting)
        return distinct_rotations(self.operators) < min(distinct_rotations(one.operators) for one in self.settings)


def stated_symmetry(block: Block, lattice: Lattice | None) -> StatedSymmetry:
    """Return what a block says about its symmetry; raises ``Unusable`` for an operator that is none."""
    symbol, number = block.value(*NAMES) or block.value(*HALL), block.value(*NUMBERS)
    value = int(number_of(number, NUMBERS[0])) if number else None
    settings = settings_of(symbol.text if symbol else "", value)
    fitting = [one for one in settings if lattice is None or one.fits(lattice.metric_tensor)]
    return StatedSymmetry(_operators(block), symbol or number, settings, fitting, MAGNETIC in block.columns)


def _operators(block: Block) -> list[SymmOp] | None:
    """Return the operators that are listed, of a magnetic CIF without time reversal; None if there are none."""
    tag = next((tag for tag in (*OPERATORS, MAGNETIC) if block.column(tag)), None)
    if tag is None:
        return None
    found = [_operator(value) for value in block.column(tag)]
    centring = block.column(CENTRING) if tag == MAGNETIC else None
    return [step * one for step in map(_operator, centring) for one in found] if centring else found


def _operator(value: Value) -> SymmOp:
    """Return one operator, x,y,z or (magnetic) x,y,z,+1; raises ``Unusable`` for a text that is none."""
    try:
        operator = SymmOp.from_xyz_str(",".join(value.text.split(",")[:3]))
        sound = value.text.count(",") in (2, 3) and abs(abs(np.linalg.det(operator.rotation_matrix)) - 1) < 1e-3
    except PARSER_FAULTS:
        sound = False
    if not sound:
        raise Unusable("unreadable", f"line {value.line}: {value.text!r} is no symmetry operator")
    return operator
