"""Known crystals beside the literature, with EMT in the place of the surrogate and of pw.x."""

import json

import pytest

from data_prep.errors import InputError
from experiments import known_crystals, registry
from experiments.known_crystals import KNOWN
from repro.relaxation.calculation_store import CONVERGED, Store, key_of, structure_record
from repro.relaxation.calculator import UNAVAILABLE, Calculator
from repro.relaxation.relaxation_verdict import LIMITS
from tests.conftest import ROOT
from tests.support.emt import Emt
from tests.support.exit_code import run_experiment as main


class EmtOfFiles(Emt):
    """EMT whose records name a made-up pseudopotential of each element, as those of pw.x do."""

    def key(self, elements=()) -> dict:
        return self.method(elements) | {"pseudopotentials": dict.fromkeys(elements, "file")}

    def job(self, structure, relax_cell: bool) -> tuple:
        function, arguments = super().job(structure, relax_cell)
        return with_files, (function, *arguments)


def with_files(function, start: dict, *arguments, key: str, root: str) -> dict:
    record = function(start, *arguments, key=key, root=root)
    used = {symbol: {"file": f"{symbol}.upf"} for symbol in start["species"]}
    return Store(root).put(key, record | {"method": record["method"] | {"pseudopotentials": used}})


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> dict:
    calculator = Calculator(EmtOfFiles(), Store(tmp_path_factory.mktemp("store")), workers=0)
    return known_crystals.compute(("NiAl", "NaCl"), calculator)


def test_what_is_calculated_stands_beside_the_literature(found):
    nickel, salt = found["crystals"]
    assert nickel["status"] == CONVERGED and nickel["experiment_a"] == 2.887
    assert nickel["a"] == pytest.approx(3.049, abs=0.002)  # EMT's own
    assert nickel["off_percent"] == pytest.approx(100 * (nickel["a"] / 2.887 - 1))
    assert nickel["off_energy"] == pytest.approx(nickel["formation_energy"] + 0.659)
    assert nickel["agrees"] is False  # 5.6 % off
    assert salt["status"] == UNAVAILABLE and "EMT has no" in salt["reason"] and "agrees" not in salt


def test_the_method_holds_the_pseudopotentials_of_crystals_and_elements(found):
    assert found["method"] == {
        "name": "EMT", "pseudopotentials": {"Al": {"file": "Al.upf"}, "Ni": {"file": "Ni.upf"}}
    }  # fmt: skip


def test_agreement_is_asked_for_in_cell_and_energy(tmp_path, monkeypatch):
    calculator, agreed = Calculator(Emt(), Store(tmp_path), workers=0), []
    energy = known_crystals.compute(["NiAl"], calculator)["crystals"][0]["formation_energy"]
    for a, pbe in ((3.0, energy + 0.09), (3.0, energy + 0.11), (3.12, energy)):
        known = known_crystals.Known("NiAl", 221, KNOWN["NiAl"].sites, a, pbe, -0.65)
        monkeypatch.setitem(KNOWN, "NiAl", known)
        agreed.append(known_crystals.compute(["NiAl"], calculator)["crystals"][0]["agrees"])
    assert agreed == [True, False, False]


class Uncorrected:
    """A potential without corrections that gives PBE's formation energy of MgO, whose cell it leaves alone."""

    def with_elements(self, structures):
        method = {"name": "SevenNet", "corrections": "none"}
        done = {"status": CONVERGED, "reason": "", "method": method}
        records = {
            name: done | {"energy_per_atom": KNOWN[name].pbe - 5.0, "final": structure_record(whole_size(structure))}
            for name, structure in structures.items()
        }
        return records, {symbol: done | {"energy_per_atom": -5.0} for symbol in ("Mg", "O")}


def whole_size(structure):
    return structure.copy().scale_lattice(structure.volume / 0.97**3)


def test_a_potential_without_corrections_is_compared_without_them():
    (oxide,) = known_crystals.compute(["MgO"], Uncorrected())["crystals"]
    assert oxide["off_energy"] == pytest.approx(0) and oxide["agrees"]


def test_the_rows_say_the_numbers_and_the_verdict(found):
    nickel, salt = known_crystals.cells(found["crystals"])
    row = found["crystals"][0]
    assert len(nickel) == len(salt) == len(known_crystals.HEADER)
    assert nickel[:4] == ["NiAl", f"{row['a']:.3f}", "2.887", f"{row['off_percent']:.2f}"]
    assert nickel[-1] == "DIFFERS"
    assert salt[1] == "–" and salt[-1].startswith(f"{UNAVAILABLE}: EMT has no")
    assert known_crystals.cells([row | {"agrees": True}])[0][-1] == "agrees"


@pytest.mark.slow
@pytest.mark.parametrize(("options", "d2"), [([], False), (["--d2"], True), (["--no-d2"], False)])
def test_the_command_is_without_d2_unless_asked_and_writes_what_it_found(tmp_path, monkeypatch, options, d2, capsys):
    chosen = []

    def calculator_of(options):
        chosen.append(options.usual_d2 if options.d2 is None else options.d2)
        return Calculator(Emt(), Store(tmp_path), workers=0)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry, "calculator_of", calculator_of)
    code = main(["known-crystals", "--crystals", "NiAl", "NaCl", *options])
    assert code == 1 and "| NaCl |" in capsys.readouterr().out  # NaCl does not agree
    written = json.loads((tmp_path / "results/known_crystals.json").read_text())
    assert written["method"] == {"name": "EMT"} and [row["formula"] for row in written["crystals"]] == ["NiAl", "NaCl"]
    assert chosen == [d2]


def test_the_mistakes_of_a_user_end_with_code_2(tmp_path, monkeypatch, capsys):
    def refuse(options):
        raise InputError("no such folder")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry, "calculator_of", refuse)
    assert main(["known-crystals"]) == 2 and capsys.readouterr().err == "no such folder\n"
    monkeypatch.setattr(registry, "calculator_of", lambda options: Calculator(Emt(), Store(tmp_path), workers=0))
    assert main(["known-crystals", "--crystals", "NaCl", "XyZ"]) == 2
    assert "--crystals XyZ is not known here: choose from NaCl, MgO, NiAl, AlAs." in capsys.readouterr().err
    (tmp_path / "results").touch()
    assert main(["known-crystals", "--crystals", "NaCl"]) == 2
    assert "results could not be read or written" in capsys.readouterr().err


def test_the_published_results_are_found_under_the_keys_of_today():
    """What the published method says is what the keys were made of: stores made then are still of use."""
    published = json.loads((ROOT / "results" / "published" / "known_crystals.json").read_text())
    assert [row["formula"] for row in published["crystals"]] == list(known_crystals.ASKED)
    assert published["method"]["d2"] is False and published["method"]["spacing"] == 0.35
    for row in published["crystals"]:
        structure = KNOWN[row["formula"]].structure()
        pseudos = {one.symbol: published["method"]["pseudopotentials"][one.symbol] for one in structure.elements}
        method = published["method"] | {"pseudopotentials": pseudos, "cell": True, "limits": LIMITS}
        assert key_of(structure, method) == row["key"]
