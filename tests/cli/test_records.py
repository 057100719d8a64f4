"""The files of a run folder are not trusted: whatever is in them ends in a result or in one
message, and nothing of them steers the terminal.
"""

import copy
import json

import pytest

from jnn.cli import main
from jnn.runs.settings import hash_of
from tests.cli.test_compare import made

JUNK = [None, True, -1, 10**30, 1.5, "", "\x1b[31m", "\ud800", [], [[1]], {}]
JUNK += [{"\x1b[2J": "\x07"}]
TEXTS = [b"", b"\xff\xfe", b"[" * 10**5, b'{"a": ' * 500 + b"1" + b"}" * 500, b"null"]
TEXTS += [b'{"a": NaN}', b'{"a": 1e999}', b"9" * 5000, b'{"state": "\\ud800"}']
COMPARE, RESUME, GENERATE = ["compare", "runs"], ["resume", "runs/0"], ["generate", "runs/0"]
COMMANDS = {
    "config.json": (COMPARE, RESUME, GENERATE),
    "env.json": (RESUME,),
    "status.json": (COMPARE, RESUME),
    "summary.json": (COMPARE,),
}


@pytest.fixture
def runs(folder, monkeypatch):
    """Two runs that are done; none is trained again."""
    for seed in (0, 1):
        made(folder / "runs" / str(seed), experiment="straight_line", seed=seed)
    monkeypatch.setattr("jnn.cli.execution.execute", lambda *arguments: arguments[2].close() or 0)
    return folder / "runs"


def places(record, above=()):
    """The paths of all values in a record, itself excepted."""
    inner = record.items() if isinstance(record, dict) else ()
    for name, value in inner:
        yield (*above, name)
        yield from places(value, (*above, name))


def ends_well(command, capsys):
    """The exit code and message of a command that is no bug."""
    code = main(command)
    out, err = capsys.readouterr()
    assert code in (0, 2)
    assert (code == 2) == err.startswith("error: ")
    assert not [char for char in out + err if char in "\x1b\x07\x9b"]
    assert "Traceback" not in err
    return code, err


@pytest.mark.sampled(5)
@pytest.mark.parametrize("file", COMMANDS)
@pytest.mark.parametrize("junk", JUNK, ids=repr)
def test_an_altered_value_ends_in_a_message(runs, capsys, file, junk):
    path = runs / "0" / file
    whole = json.loads(path.read_text())
    if file == "env.json":  # which is read where the config was edited
        record = json.loads((runs / "0" / "config.json").read_text())
        record["config"]["learning_rate"] = 0.3
        (runs / "0" / "config.json").write_text(json.dumps(record))
    for place in places(whole):
        if file == "env.json" and place[0] != "config_at_start":
            continue  # of no concern to any command
        record = copy.deepcopy(whole)
        inner = record
        for name in place[:-1]:
            inner = inner[name]
        inner[place[-1]] = junk
        if file == "config.json" and place[0] == "config":
            # as by one who knows how the config is checked
            record["config_hash"] = hash_of(record["config"] if place != ("config",) else {})
        path.write_text(json.dumps(record))
        for command in COMMANDS[file]:
            ends_well(command, capsys)
            path.write_text(json.dumps(record))


@pytest.mark.sampled(5)
@pytest.mark.parametrize("file", COMMANDS)
@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_a_file_of_another_kind_is_named(runs, capsys, file, text):
    (runs / "0" / file).write_bytes(text)
    read_by_compare = file != "env.json"
    code, message = ends_well(["compare", "runs"], capsys)
    assert (code == 2) == read_by_compare
    assert (file in message) == read_by_compare
    for command in (["resume", "runs/0"], ["generate", "runs/0"]):
        ends_well(command, capsys)


def test_another_number_in_a_summary_is_noticed(runs, capsys):
    path = runs / "0" / "summary.json"
    text = path.read_text()
    path.write_text(text.replace('"test/rmse": 0.1', '"test/rmse": 0.2'))
    assert main(["compare", "runs"]) == 2
    assert "summary.json: got a file that was altered" in capsys.readouterr().err
    record = json.loads(text)
    del record["sha256"]  # as runs of before had none
    path.write_text(json.dumps(record))
    assert main(["compare", "runs"]) == 0


def test_what_is_wrong_in_a_record_is_named(runs, capsys):
    path = runs / "0" / "summary.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps(record | {"metrics": {"test/rmse": "0.1"}, "kept": {"step": 3}}))
    assert main(["compare", "runs"]) == 2
    message = "summary.json: got no valid metrics, kept, expected the file that the run wrote."
    assert message in capsys.readouterr().err
