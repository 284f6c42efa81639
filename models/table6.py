"""The paper's hyperparameters (Table 6 and Methods), once. Presets replace sizes and budgets only."""

from dataclasses import dataclass


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
    heads: bool = False  # not in the paper: composition and lattice are decoded first (improved_vae.py)
    density_weight: float = 20.0  # with heads: the density's squared error against the coordinates' (F37)
    composition_weight: float = 0.1  # with heads: the composition's cross-entropy
    schedule: str = "constant"  # learning rate over the steps: "constant" or "cosine"
    warmup_steps: int = 0  # linear rise before the schedule
    norm_momentum: float = 0.99  # F13; a short training needs moving statistics that follow faster
    start_from_statistics: bool = False  # not in the paper: see ``start_from_statistics`` in vae.py


@dataclass(frozen=True)
class UNetParameters:
    """3-D multiclass atom segmentation."""

    learning_rate: float = 0.000003  # Table 6: UNet learning rate
    batch_size: int = 10  # Table 6: UNet batch size
    epochs: int = 50  # Methods: "We trained the UNet for 50 epochs"
    filters: int = 32  # F20: first convolution; every other width is a multiple of it
    classes: int = 95  # F7: Z = 0..94
    class_weighting: bool = True  # Methods: inverse class frequency, zero for class 0 (F21)
    gaussian: bool = False  # not in the paper: told amplitudes and radii (improved_unet.py)
    crop: int = 0  # edge of the training crops in voxels; 0 trains on whole maps
    schedule: str = "constant"
    warmup_steps: int = 0
    norm_momentum: float = 0.99


@dataclass(frozen=True)
class CGCNNParameters:
    """Crystal graph convolutional network for properties."""

    learning_rate: float = 0.001  # Table 6: CGCNN learning rate
    batch_size: int = 256  # Table 6: CGCNN batch size
    epochs: int = 500  # not in the paper: an upper bound, early stopping decides
    patience: int = 40  # not in the paper: epochs without improvement before stopping
    schedule: str = "constant"  # learning rate over the steps: "constant" or "cosine"
    steps_per_epoch: int = 30  # not in the paper: a property with fewer batches passes over them several times
    transfer_epochs: int = 500  # as ``epochs``, for the properties that start from formation energy
    head_epochs: int = 10  # transfer: epochs in which only the head is trained, before the fine-tuning (SI)
    members: int = 5  # not in the paper: networks for formation energy, whose spread tells the uncertainty
    convolutions: int = 1  # Methods: "a single graph-convolution layer"
    atom_features: int = 64  # F26
    hidden: int = 128  # F26
    neighbours: int = 12  # F26
    radius: float = 8.0  # F26, Å
    gaussian_step: float = 0.2  # F26, Å: centres 0, 0.2, .. 8.0, width 0.2
    learned_elements: bool = False  # not in the paper: a trained vector per element beside its 93 features
    readout: str = "mean"  # Methods: "node-wise average"; "attention" weighs the sites (not in the paper)
