"""`jnn explain` on a user's own experiment, without a line of his for it."""

import json
import re
import shutil
from pathlib import Path

import pytest

from jnn.cli import main
from jnn.runs import RunOptions
from jnn.runs.experiments import find, load
from jnn.runs.run import Run
from jnn.train.experiment import main_of

OWN = (Path(__file__).parent / "own.py").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    source = tmp_path_factory.mktemp("explain") / "own.py"
    source.write_text(OWN.replace("jnn.dense(2)", "config.cast(jnn.chain(out=jnn.dense(2)))"))
    module = load(find(str(source)))
    options = RunOptions(quiet=True)
    config, out = module.Config(epochs=1, precision="bfloat16"), source.parent / "out"
    with Run.create("own", config, out=out, source=source, options=options) as run:
        run.finish(main_of(module)(config, run))  # and no report, which takes its time
    return out


def test_it_writes_a_page_that_needs_nothing_else(run, capsys):
    capsys.readouterr()
    assert main(["explain", str(run)]) == 0
    assert capsys.readouterr().out.strip() == str(run / "lab.html")
    page = (run / "lab.html").read_text(encoding="utf-8")
    data = json.loads(re.search(r"const LAB = (\{.*\});\n", page)[1])
    assert [value["path"] for value in data["values"]] == ["out/output"]
    assert (data["kind"], data["input"]["kind"], data["input"]["part"]) == (
        "classes",
        "table",
        "test",
    )
    assert len(data["input"]["examples"]) == 12
    assert str(run.parent) not in page
    assert "computed in bfloat16, and this page computes in float32" in page
    assert not re.search(r"(?:src|href)=\"(?!data:)", page)


def test_what_it_shows_of_a_run_is_what_the_run_wrote(run, tmp_path, capsys):
    copy = shutil.copytree(run, tmp_path / "copy")
    log = (run / "metrics.jsonl").read_text()
    other = "1" if (digit := re.search(r'"train/loss": 0\.(\d)', log))[1] == "0" else "0"
    (copy / "metrics.jsonl").write_text(log[: digit.start(1)] + other + log[digit.end(1) :])
    for words in (["explain", str(copy)], ["diff", str(copy), str(run), "--logs"]):
        assert main(words) == 2
        assert "metrics.jsonl: got rows up to step" in capsys.readouterr().err
    (copy / "metrics.jsonl").write_text(log)
    (copy / "summary.json").write_text('{"metrics": 5}')
    assert main(["explain", str(copy)]) == 2
    assert "summary.json: got no valid metrics, metric" in capsys.readouterr().err


def test_what_is_no_run_is_named(tmp_path, capsys):
    assert main(["explain", str(tmp_path)]) == 2
    assert str(tmp_path) in capsys.readouterr().err
