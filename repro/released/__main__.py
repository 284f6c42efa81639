"""python -m repro.released --shared PATH: the authors' released weights in our networks.

Loads them, compares with the reference outputs, measures them on real structures, and writes
``metrics.json``. The exit code is 1 if the reference is not met, 2 if a file is missing or damaged.
"""

import argparse
import os
import sys
from pathlib import Path

import repro  # noqa: F401  (sets TensorFlow's switches before anything imports it)
from data_prep.crystal import FAMILIES
from data_prep.errors import InputError
from data_prep.exits import stopping
from data_prep.files.atomic import write_json
from repro.backend import start_backend
from repro.generation.request import check_seed
from repro.released.released_files import find_released


def parser() -> argparse.ArgumentParser:
    """Return the command line's parser."""
    main = argparse.ArgumentParser(prog="python -m repro.released", description=__doc__.splitlines()[0])
    main.add_argument(
        "--shared",
        type=Path,
        default=Path(os.environ.get("ICSG_SHARED", "../shared")),
        help="the reference folder or a clone of the authors' repository (default: ../shared)",
    )
    main.add_argument("--out", type=Path, default=Path("results/released"), help="folder for metrics.json")
    main.add_argument("--structures", type=int, default=120, help="structures per family for the VAE (default: 120)")
    main.add_argument("--crystals", type=int, default=512, help="crystals per property for the CGCNN (default: 512)")
    main.add_argument("--seed", type=int, default=0, help="seed of both samples (default: 0)")
    return main


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return 0, or 1 if the reference is not met; leaves with 2 and a sentence if it cannot run."""
    options = parser().parse_args(arguments)
    with stopping("The comparison", after="nothing was written"):
        metrics = write_metrics(**vars(options))
    print(table(metrics))
    print(f"Written to {options.out / 'metrics.json'}.")
    return 1 if metrics["oracle"]["met"] is False else 0


def write_metrics(shared: Path, out: Path, structures: int, crystals: int, seed: int) -> dict:
    """Measure the weights under ``shared`` on samples of real structures and write ``metrics.json`` into ``out``."""
    if structures < 1 or crystals < 1:
        raise InputError("--structures and --crystals must be at least 1.")
    check_seed(seed)
    files = find_released(shared)
    for role, path in files.named().items():
        print(f"{role}: {path}", flush=True)
    start_backend()
    from repro.released.measure_released import Sample, measure  # imports Keras

    metrics = measure(files, Sample(structures, crystals, seed))
    write_json(out / "metrics.json", metrics)
    return metrics


def table(metrics: dict) -> str:
    """Return the tables that the command prints."""
    oracle = metrics["oracle"]
    lines = [f"\nThe reference was not compared: {oracle['reason']}."] if oracle["reason"] else ["\nReference outputs"]
    for item in oracle["quantities"]:
        verdict = "agrees" if item["met"] else f"FAILS (worst {item['worst']})"
        lines.append(
            f"  {item['quantity']:46}{item['count']:4} structures  {item['deviation']:8.1e} relative  {verdict}"
        )
    lines.append(
        f"\nVAE on {metrics['vae']['source']}: MSE, its median, MSE of the density, KLD (nats); "
        "MAE of a b c (Å) by least squares | the release's formula"
    )
    for cell, groups in metrics["vae"]["cells"].items():
        lines += [_vae_row(cell, name, groups[name]) for name in (*FAMILIES, "all") if groups[name]["count"]]
    lines.append(f"\nCGCNN on {metrics['cgcnn']['source']}: MAE in batches of 1, 32, 256")
    for name, result in metrics["cgcnn"]["properties"].items():
        for how in ("masked", "filled"):
            errors = [item["mae"] for item in result["errors"] if item["missing_neighbours"] == how]
            values = "  ".join(f"{error:.3f}" for error in errors)
            lines.append(f"  {name:26} {result['count']} crystals, missing neighbours {how}: {values} {result['unit']}")
    unet = metrics["unet"]
    lines.append(f"\nUNet: {unet['parameters']:,} parameters loaded." if unet else "\nUNet: no weight file there.")
    return "\n".join(lines)


def _vae_row(cell: str, family: str, values: dict) -> str:
    lattice = " | ".join(
        " ".join(f"{error:.3f}" for error in values["lattice_mae"][name]) for name in ("least_squares", "release")
    )
    return (
        f"  {cell:13}{family:5}{values['count']:4}  {values['mse']:.4f}  {values['mse_median']:.4f}"
        f"  {values['density_mse']:.4f}  {values['kld']:5.1f}  {lattice}"
    )


if __name__ == "__main__":
    sys.exit(main())
