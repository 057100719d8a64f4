"""Finding experiments: listed by reading their files, imported only to be run."""

from __future__ import annotations

import ast
import dataclasses
import importlib.util
import shlex
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from jnn.errors import JnnError, mistake
from jnn.files import check_text
from jnn.runs.folders import is_run, read_record
from jnn.wording import DIRECTIONS, did_you_mean


@dataclasses.dataclass(frozen=True, kw_only=True)
class Listing:
    """The description in an experiment's file: its docstring, and the fields of its ``ABOUT``."""

    name: str
    path: Path
    doc: str
    about: dict[str, Any]
    built_in: bool

    def record(self) -> dict[str, Any]:
        """The listing as JSON values."""
        fields = {
            "name": self.name,
            "about": self.doc.strip().split("\n")[0],
            "task": "",
            "models": (),
            "data": (),
            "metric": "",
            "direction": "",
            "expected": "",
            "cost": "",
        }
        return {**fields, **self.about}

    @property
    def metric(self) -> dict[str, str] | None:
        """The metric that counts and its direction, where ``ABOUT`` names one."""
        name = self.about.get("metric")
        return {"name": name, "direction": self.about["direction"]} if name else None


def experiments_folder() -> Path:
    """The folder of the experiments.

    It is within an installed jnn, and beside the package in the repository.
    """
    package = Path(__file__).resolve().parents[1]
    installed = package / "experiments"
    return installed if installed.is_dir() else package.parent / "experiments"


def listings() -> list[Listing]:
    """All experiments that come with jnn, by name."""
    paths = sorted(experiments_folder().glob("[!_]*.py"))
    files = [read_listing(path, built_in=True) for path in paths]
    return [listing for listing in files if listing.about]


def find(name: str) -> Listing:
    """The experiment of that name, or in the ``.py`` file at that path.

    Raises JnnError where there is none.
    """
    if name.endswith(".py"):
        path = Path(name)
        if not path.is_file():
            raise mistake(
                "experiment",
                got=f"{name}, which is not a file",
                expected="a Python file",
                remedy=f"Looked in {Path.cwd()}.",
            )
        return read_listing(check_text(path.resolve(), "experiment"), built_in=False)
    built_in = {path.stem: path for path in experiments_folder().glob("[!_]*.py")}
    listing = read_listing(built_in[name], built_in=True) if name in built_in else None
    if not listing or not listing.about:
        if is_run(Path(name)):
            record = read_record(Path(name))
            of_run = record.get("source") or record["experiment"]
            config = shlex.join(["--config", str(Path(name) / "config.json")])
            remedy = f"Give {of_run}, and `jnn run` {config} for the settings of this run."
            got, expected = f"{name}, the folder of a run", "an experiment"
            raise mistake("experiment", got=got, expected=expected, remedy=remedy)
        built_in.pop(name, None)
        suggestion = did_you_mean(name, built_in) or "See `jnn list`."
        raise JnnError(
            f"Unknown experiment {name!r}. {suggestion} For a file of your own, give PATH.py."
        )
    return listing


def read_listing(path: Path, *, built_in: bool) -> Listing:
    """The description of an experiment, read from its file without running it.

    It is the docstring, and ``ABOUT = About(...)`` with literals alone.
    """
    try:
        # from bytes, Python itself handles a byte order mark and the declared encoding
        tree = ast.parse(path.read_bytes(), filename=str(path))
    except (SyntaxError, ValueError, OSError, RecursionError, MemoryError) as error:
        got = f"{type(error).__name__}: {error}"
        raise mistake(str(path), got=got, expected="Python") from None
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
                place = f"{path}, line {node.lineno}"
                try:
                    about = {str(word.arg): ast.literal_eval(word.value) for word in keywords}
                except ValueError:
                    raise mistake(
                        place,
                        got="an ABOUT that must be computed",
                        expected="keywords with literal values",
                    ) from None
                if about.get("metric") and about.get("direction") not in DIRECTIONS:
                    raise mistake(
                        place,
                        got=f"metric={about['metric']!r}, direction={about.get('direction')!r}",
                        expected='direction="highest" or "lowest": which values are better',
                    )
                return about
    return {}


def load(listing: Listing) -> ModuleType:
    """Import the experiment's file, whose parts `jnn.train.experiment` lists.

    The folder of a user's own file is appended to the import path, so that the file can import its
    neighbours. Raises JnnError where a part is missing.
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
    names = ("main", "load_data", "task")
    parts = [name for name in names if callable(getattr(module, name, None))]
    if "main" not in parts and len(parts) < 2:
        raise mistake(
            str(listing.path),
            got=f"no {'task' if 'load_data' in parts else 'load_data'}",
            expected="functions load_data and task, or main; see jnn run --help",
        )
    return module
