"""``jnn generate``: text goes to the screen as it comes, a picture into a file, and what cannot be
is refused in a sentence.
"""

import matplotlib.image
import pytest

from jnn.cli import main

TEXT = """

def generate(config, folder, request):
    yield request.prompt
    yield f" {config.epochs} {request.length}"
"""
PICTURE = """

def generate(config, folder, request):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2, 1))
    figure.text(0, 0, request.prompt)
    return figure
"""


@pytest.fixture
def run(folder, capsys):
    """``run(more)``: the folder of a run of ``line.py`` with some more code at its end."""

    def make(more):
        experiment = folder / "line.py"
        experiment.write_text(experiment.read_text() + more)
        assert main(["run", "line.py", "--out", "here", "--quiet"]) == 0
        capsys.readouterr()
        return folder / "here"

    return make


def test_text_goes_to_the_screen(run, capsys):
    run(TEXT)
    assert main(["generate", "here", "--prompt", "Once", "--length", "7"]) == 0
    assert capsys.readouterr().out == "Once 3 7\n"


def test_a_smoke_run_is_called_one(run, capsys):
    here = run(TEXT)
    assert main(["run", "line.py", "--smoke", "--out", "tried", "--quiet"]) == 0
    capsys.readouterr()
    assert main(["generate", "tried"]) == 0
    assert "A smoke run: it proves that everything works" in capsys.readouterr().err
    assert main(["generate", str(here)]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.sampled(2)
@pytest.mark.parametrize("out", ["", "some.png"])
def test_a_picture_goes_into_a_file_whose_name_is_printed(run, folder, capsys, out):
    here = run(PICTURE)
    assert main(["generate", "here", *(["--out", out] if out else [])]) == 0
    path = folder / out if out else here / "generated.png"
    assert capsys.readouterr().out == f"{path}\n"
    assert matplotlib.image.imread(path).ndim == 3


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    ("more", "words", "text"),
    [
        (
            "",
            [],
            "line: got an experiment that cannot generate, expected one with a "
            "function generate(config, folder, request)",
        ),
        (
            TEXT,
            ["--out", "a.png"],
            "--out: got an experiment that generates text, expected one that generates pictures.",
        ),
        (PICTURE, ["--out", "a.gif"], "--out: got a.gif, expected a file that ends with .png."),
        (
            PICTURE,
            ["--out", "nowhere/a.png"],
            "nowhere/a.png: got No such file or directory, expected a place to write to.",
        ),
    ],
)
def test_what_cannot_be_is_said_in_one_sentence(run, capsys, more, words, text):
    run(more)
    assert main(["generate", "here", *words]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert text in err
