"""The notebooks: as committed they hold their pictures and no errors, and they run."""

import ast
import json
import re
from pathlib import Path
from types import ModuleType

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
MOST_CHARACTERS = 450_000  # so that a page loads at once and a change can be reviewed
# a cell on a busy machine; all of a notebook takes less than a minute on two idle cores
SECONDS = 600
ABSOLUTE_PATH = re.compile(
    r"(?<![\w.:/])/(?:home|root|tmp|work|usr|opt|Users|private|var)/|[A-Z]:\\\\"
)

each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def _code_cells(notebook):
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def _kinds(notebook):
    """What each cell shows: pictures, text."""
    return [
        [sorted(output.get("data", {})) for output in cell["outputs"] if "data" in output]
        for cell in _code_cells(notebook)
    ]


def test_there_are_notebooks():
    assert NOTEBOOKS


@each
def test_is_committed_as_executed(path):
    cells = _code_cells(json.loads(path.read_text()))
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    kinds = [output["output_type"] for cell in cells for output in cell["outputs"]]
    assert "error" not in kinds
    pictures = [
        output
        for cell in cells
        for output in cell["outputs"]
        if "image/png" in output.get("data", {})
    ]
    assert len(pictures) >= 5
    assert not [
        output for cell in cells for output in cell["outputs"] if output.get("name") == "stderr"
    ]


@each
def test_is_small_and_names_no_place_on_disk(path):
    text = path.read_text()
    assert len(text) < MOST_CHARACTERS
    without_pictures = re.sub(r'"image/png": "[^"]*"', "", text)
    assert not ABSOLUTE_PATH.findall(without_pictures)


@each
def test_names_of_jnn_exist(path):
    """So that a name that moves is found where notebooks cannot be run."""
    cells = _code_cells(json.loads(path.read_text()))
    lines = [line for cell in cells for line in "".join(cell["source"]).splitlines()]
    tree = ast.parse("\n".join(line for line in lines if not line.startswith("%")))
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("jnn"):
            exec(ast.unparse(node), names)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            module = names.get(node.value.id)
            if isinstance(module, ModuleType):
                assert hasattr(module, node.attr), ast.unparse(node)


@pytest.mark.slow
@each
def test_runs(path, monkeypatch):
    nbformat = pytest.importorskip(
        "nbformat", reason="running notebooks needs nbclient and ipykernel"
    )
    nbclient = pytest.importorskip(
        "nbclient", reason="running notebooks needs nbclient and ipykernel"
    )
    pytest.importorskip("ipykernel", reason="running notebooks needs nbclient and ipykernel")
    monkeypatch.setenv("PYTHONPATH", str(path.parents[1]))
    for name in ("MPLBACKEND", "XLA_FLAGS"):  # as a reader has it, not as the tests do
        monkeypatch.delenv(name, raising=False)
    notebook = nbformat.read(path, as_version=4)
    nbclient.NotebookClient(
        notebook,
        timeout=SECONDS,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
    ).execute()
    assert _kinds(notebook) == _kinds(json.loads(path.read_text()))
