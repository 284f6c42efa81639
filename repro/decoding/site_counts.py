"""The classifier of the number of sites: fitted to a run's trained VAE, and read again."""

from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression

from data_prep.errors import InputError
from data_prep.files.atomic import replacing
from data_prep.files.npz import DamagedNpz, read_npz
from models.site_count_classifier import SiteCountClassifier
from repro.run import Run

FILE = "site_counts.npz"
CRYSTALS = 2000  # of the training part, that it is fitted to
DRAWS = 3  # latents of each
STRENGTH = 0.1  # inverse of the regularisation


def fit_site_counts(z_mean: np.ndarray, z_log_var: np.ndarray, sizes: np.ndarray, seed: int) -> SiteCountClassifier:
    """Return the multinomial logistic regression of the numbers of sites ``sizes`` (n,) on draws from the
    posteriors (n, L) of n crystals; the one number, where all have the same.
    """
    if len(only := np.unique(sizes)) == 1:  # scikit-learn refuses a single class
        return SiteCountClassifier(only, np.zeros((z_mean.shape[1], 1)), np.zeros(1))
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((DRAWS, *z_mean.shape), dtype=np.float32)
    z = (z_mean + np.exp(z_log_var / 2) * noise).reshape(-1, z_mean.shape[-1])
    fitted = LogisticRegression(C=STRENGTH, max_iter=300).fit(z, np.tile(sizes, DRAWS))
    if len(fitted.classes_) == 2:  # scikit-learn keeps one score for two classes
        zero = np.zeros_like(fitted.coef_)
        return SiteCountClassifier(
            fitted.classes_, np.concatenate([zero, fitted.coef_]).T, np.array([0.0, *fitted.intercept_])
        )
    return SiteCountClassifier(fitted.classes_, fitted.coef_.T, fitted.intercept_)


def write_site_counts(counts: SiteCountClassifier, path: Path) -> None:
    """Write the classifier, atomically."""
    with replacing(path) as temporary, open(temporary, "wb") as file:
        counts.save(file)


def load_site_counts(path: Path, latent: int) -> SiteCountClassifier:
    """Read what ``write_site_counts`` wrote for vectors of ``latent`` numbers.

    Raises InputError naming the file when it is damaged or does not fit.
    """
    try:
        arrays = read_npz(path)
        found = SiteCountClassifier(arrays["classes"], arrays["weights"], arrays["bias"])
        found.check(latent)
        return found
    except (OSError, DamagedNpz, KeyError, ValueError, TypeError) as error:  # TypeError: text that is no number
        raise InputError(f"{path} is no classifier of the number of sites ({error}): train the VAE again.") from error


def trained_site_counts(run: Run) -> SiteCountClassifier | None:
    """Return the classifier of a run, or None where its VAE has no heads."""
    path = run.folder("train-vae") / FILE
    return load_site_counts(path, run.preset.vae.latent) if path.exists() else None
