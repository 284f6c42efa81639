"""Whether an autoencoder that was read is the one that was trained."""

import numpy as np

from models.vae import CondDFCVAE
from repro.decoding.latents import Autoencoder, trained_autoencoder
from repro.presets import Preset


def require_equal(found: Autoencoder, vae: CondDFCVAE, preset: Preset) -> None:
    """Fail unless both encode and decode the same to the last digit."""
    expected = trained_autoencoder(vae.encoder, vae.decoder, preset.vae, preset.voxels.grid)
    rng, condition = np.random.default_rng(0), np.eye(preset.vae.conditions, dtype=np.float32)[:2]
    maps = rng.random((2, *[preset.voxels.grid] * 3, 4), dtype=np.float32)
    encoded = [one.encode(maps, condition, [np.array([3, 9]), np.array([11])]) for one in (found, expected)]
    for ours, theirs in zip(*encoded, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    decoded = [one.decode(encoded[0][0], condition).maps for one in (found, expected)]
    np.testing.assert_array_equal(*decoded)
    assert decoded[0].std() > 0
