"""The paper's claims: what was measured is judged by rule, what was not is said to be so."""

import json

import pytest

from experiments import claims
from experiments.paper import TABLE1
from tests.experiments.test_table5 import as_printed


def row(found: dict[str, dict], claim: str) -> dict:
    return next(row for row in claims.compute(found)["rows"] if row["claim"].startswith(claim))


def evaluation(mse: float, interval: list[float]) -> dict:
    part = {"count": 450, "mse": mse, "mse_interval": interval, "kld": 301.4}
    return {"evaluation": {"vae": {"ours": {"all": part}}}}


def test_nothing_measured_leaves_every_claim_open():
    found = claims.compute({})
    assert len(found["rows"]) > 45 and {row["holds"] for row in found["rows"]} == {None}
    assert claims.summary(found).endswith("0 hold, 0 do not, 52 were not measured in this run.")
    assert all(cells[3] == "–" and cells[1] == "not measured" for cells in claims.cells(found))


@pytest.mark.parametrize(
    ("mse", "interval", "holds"),
    [(0.012, [0.011, 0.0125], True), (0.015, [0.0125, 0.018], True), (0.02, [0.014, 0.03], False)],
)
def test_an_error_holds_where_its_interval_reaches_the_papers(mse, interval, holds):
    found = row(evaluation(mse, interval), "VAE reconstruction")
    assert (found["paper"], found["value"], found["count"], found["holds"]) == (0.013, mse, 450, holds)


def test_an_order_of_magnitude_is_to_the_nearest_power_of_ten():
    assert row(evaluation(0.01, [0.0, 1.0]), "KLD")["holds"] is True
    many = evaluation(0.01, [0.0, 1.0])
    many["evaluation"]["vae"]["ours"]["all"]["kld"] = 400.0
    assert row(many, "KLD")["holds"] is False


def test_a_share_holds_where_its_interval_reaches_the_papers_from_below():
    for share, interval, holds in ((0.999, [0.997, 1.0], True), (0.74, [0.71, 0.77], True), (0.7, [0.67, 0.73], False)):
        figure = {"valid": {"count": 1, "of": 1000, "share": share, "interval": interval}}
        found = row({"figure6": figure}, "random samples that are valid")
        assert (found["holds"], found["count"]) == (holds, 1000)


def test_each_property_has_its_row_with_the_papers_error():
    measured = {"property": "poisson_ratio", "mae": 0.035, "mae_interval": [0.033, 0.038], "n_test": 980}
    found = {"table1": {"rows": [measured]}}
    assert row(found, "Poisson ratio, MAE")["holds"] is True
    names = [one["claim"] for one in claims.compute(found)["rows"] if one["where"] == "Table 1"]
    assert len(names) == len(TABLE1) == 8


def test_the_filters_are_shares_of_the_samples_drawn():
    steps = [{"step": "initial samples", "mean": 200.0, "percent": 100.0, "interval": None, "count": 12}]
    steps.append({"step": "stoichiometric formula", "mean": 60.0, "percent": 30.0, "interval": [50, 72], "count": 12})
    found = row({"table2": {"groups": {"all": {"steps": steps}}}}, "samples around a base left after “stoichiometric")
    assert (found["value"], found["interval"], found["holds"]) == (0.3, [0.25, 0.36], True)
    assert claims.cells({"rows": [found]}) == [
        (found["claim"], "✓ yes", "35 %", "30 % [25 %, 36 %]", "12", "Table 2"),
    ]


def test_the_orderings_of_table_5_count_pairs():
    from experiments import table5

    found = row({"table5": table5.compute(as_printed(seeds=1), "laptop", "made up")}, "mean EMD")
    assert (found["value"], found["paper"], found["holds"]) == (3, 3, True)


def test_new_compounds_on_the_line_are_whole_and_not_in_training():
    members = [
        {"whole": 3, "in_training": False},
        {"whole": 0, "in_training": False},
        {"whole": 5, "in_training": True},
    ]
    latent = {"sampled": {"mean": 0.01, "variance": 0.91}, "crystals": 5000}
    figure = {"latent": latent, "path": {"steps": 1000, "ways": {"unet": {"members": []}, "fit": {"members": members}}}}
    assert row({"figure2": figure}, "compounds between")["value"] == 1
    assert row({"figure2": figure}, "average variance")["holds"] is False
    assert row({"figure2": figure}, "average mean")["holds"] is True


def test_a_surrogate_is_named_and_dft_comes_first():
    part = {name: {"count": 20, "mean": 1.0, "interval": [0.9, 1.1]} for name in
            ("bonds_percent_of_cell", "formation_energy_difference", "cell_percent")}  # fmt: skip
    surrogate = {"method": "CHGNet", "surrogate": True, "groups": {"all": part}}
    assert row({"table3": surrogate}, "candidates relaxed (CHGNet, a surrogate)")["holds"] is True
    few = {name: values | {"count": 2} for name, values in part.items()}
    both = surrogate | {"groups": {"all": part, "noise": few, "neighbours": part}}
    assert row({"table3": both}, "candidates relaxed (CHGNet, a surrogate)")["count"] == 2  # those of the paper's way
    ours = surrogate | {"groups": {"all": part, "neighbours": part}}
    assert row({"table3": ours}, "candidates relaxed (CHGNet, a surrogate)")["holds"] is None
    dft = surrogate | {"method": "Quantum ESPRESSO", "surrogate": False}
    found = {"table3": surrogate, "table3_dft": dft}
    assert row(found, "candidates relaxed (Quantum ESPRESSO, DFT)")["count"] == 20


def test_both_files_are_written(tmp_path):
    found = claims.compute(evaluation(0.01, [0.009, 0.011]))
    claims.render(found, tmp_path / "claims")
    assert json.loads((tmp_path / "claims.json").read_text())["counts"] == {"yes": 1 + 1, "no": 0, "not measured": 50}
    assert (
        "| VAE reconstruction, MSE | ✓ yes | 0.013 | 0.01 [0.009, 0.011] | 450 | Table 5 |"
        in (tmp_path / "claims.md").read_text()
    )
