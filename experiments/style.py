"""How every figure looks: colours that colour-blind readers can tell apart, sizes for print, files that do not vary."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from data_prep.files.atomic import replacing

# Okabe and Ito, "Color Universal Design" (2008)
BLACK, ORANGE, SKY, GREEN, YELLOW, BLUE, VERMILION, PURPLE = (
    "#000000", "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7",
)  # fmt: skip
GREY = "#666666"
OURS, RELEASED, PAPER = BLUE, VERMILION, BLACK  # one colour per origin, in every figure
LABELS = {"ours": "ours", "released": "released weights"}
COLOURS = {"ours": OURS, "released": RELEASED}

LOGARITHMIC = 20  # an axis of losses is logarithmic if its values span more than this factor
WIDTH = 7.0  # inches: two columns of a journal page
SETTINGS = {
    "font.family": "DejaVu Sans",  # comes with Matplotlib: the same on every machine
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "lines.linewidth": 1.2,
    "figure.facecolor": "white",
    "savefig.dpi": 200,
    "svg.hashsalt": "court2020",  # otherwise the ids inside an SVG differ at every rendering
}


@contextmanager
def styled() -> Iterator[None]:
    """Draw with the project's settings inside the block; nothing outside it changes."""
    with matplotlib.rc_context(SETTINGS):
        yield


def over_epochs(axes: Axes, losses: Iterable[float]) -> None:
    """Give ``axes`` whole epochs, and a logarithmic scale if the ``losses`` drawn there span a large factor."""
    values = list(losses)
    low, high = min(values), max(values)
    if low > 0 and high / low > LOGARITHMIC:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 3)))
        axes.yaxis.set_major_formatter("{x:g}")  # shorter than a power of ten: panels stand close together
        axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))


def save(figure: Figure, path: Path) -> list[Path]:
    """Write ``figure`` as SVG and PNG beside each other (``path`` without suffix) and return both paths.

    The same data give the same SVG, byte for byte: no date, fixed ids.
    """
    written = []
    for suffix, metadata in ((".svg", {"Date": None, "Creator": None}), (".png", {"Software": None})):
        target = path.with_name(path.name + suffix)
        with replacing(target) as temporary:
            figure.savefig(temporary, format=suffix[1:], metadata=metadata)
        written.append(target)
    return written
