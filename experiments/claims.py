"""Which of the paper's claims hold in our hands: every row is computed from stored results, none is written by hand."""

from collections.abc import Callable, Sequence
from math import log10
from pathlib import Path

from data_prep.property_labels import PROPERTIES
from experiments.means import mean_of
from experiments.paper import FULL, TABLE1, TABLE2, TABLE4, TABLE4_MAE, TEXT
from experiments.stored_generation import NOISE, WAYS
from experiments.table5 import METRICS
from experiments.tables import markdown, write_table
from repro.evaluation.results import OURS, PAPERS_WAY, Evaluation

NEAR = 0.05  # a number that is neither an error nor a share holds within this distance
CHANCE = 0.1  # of hitting the decile of formation energy that was asked for
NOTE = (
    "An error holds if it is at most the paper's, a share or a count if it is at least the paper's; if the 95 % "
    "interval (brackets) reaches the paper's number it holds as well. A mean or a variance of the latent space "
    f"holds within {NEAR}, an order of magnitude to the nearest power of ten. n: structures, samples, bases or voxels. "
    "Data, split and budget are not the paper's: the sections below say how."
)
_COUNTED = {"yes": True, "no": False, "not measured": None}
HEADER = ("claim", "holds", "paper", "ours", "n", "where")
_VERDICTS = {True: "✓ yes", False: "✗ no", None: "not measured"}


def compute(found: dict[str, dict]) -> dict:
    """Return a row per claim: its words, where the paper makes it, both numbers, and whether it ``holds``.

    ``found`` has what the experiments stored, by name: ``evaluation`` (summed up), ``structures`` (each of them),
    ``table1`` to ``table5``, ``figure2``, ``figure3``, ``figure6`` and ``generate``, the stamp of that stage if it was
    done in one sitting. Claims on what is missing are not measured: ``holds`` is None. Errors in Å, eV/atom, GPa,
    shares of one.
    """
    rows = [row for part in _PARTS for row in part(found)]
    counts = {name: sum(row["holds"] is verdict for row in rows) for name, verdict in _COUNTED.items()}
    return {"rows": rows, "counts": counts, "note": NOTE}


def _row(
    claim: str,
    where: str,
    paper: float | None,
    found: dict | None,
    rule: Callable[[dict, float | None], bool],
    form: str = "{:.3g}",
) -> dict:
    """Return a row; ``found`` has the ``value``, its ``interval`` and the ``count``, ``form`` writes both numbers."""
    measured = found if found and found.get("value") is not None else {"value": None, "interval": None, "count": None}
    holds = bool(rule(measured, paper)) if measured["value"] is not None else None
    return {"claim": claim, "where": where, "paper": paper, "form": form, "holds": holds} | measured


def _at_most(found: dict, paper: float) -> bool:
    return (found["interval"] or [found["value"]])[0] <= paper


def _at_least(found: dict, paper: float) -> bool:
    return (found["interval"] or [found["value"]])[-1] >= paper


def _near(found: dict, paper: float) -> bool:
    return abs(found["value"] - paper) <= NEAR


def _same_order(found: dict, paper: float) -> bool:
    return found["value"] > 0 and round(log10(found["value"])) == round(log10(paper))


def _above_zero(found: dict, _: float | None) -> bool:
    return (found["interval"] or [found["value"]])[0] > 0


def _above_chance(found: dict, _: float | None) -> bool:
    return (found["interval"] or [found["value"]])[0] > CHANCE


def _value(value: float | None, interval: Sequence[float] | None = None, count: int | None = None) -> dict:
    return {"value": value, "interval": list(interval) if interval else None, "count": count}


def _mean(found: dict | None) -> dict | None:
    """Return ``means.mean_of`` or ``share_of`` as a measured value."""
    if not found:
        return None
    return _value(found.get("mean", found.get("share")), found["interval"], found.get("of", found["count"]))


def _evaluation(found: dict[str, dict]) -> Evaluation:
    return Evaluation(found.get("evaluation", {}), found.get("structures", {}))


def _reconstruction(found: dict[str, dict]) -> list[dict]:
    measured = _evaluation(found)
    vae, count = measured.vae(OURS), measured.vae(OURS).get("count")
    lattice = [entry["lattice_error"] for entry in measured.reconstructions(OURS)]
    rows = [
        _row("VAE reconstruction, MSE", "Table 5", FULL.mse, _value(vae.get("mse"), vae.get("mse_interval"), count),
             _at_most),
        _row("KLD of the order of 10² nats", "text", TEXT["kld"].value, _value(vae.get("kld"), None, count),
             _same_order, "{:.0f}"),
    ]  # fmt: skip
    for axis, name in enumerate("abc"):
        value = _mean(mean_of([errors[axis] for errors in lattice]))
        rows.append(_row(f"cell length {name}, MAE (Å)", "Figure 4", TEXT[f"{name}_mae"].value, value, _at_most))
    return rows


def _sites(found: dict[str, dict]) -> list[dict]:
    rows = []
    evaluation = _evaluation(found)
    for way, described in ((PAPERS_WAY, "the UNet's arg-max"), (evaluation.decoders_way, "a fit, our decoder")):
        part = evaluation.sites(OURS, way)
        for key, name, paper in (("emd", "EMD of the sites (Å)", FULL.emd), ("delta_n", "|ΔN| per cell", FULL.delta_n)):
            value = _value(part.get(key), part.get(f"{key}_interval"), part.get("decoded"))
            rows.append(_row(f"{name}, species by {described}", "Table 5", paper, value, _at_most))
    return rows


def _segmentation(found: dict[str, dict]) -> list[dict]:
    unet = _evaluation(found).unet
    recall, f1 = (_value(unet.get(key), None, unet.get("voxels")) for key in ("nonzero_recall_argmax", "f1_masked"))
    recall["count"] = unet.get("occupied_voxels")
    return [
        _row("UNet, recall on occupied voxels", "Table 5", FULL.recall / 100, recall, _at_least, "{:.0%}"),
        _row("UNet, weighted F1 over all voxels (F43)", "text", TEXT["unet_f1"].value / 100, f1, _at_least, "{:.0%}"),
    ]


def _latent(found: dict[str, dict]) -> list[dict]:
    latent = found.get("figure2", {}).get("latent")
    path = found.get("figure2", {}).get("path")
    silhouette = found.get("figure3", {}).get("silhouette", {}).get("latent", {}).get("all")
    rows = []
    for name in ("mean", "variance"):
        value = latent and _value(latent["sampled"][name], None, latent["crystals"])
        rows.append(_row(f"average {name} of the latent dimensions", "Figure 2a", TEXT[f"latent_{name}"].value, value,
                         _near))  # fmt: skip
    new = None
    if path:
        best = max((_new_members(way) for way in path["ways"].values()), default=0)
        new = _value(best, None, path["steps"])
    rows.append(_row("compounds between two perovskites that are not in the training set", "Figure 2c", None, new,
                     _above_zero, "{:.0f}"))  # fmt: skip
    apart = _value(silhouette, None, found.get("figure3", {}).get("structures"))
    rows.append(_row("the families form clusters: silhouette above 0", "Figure 3", None, apart, _above_zero))
    return rows


def _new_members(way: dict) -> int:
    return sum(member["whole"] > 0 and not member["in_training"] for member in way["members"])


def _properties(found: dict[str, dict]) -> list[dict]:
    measured = {PROPERTIES[row["property"]].title: row for row in found.get("table1", {}).get("rows", [])}
    rows = []
    for printed in TABLE1:
        row = measured.get(printed.property)
        value = row and _value(row["mae"], row["mae_interval"], row["n_test"])
        unit = f" ({printed.unit})" if printed.unit else ""
        rows.append(_row(f"{printed.property}, MAE{unit}", "Table 1", printed.mae, value, _at_most))
    return rows


def _filters(found: dict[str, dict]) -> list[dict]:
    group = found.get("table2", {}).get("groups", {}).get("all", {"steps": []})
    ours = {step["step"]: step for step in group["steps"]}
    rows = []
    for printed in TABLE2[1:]:
        step, value = ours.get(printed.step), None
        if step:
            drawn = group["steps"][0]["mean"]
            interval = step["interval"] and [end / drawn for end in step["interval"]]
            value = _value(step["percent"] / 100, interval, step["count"])
        claim = f"samples around a base left after “{printed.step}”"
        rows.append(_row(claim, "Table 2", printed.percent / 100, value, _at_least, "{:.0%}"))
    return rows


def _known(found: dict[str, dict]) -> list[dict]:
    table = found.get("table4")
    mae = table["mae"]["all"] if table else {}
    matches = table and _value(table["counts"]["filtered"])
    rows = [_row("filtered candidates that the database knows, untrained", "Table 4", len(TABLE4), matches, _at_least,
                 "{:.0f}")]  # fmt: skip
    names = {"formation_energy_per_atom": "formation_energy", "energy_per_atom": "energy"}
    for key in ("a", "b", "c", *names, "bulk_modulus", "shear_modulus", "poisson_ratio"):
        name = f"cell length {key} (Å)" if key in "abc" else f"{PROPERTIES[key].title} ({PROPERTIES[key].unit or '–'})"
        printed = getattr(TABLE4_MAE, names.get(key, key))
        claim = f"all candidates that it knows: {name.removesuffix(' (–)')}, MAE"
        rows.append(_row(claim, "Table 4", printed, _mean(mae.get(key)), _at_most))
    return rows


def _relaxed(found: dict[str, dict]) -> list[dict]:
    """Return what relaxing the candidates changes: by DFT if that was done, else by a surrogate that is named."""
    table = found.get("table3_dft") or found.get("table3") or {}
    groups = table.get("groups", {})
    by_way = any(way in groups for way in WAYS)  # in an earlier version all candidates were of the paper's way
    part = groups.get(NOISE if by_way else "all", {})
    how = f" ({table['method']}, {'a surrogate' if table['surrogate'] else 'DFT'})" if table else ""
    quantities = (
        ("bonds_percent_of_cell", "change of bonds in % of the cell", TEXT["dft_bonds"].value),
        ("formation_energy_difference", "formation energy, predicted against calculated (eV/atom)",
         TEXT["dft_energy"].value),
        ("cell_percent", "change of the cell (%)", 0.0),
    )  # fmt: skip
    return [
        _row(f"candidates relaxed{how}: {name}", "Table 3", paper, _mean(part.get(key)), _at_most)
        for key, name, paper in quantities
    ]


def _random(found: dict[str, dict]) -> list[dict]:
    figure = found.get("figure6", {})
    matches, hits = figure.get("matches", {}), figure.get("conditions", {}).get("hits")
    share = TEXT["matches"].value / TEXT["random_valid"].value
    return [
        _row("random samples that are valid", "text", TEXT["random_valid_share"].value / 100,
             _mean(figure.get("valid")), _at_least, "{:.1%}"),
        _row("of these with a predicted formation energy below 0", "text", TEXT["negative_share"].value / 100,
             _mean(figure.get("negative")), _at_least, "{:.0%}"),
        _row("of these with a formula of the database", "text", share, _mean(matches.get("known")), _at_least,
             "{:.1%}"),
        _row("formation energy of these, MAE (eV/atom)", "text", TEXT["matches_energy_mae"].value,
             _mean(matches.get("energy")), _at_most),
        _row("cell lengths of these, MAE (Å)", "text", TEXT["matches_length_mae"].value,
             _mean(matches.get("length")), _at_most),
        _row("structure types beyond those of the training set", "Figure 6a", None,
             _mean(figure.get("beyond_training")), _above_zero, "{:.1%}"),
        _row("predicted formation energy in the decile asked for, above the 10 % of chance", "text", None,
             _mean(hits), _above_chance, "{:.1%}"),
    ]  # fmt: skip


def _orderings(found: dict[str, dict]) -> list[dict]:
    """Return a row per metric of Table 5: how many of the pairs that differ in the paper are ordered as there."""
    rows = []
    for metric, (name, _) in METRICS.items():
        ordering = found.get("table5", {}).get("orderings", {}).get(metric)
        pairs = ordering["pairs"] if ordering else []
        known = bool(pairs) and ordering["holds"] is not None
        value = _value(sum(pair["holds"] for pair in pairs), None, len(pairs)) if known else None
        claim = f"{name}: pairs of ablations that differ as in the paper"
        rows.append(_row(claim, "Table 5", len(pairs) if known else None, value, _at_least, "{:.0f}"))
    return rows


def _speed(found: dict[str, dict]) -> list[dict]:
    stamp = found.get("generate")
    samples, seconds = (stamp["counts"]["samples"], stamp["seconds"]) if stamp else (0, 0)
    value = _value(3600 * samples / seconds, None, samples) if seconds else None
    paper = TEXT["generated"].value / TEXT["generated_hours"].value
    return [_row("candidates an hour, on whatever machine", "text", paper, value, _at_least, "{:,.0f}")]


_PARTS = (
    _reconstruction, _sites, _segmentation, _latent, _properties, _filters, _relaxed, _known, _random, _orderings,
    _speed,
)  # fmt: skip


def cells(claims: dict) -> list[tuple[str, ...]]:
    """Return the rows as text, under ``HEADER``."""
    rows = []
    for row in claims["rows"]:
        form = _writer(row["form"])
        paper = "–" if row["paper"] is None else form(row["paper"])
        ours = "–" if row["value"] is None else form(row["value"])
        if row["interval"]:
            ours += " [" + ", ".join(map(form, row["interval"])) + "]"
        count = "–" if row["count"] is None else f"{row['count']:,}"
        rows.append((row["claim"], _VERDICTS[row["holds"]], paper, ours, count, row["where"]))
    return rows


def _writer(form: str) -> Callable[[float], str]:
    return lambda value: form.format(value).replace("%", " %")


def summary(claims: dict) -> str:
    """Return in one sentence how many claims hold."""
    yes, no, unknown = (claims["counts"][name] for name in _COUNTED)
    return f"Of {len(claims['rows'])} claims {yes} hold, {no} do not, {unknown} were not measured in this run."


def render(claims: dict, path: Path) -> list[Path]:
    """Write ``path``.json and .md; ``path`` has no suffix."""
    return write_table(path, claims, f"{markdown(HEADER, cells(claims))}\n\n{summary(claims)}\n\n{NOTE}")
