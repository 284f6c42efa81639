"""From samples of the latent space to candidates, in this process or in others."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from repro.decoding.decoder import Decoder, MapToDecode
from repro.decoding.latents import LatentMaps
from repro.generation.candidates import Candidate, describe
from repro.generation.targets import Target

if TYPE_CHECKING:
    from repro.generation.generator import Generator

Samples = Sequence[tuple[Target, int]]  # a target and a number each
Task = tuple[Samples, list[MapToDecode] | None, list[Candidate] | None]


@dataclass(frozen=True)
class Sampling:
    """What turns samples into candidates.

    The ``generator``, its ``decoder`` into the elements that are allowed, and the middle (L,) of each target's latents.
    """

    generator: "Generator"
    decoder: Decoder
    centres: dict[str, np.ndarray]

    def without_unet(self) -> "Sampling":
        """Return the same for other processes, which have no UNet: each would start a training framework."""
        decoder = replace(self.decoder, unet=_no_unet)
        return replace(self, generator=self.generator.for_other_processes(decoder), decoder=decoder)

    def task(self, samples: Samples, found: list[Candidate] | None) -> Task:
        """Return what another process needs for samples: their segmented maps, if the UNet has to run before."""
        if found is not None or self.generator.sampling.way == "composition":
            return samples, None, found
        maps = self._maps(samples)
        return samples, self.decoder.prepare(maps, self.decoder.segment(maps.maps)), None

    def candidates(self, task: Task) -> list[Candidate]:
        """Return the candidates of samples, unless they are found already."""
        samples, prepared, found = task
        if found is not None:
            return found
        prepared = self.decoder.prepare(self._maps(samples)) if prepared is None else prepared
        outcomes = list(self.decoder.decode(None, prepared, self.generator.sampling.way))
        return describe(samples, outcomes, self.generator)

    def _maps(self, samples: Samples) -> LatentMaps:
        z = self.generator.latents(samples, self.centres, self.decoder.elements)
        return self.generator.autoencoder.decode(z, self.generator.one_hot([one.condition for one, _ in samples]))


def _no_unet() -> None:
    raise RuntimeError("The UNet runs in the first process only.")
