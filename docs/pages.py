"""Gathers the site's pages: the project's own Markdown where it lies, and a page of docstrings per module.

Nothing is copied into a folder of documentation: links of the README lead to the same files on the site, and
a link to a file that is not there fails the build (``mkdocs build --strict``).
"""

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("data_prep", "models", "repro", "experiments")
PAGES = {
    "README.md": "Overview",
    "weights/MODEL_CARD.md": "Networks",
    "data_prep/embedded/DATA_CARD.md": "Embedded data",
    "CONTRIBUTING.md": "Contributing",
    "CHANGELOG.md": "Changes",
}
LINKED = ("LICENSE", "CITATION.cff", "Makefile", "setup.cfg")  # and what results/published and results/released hold


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Set the navigation: the project's pages, then the modules of each package."""
    config.nav = [{title: path} for path, title in PAGES.items()]
    config.nav.append({"Modules": [{package: _tree(ROOT / package)} for package in PACKAGES]})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the project's pages, the results that they link to, and a page for every module."""
    results = [path for kind in ("published", "released") for path in (ROOT / "results" / kind).rglob("*")]
    linked = [ROOT / name for name in LINKED] + [path for path in results if path.is_file()]
    for path in [*(ROOT / name for name in PAGES), *linked]:
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
    """Return the modules under a package that say something of themselves, ``__main__`` included."""
    return [path for path in sorted(folder.rglob("*.py")) if (path.parent / "__init__.py").exists()]


def _name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def _page(path: Path) -> str:
    return f"modules/{path.relative_to(ROOT).with_suffix('.md').as_posix()}"
