"""The hyperparameters of the networks that are not in the paper: each extends the paper's of ``table6``."""

from dataclasses import dataclass
from typing import Literal

from models.table6 import CGCNNParameters, UNetParameters, VAEParameters

Precision = Literal["float32", "float16", "bfloat16"]  # of the convolutions in training (``precision``)
SHARE_SCALE = 4.0  # of the encoder's composition: a half and a quarter become 2 and 1, which are learned far faster


@dataclass(frozen=True)
class ImprovedVAEParameters(VAEParameters):
    """A VAE with heads for composition and lattice (``improved_vae``)."""

    density_weight: float = 20.0  # of the density's squared error relative to the coordinates' (F37)
    composition_weight: float = 0.1  # of the composition's divergence


@dataclass(frozen=True)
class ImprovedUNetParameters(UNetParameters):
    """A UNet that also receives the amplitudes and radii of local Gaussians (``improved_unet``)."""


@dataclass(frozen=True)
class ImprovedCGCNNParameters(CGCNNParameters):
    """A CGCNN that may learn element vectors and weights of the sites (``cgcnn``)."""

    learned_elements: bool = False  # a trained vector per element beside its 93 features
    readout: Literal["mean", "attention"] = "mean"  # Methods: "node-wise average"; "attention" weighs the sites


NETWORKS = {
    "vae": VAEParameters,
    "improved_vae": ImprovedVAEParameters,
    "unet": UNetParameters,
    "improved_unet": ImprovedUNetParameters,
    "cgcnn": CGCNNParameters,
    "improved_cgcnn": ImprovedCGCNNParameters,
}


def network_name(parameters: VAEParameters | UNetParameters | CGCNNParameters) -> str:
    """Return the name of the network that these hyperparameters describe, as it is written in manifests."""
    return next(name for name, kind in NETWORKS.items() if type(parameters) is kind)
