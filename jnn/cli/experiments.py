"""Finding experiments: listed by reading their files, imported only to be run."""

from __future__ import annotations

import ast
import dataclasses
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from jnn.cli.arguments import did_you_mean
from jnn.errors import JnnError, mistake


@dataclasses.dataclass(frozen=True, kw_only=True)
class Listing:
    """What an experiment's file says of it: its docstring, and the fields of its ``ABOUT``."""

    name: str
    path: Path
    doc: str
    about: dict[str, Any]
    built_in: bool

    def record(self) -> dict[str, Any]:
        """The listing for machines."""
        fields = {"task": "", "models": (), "data": (), "metric": "", "expected": "", "cost": ""}
        return {"name": self.name, "about": self.doc.strip().split("\n")[0], **fields, **self.about}


def experiments_folder() -> Path:
    """Where the experiments lie: within an installed jnn, else beside the package in its
    repository.
    """
    package = Path(__file__).resolve().parents[1]
    installed = package / "experiments"
    return installed if installed.is_dir() else package.parent / "experiments"


def listings() -> list[Listing]:
    """All experiments that come with jnn, by name."""
    found = [
        read_listing(path, built_in=True) for path in sorted(experiments_folder().glob("[!_]*.py"))
    ]
    return [listing for listing in found if listing.about]


def find(name: str) -> Listing:
    """The experiment of that name, or that a path to a ``.py`` file holds. Raises JnnError where
    there is none.
    """
    if name.endswith(".py"):
        path = Path(name)
        if not path.is_file():
            raise mistake(
                "experiment",
                got=f"{name}, which is no file",
                expected="a Python file",
                remedy=f"Looked in {Path.cwd()}.",
            )
        return read_listing(path.resolve(), built_in=False)
    known = {listing.name: listing for listing in listings()}
    if name not in known:
        suggestion = did_you_mean(name, known)
        raise JnnError(
            f"Unknown experiment {name!r}. {suggestion or 'See `jnn list`.'} A file of your own is given as PATH.py."
        )
    return known[name]


def read_listing(path: Path, *, built_in: bool) -> Listing:
    """What the file says of its experiment, read without running it: ``ABOUT = About(...)`` with
    literals alone.
    """
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    except (SyntaxError, UnicodeDecodeError) as error:
        raise mistake(
            str(path), got=f"{type(error).__name__}: {error}", expected="Python"
        ) from None
    return Listing(
        name=path.stem,
        path=path,
        doc=ast.get_docstring(tree) or "",
        about=_about(tree, path),
        built_in=built_in,
    )


def _about(tree: ast.Module, path: Path) -> dict[str, Any]:
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id="ABOUT")], value=ast.Call(keywords=keywords)):
                try:
                    return {
                        str(keyword.arg): ast.literal_eval(keyword.value) for keyword in keywords
                    }
                except ValueError:
                    where = f"{path}, line {node.lineno}"
                    raise mistake(
                        where,
                        got="an ABOUT that must be computed",
                        expected="keywords with literal values",
                    ) from None
    return {}


def load(listing: Listing) -> ModuleType:
    """Import the experiment's file. Raises JnnError where it has no ``Config`` dataclass or no
    ``main``.

    The folder of a user's own file becomes the last place to import from, so that the file can use
    its neighbours.
    """
    if not listing.built_in and str(listing.path.parent) not in sys.path:
        sys.path.append(str(listing.path.parent))
    name = f"experiments.{listing.name}" if listing.built_in else f"jnn_run.{listing.name}"
    spec = importlib.util.spec_from_file_location(name, listing.path)
    assert spec, "a .py file has a spec"
    assert spec.loader, "and a loader"
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where dataclasses and tyro look up the names in annotations
    spec.loader.exec_module(module)
    if not dataclasses.is_dataclass(getattr(module, "Config", None)):
        raise mistake(
            str(listing.path),
            got="no Config",
            expected="a frozen dataclass `Config` with the experiment's options",
        )
    if not callable(getattr(module, "main", None)):
        raise mistake(
            str(listing.path),
            got="no main",
            expected="a function `main(config, run)` that returns {'metrics': {...}}",
        )
    return module
