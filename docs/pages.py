"""Gathers the site's pages: the project's Markdown files from their own folders, and a page of docstrings per module.

Nothing is copied into the documentation folder: links of the README lead to the same files on the site, and
a link to a missing file fails the build (``mkdocs build --strict``).
"""

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("data_prep", "models", "repro", "experiments")
PAGES = {
    "Overview": "README.md",
    "Use": {
        "All pages": "docs/index.md",
        "Generating and reconstructing": "docs/generating.md",
        "Properties": "docs/properties.md",
        "Stability": "docs/stability.md",
        "Judging crystals": "docs/scoring.md",
        "Relaxing": "docs/relaxing.md",
        "Data": "docs/data.md",
        "Python": "docs/python-api.md",
        "Targets": "docs/targets.md",
    },
    "Judge": {
        "Results": "docs/results.md",
        "Deviations": "docs/deviations.md",
        "Findings": "docs/findings.md",
        "What it took": "docs/what-it-took.md",
        "Reliability": "docs/reliability.md",
        "Speed": "docs/performance.md",
        "Networks": "weights/MODEL_CARD.md",
        "Embedded data": "data_prep/embedded/DATA_CARD.md",
        "Base compounds": "data_prep/bases/DATA_CARD.md",
        "Convex hull": "data_prep/hull/DATA_CARD.md",
        "Bases": "data_prep/bases/DATA_CARD.md",
    },
    "Change": {"Contributing": "CONTRIBUTING.md", "Changes": "CHANGELOG.md"},
}
LINKED = ("LICENSE", "CITATION.cff", "Makefile", "setup.cfg")  # and what results/published and results/released hold


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Set the navigation: the project's pages, then the modules of each package."""
    config.nav = [
        {title: pages if isinstance(pages, str) else [{name: path} for name, path in pages.items()]}
        for title, pages in PAGES.items()
    ]
    config.nav.append({"Modules": [{package: _tree(ROOT / package)} for package in PACKAGES]})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the project's pages, the results that they link to, and a page for every module."""
    pages = [path for group in PAGES.values() for path in ([group] if isinstance(group, str) else group.values())]
    results = [path for kind in ("published", "released") for path in (ROOT / "results" / kind).rglob("*")]
    linked = [ROOT / name for name in LINKED] + [path for path in results if path.is_file()]
    for path in [*(ROOT / name for name in pages), *linked]:
        uri = path.relative_to(ROOT).as_posix()
        files.append(File.generated(config, uri, abs_src_path=str(path)))
    for package in PACKAGES:
        for path in _modules(ROOT / package):
            files.append(File.generated(config, _page(path), content=f"::: {_name(path)}\n"))
    return files


def _tree(folder: Path) -> list:
    """Return the navigation of a package: its modules, then its packages."""
    own = [path for path in _modules(folder) if path.parent == folder]
    entries: list = [{"(package)" if path.stem == "__init__" else path.stem: _page(path)} for path in own]
    inner = sorted(path for path in folder.iterdir() if (path / "__init__.py").exists())
    return entries + [{path.name: _tree(path)} for path in inner]


def _modules(folder: Path) -> list[Path]:
    """Return the modules under a package, ``__main__`` included."""
    return [path for path in sorted(folder.rglob("*.py")) if (path.parent / "__init__.py").exists()]


def _name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def _page(path: Path) -> str:
    return f"modules/{path.relative_to(ROOT).with_suffix('.md').as_posix()}"
