"""The paper's hyperparameters (Table 6 and Methods). Those of networks that it does not have: ``beyond_paper``."""

from dataclasses import dataclass

LEAK = 0.3  # of the VAE's LeakyReLU: Keras' default of 2020 (F12)
VAE_EPSILON = 1e-3  # of its batch normalisation: Keras 2's default (F13)
CGCNN_EPSILON = 1e-5  # of the CGCNN's batch normalisation: Xie and Grossman's


@dataclass(frozen=True)
class VAEParameters:
    """Cond-DFC-VAE."""

    alpha: float = 1.0  # Table 6: weight of the perceptual (DFC) term
    beta: float = 0.0005  # Table 6: weight of the Kullback-Leibler divergence
    learning_rate: float = 0.0001  # Table 6: VAE learning rate
    batch_size: int = 20  # Table 6: VAE batch size
    epochs: int = 50  # Methods: "We trained the Cond-DFC-VAE for 50 epochs"
    latent: int = 256  # Results: "256-dimensional electron-density map encoding"
    conditions: int = 10  # Results: formation energy "quantized into deciles"
    filters: tuple[int, ...] = (16, 32, 64, 128)  # F12; the decoder mirrors them
    dense: int = 256  # F12, F13
    condition_copies: int = 1  # the paper concatenates once; the released weights need 4 (F12)
    norm_momentum: float = 0.99  # F13; a short training needs moving statistics that follow faster


@dataclass(frozen=True)
class UNetParameters:
    """3-D multiclass atom segmentation."""

    learning_rate: float = 0.000003  # Table 6: UNet learning rate
    batch_size: int = 10  # Table 6: UNet batch size
    epochs: int = 50  # Methods: "We trained the UNet for 50 epochs"
    filters: int = 32  # F20: first convolution; every other width is a multiple of it
    classes: int = 95  # F7: Z = 0..94
    class_weighting: bool = True  # Methods: inverse class frequency, zero for class 0 (F21)
    norm_momentum: float = 0.99  # F13


@dataclass(frozen=True)
class CGCNNParameters:
    """Crystal graph convolutional network for properties."""

    learning_rate: float = 0.001  # Table 6: CGCNN learning rate
    batch_size: int = 256  # Table 6: CGCNN batch size
    convolutions: int = 1  # Methods: "a single graph-convolution layer"
    atom_features: int = 64  # F26
    hidden: int = 128  # F26
    neighbours: int = 12  # F26
    radius: float = 8.0  # F26, Å
    gaussian_step: float = 0.2  # F26, Å: centres 0, 0.2, .. 8.0, width 0.2
