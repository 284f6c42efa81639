"""One run: a preset on a source, under a name, with a folder per stage."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from data_prep.errors import InputError
from data_prep.source_names import is_optimade, slug, source_name
from repro.network_folders import PROPERTY_NETWORKS
from repro.presets import Preset
from repro.released.released_files import find_released

RUNS, RESULTS = Path("runs"), Path("results")  # in the user's working folder, as every path that he gives
PUBLISHED = RESULTS / "published"  # those that come with the project
PUBLISHED_CRYSTALS = PUBLISHED / "full-mp_cubic"  # of the run that made the published generator's


@dataclass(frozen=True)
class Run:
    """Where a run reads and writes.

    ``name`` is the preset's, with the source appended when it is not the embedded one, so that runs on
    different data never share a folder; ``--run`` overrides it. ``shared`` is the folder that may hold
    the authors' released weights; ``scheduler`` the address of a Dask cluster that shares the work.
    """

    preset: Preset
    source: str
    name: str
    shared: Path
    scheduler: str | None = None

    def folder(self, stage: str) -> Path:
        """Return ``runs/<name>/<stage>``."""
        return self.work / stage

    @property
    def work(self) -> Path:
        """``runs/<name>``: a folder for each stage."""
        return RUNS / self.name

    @property
    def results(self) -> Path:
        """``results/<name>``: metrics, tables, figures, report."""
        return RESULTS / self.name

    @property
    def source_name(self) -> str:
        """The source without the folder it lies in, as results name it."""
        return source_name(self.source)

    @property
    def property_networks(self) -> Path:
        """The folder of the property networks that rank the run's candidates."""
        return PROPERTY_NETWORKS if self.preset.generate.networks == "published" else self.folder("properties")

    @cached_property  # the folder may be large
    def released_vae(self) -> Path | None:
        """The authors' VAE weights anywhere under ``shared``, or None if their files are not there."""
        try:
            return find_released(self.shared).vae
        except InputError:
            return None


def default_name(preset: str, source: str) -> str:
    """Return the run's name: ``laptop``, ``laptop-mp_cubic``, ``laptop-optimade``."""
    if source == "embedded":
        return preset
    if is_optimade(source):
        return f"{preset}-{slug(source)}"
    return f"{preset}-{Path(source).name.split('.')[0]}"
