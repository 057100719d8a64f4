import builtins
import dataclasses
import datetime
import enum
import importlib.util
import json
import math
import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

import jnn
from jnn.cli import main, options
from jnn.cli.options import RunArguments, parse
from jnn.errors import JnnError
from jnn.files import plain
from jnn.runs.config_values import check_recorded, config_from
from jnn.runs.experiments import listings, load
from jnn.train import SUITED, TrainingConfig


def test_a_config_printed_by_one_run_replays_it_and_options_override_it(folder, capsys):
    assert (
        main(["run", "line.py", "--print-config", "--widths", "5", "6", "7", "--epochs", "9"]) == 0
    )
    (folder / "replay.json").write_text(capsys.readouterr().out)
    assert (
        main(["run", "line.py", "--config", "replay.json", "--epochs", "2", "--quiet", "--json"])
        == 0
    )
    config = json.loads(capsys.readouterr().out)["config"]
    assert (config["widths"], config["epochs"]) == ([5, 6, 7], 2)


@pytest.mark.parametrize(
    ("record", "text"),
    [
        ({"experiment": "other", "config": {}}, "got the config of other, expected one of line."),
        (
            {"config": {"sed": 1}},
            "c.json: got an unknown setting 'sed', expected those of the experiment: seed, smoke",
        ),
        ({"seed": "one"}, "c.json, seed: got 'one', expected int."),
        ({"widths": [1, "two"]}, "c.json, widths: got 'two', expected int."),
        ({"trouble": "much"}, "c.json, trouble: got 'much', expected Literal["),
        ({"learning_rate": 0}, "config: got learning_rate=0, expected a number > 0."),
        ({"config": [1]}, "c.json: got config=[1], expected settings by name."),
        ({"config": {}, "asked": 5}, "c.json: got asked=5, expected a list of names of settings."),
        ({"config": {}, "asked": "seed"}, "c.json: got asked='seed', expected a list of names"),
    ],
)
def test_a_config_file_that_does_not_fit_is_refused(folder, capsys, record, text):
    (folder / "c.json").write_text(json.dumps(record))
    assert main(["run", "line.py", "--config", "c.json"]) == 2
    assert text in capsys.readouterr().err


@dataclass(frozen=True, kw_only=True)
class Inner:
    rate: float = 1.0


class Kind(enum.Enum):
    PLAIN = "p"
    FANCY = "f"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


@dataclass(frozen=True, kw_only=True)
class Outer:
    inner: Inner = Inner()
    kind: Kind = Kind.PLAIN
    levels: tuple[Level, ...] = ()
    digits: frozenset[int] = frozenset()
    words: set[str] = field(default_factory=set)
    by_kind: dict[Kind, float] = field(default_factory=dict)
    layers: tuple[Inner, ...] = ()
    either: Kind | int | None = None
    pair: tuple[int, str] = (1, "a")
    maybe: int | None = None
    path: Path = Path("x")
    options: dict[str, float | bool | str] = field(default_factory=dict)


def test_settings_of_every_kind_come_back_from_json():
    settings = Outer(
        inner=Inner(rate=2.0),
        pair=(3, "b"),
        path=Path("y"),
        options={"b1": 0.5, "nesterov": True, "dtype": "bfloat16"},
        kind=Kind.FANCY,
        levels=(Level.HIGH, Level.LOW),
        digits=frozenset({10, 9}),
        words={"b", "a"},
        by_kind={Kind.FANCY: 1},
        layers=(Inner(rate=3), Inner()),
        either=Kind.FANCY,
    )
    check_recorded(settings, "test")
    assert (plain(settings)["digits"], plain(settings)["words"]) == ([9, 10], ["a", "b"])
    assert plain(config_from(Outer, plain(settings), "test")) == plain(settings)
    assert config_from(Outer, json.loads(json.dumps(plain(settings))), "test") == settings


@dataclass(frozen=True, kw_only=True)
class Other:
    rate: float = 1.0


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (float, math.inf),
        (float | None, math.nan),
        (bytes, b"a"),
        (complex, 1j),
        (dict[int, float], {1: 0.5}),
        (Inner | Other, Other()),
        (Kind | str, "FANCY"),
        (tuple, (1, 2)),
        (datetime.date, datetime.date(2026, 1, 1)),
        (Any, np.ones(2)),
        (float, "fast"),
    ],
)
def test_settings_that_a_run_could_not_read_again_are_refused(kind, value):
    config = dataclasses.make_dataclass("Config", [("x", kind)], frozen=True)(value)
    with pytest.raises(JnnError, match=r"Config of test: got x=.* does not give back, expected"):
        check_recorded(config, "test")


def test_numbers_of_numpy_and_computed_fields_may_be_settings():
    fields = [("x", float), ("y", int), ("z", int, field(init=False, default=3))]
    kind = dataclasses.make_dataclass("Config", fields, frozen=True)
    config = kind(np.float32(0.1), np.int64(4))
    check_recorded(config, "test")
    assert config_from(kind, plain(config), "test") == config


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"kind": "fancy"}, "test, kind: got 'fancy', expected one of PLAIN, FANCY"),
        ({"digits": ["1"]}, "test, digits: got '1', expected int"),
        ({"pair": [1]}, r"test, pair: got \[1\], expected tuple\[int, str\]"),
        ({"maybe": "one"}, r"test, maybe: got 'one', expected int \| None"),
        (
            {"inner": {"rat": 1.0}},
            r"test, inner: got an unknown setting 'rat', .* Did you mean rate\?",
        ),
    ],
)
def test_settings_of_another_kind_are_refused(values, text):
    with pytest.raises(JnnError, match=text):
        config_from(Outer, values, "test")


@pytest.mark.sampled(4)
@pytest.mark.parametrize("listing", listings(), ids=lambda listing: listing.name)
def test_every_boolean_can_be_set_and_unset_whatever_its_default(listing):
    kind = load(listing).Config
    names = [field.name for field in dataclasses.fields(kind) if isinstance(field.default, bool)]
    assert "smoke" in names
    for value, start in ((True, "--"), (False, "--no-")):
        words = {name: start + name.replace("_", "-") for name in names}
        try:
            config, _ = parse("run", listing.name, kind, RunArguments, [*words.values()], [])
        except JnnError as error:  # one does not fit the other settings, and is named
            refused = [name for name in names if f"{name}={value}" in str(error)]
            assert refused
            for name in refused:
                del words[name]
            config, _ = parse("run", listing.name, kind, RunArguments, [*words.values()], [])
        assert {getattr(config, name) for name in words} == {value}
        check_recorded(config, listing.name)


def test_help_describes_a_boolean_by_the_option_that_does_it(folder, capsys):
    experiment = folder / "line.py"
    setting = '    mirror: bool = True\n    """Mirror the line."""\n'
    experiment.write_text(experiment.read_text().replace("    smoke:", f"{setting}    smoke:"))
    assert main(["run", "line.py", "--help"]) == 0
    text = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "--mirror, --no-mirror Mirror the line. (default: True)" in text
    assert "--no-quiet" not in text
    assert main(["run", "line.py", "--no-mirror", "--print-config"]) == 0
    printed = capsys.readouterr().out
    assert '"mirror": false' in printed
    (folder / "c.json").write_text(printed)
    assert main(["run", "line.py", "--config", "c.json", "--mirror", "--print-config"]) == 0
    assert '"mirror": true' in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--width", "1e3"], "--width: got '1e3', expected an integer. See"),
        (["--power", "cubic"], "choice 'cubic' for argument '--power'. Expected one of ('two')."),
        (["--clip", "it's"], '--clip: got "it\'s", expected a number. See'),
        (
            ["--optimizer-options.b1", "1"],
            "Unknown option --optimizer-options.b1. Did you mean --optimizer-options",
        ),
    ],
)
def test_what_the_parser_says_is_put_plainly(words, message):
    @dataclass(frozen=True, kw_only=True)
    class Config(TrainingConfig):
        width: int = SUITED
        power: Literal["two"] = SUITED

        def suited(self):
            return {"width": 8, "power": "two"}

    with pytest.raises(JnnError, match=re.escape(message)):
        parse("run", "mine.py", Config, RunArguments, words, [])


def test_a_last_value_of_a_session_that_has_no_hash_does_not_matter(monkeypatch):
    last = ("digits", [])
    monkeypatch.setattr(builtins, "_", last, raising=False)
    for name in [name for name in sys.modules if name.split(".")[0] == "tyro"]:
        monkeypatch.delitem(sys.modules, name)
    path = Path(options.__file__)
    spec = importlib.util.spec_from_file_location("options_again", path)
    again = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, again)
    spec.loader.exec_module(again)
    assert again.parse
    assert builtins._ is last


FOLLOWS = """
    data: str = "few"
    width: int = SUITED
    power: int = SUITED
    epochs: int = SUITED

    def suited(self):
        return {"width": 4 if self.smoke else 64, "power": 2, "epochs": 2 if self.smoke else 50}

    def __post_init__(self):
        super().__post_init__()
        if self.data == "few":
            self.refuse(["power"], "of few", expected="--data many")
"""


@pytest.fixture
def follows(folder):
    """An experiment whose settings follow from others."""
    text = (Path(__file__).parent / "own.py").read_text(encoding="utf-8")
    text = text.replace("    epochs: int = 2\n", FOLLOWS).replace(
        "import Tra", "import SUITED, Tra"
    )
    (folder / "follows.py").write_text(text)
    return folder


def printed(capsys, *words):
    """What `jnn run follows.py` prints of its settings with these options."""
    assert main(["run", "follows.py", *words, "--print-config"]) == 0
    return capsys.readouterr().out


def test_a_config_file_tells_what_was_asked_for_from_what_suited(follows, capsys):
    (follows / "asked.json").write_text(printed(capsys, "--width", "64"))
    (follows / "suited.json").write_text(printed(capsys))
    asked, suited = (json.loads((follows / f).read_text()) for f in ("asked.json", "suited.json"))
    assert asked["config"] == suited["config"]
    assert (asked["asked"], suited["asked"]) == (["width"], [])
    widths = {}
    for name in ("asked.json", "suited.json"):
        again = json.loads(printed(capsys, "--config", name, "--smoke"))
        widths[name] = (again["config"]["width"], again["config"]["epochs"])
        assert json.loads(printed(capsys, "--config", name)) == json.loads(
            (follows / name).read_text()
        )
    assert widths == {"asked.json": (64, 2), "suited.json": (4, 2)}


def test_settings_alone_in_a_file_are_all_asked_for(follows, capsys):
    (follows / "mine.json").write_text('{"width": 64, "epochs": 50}')
    record = json.loads(printed(capsys, "--config", "mine.json", "--smoke"))
    assert (record["config"]["width"], record["config"]["epochs"]) == (64, 50)


def test_a_setting_without_effect_that_is_asked_for_is_refused_where_it_equals_what_suits(
    follows, capsys
):
    printed(capsys, "--data", "many", "--power", "2")
    for power in ("2", "3"):
        assert main(["run", "follows.py", "--power", power, "--print-config"]) == 2
        message = f"config: got power={power} of few, expected --data many."
        assert message in capsys.readouterr().err


CHOICES = """
class Kind(enum.Enum):
    PLAIN = "p"
    FANCY = "f"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(TrainingConfig):
    kind: Kind = Kind.PLAIN
    sides: frozenset[int] = frozenset({1})
    power: Kind = SUITED
    zero: float = 0

    def suited(self):
        return {"power": self.kind}
"""


def test_a_run_with_an_enum_and_a_set_is_used_again(folder, capsys):
    text = (Path(__file__).parent / "own.py").read_text(encoding="utf-8")
    text = text.replace("import Tra", "import SUITED, Tra").replace(
        "dataclasses\n", "dataclasses, enum\n", 1
    )
    begin, end = text.index("@dataclasses"), text.index("def load_data")
    (folder / "own.py").write_text(text[:begin] + CHOICES + text[end:])
    words = ["--kind", "FANCY", "--sides", "3", "2", "--epochs", "2", "--quiet"]
    assert main(["run", "own.py", *words, "--out", "here"]) == 0
    record = json.loads((folder / "here/config.json").read_text())
    assert [record["config"][name] for name in ("kind", "sides")] == ["FANCY", [2, 3]]
    config = jnn.load("here").config
    assert (config.kind.name, config.power.name, config.sides) == ("FANCY", "FANCY", {2, 3})
    assert main(["resume", "here", "--epochs", "+1", "--quiet"]) == 0
    assert main(["replay", "here"]) == 0
    capsys.readouterr()
    assert main(["run", "own.py", "--config", "here/config.json", "--print-config"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert again["config"] == json.loads((folder / "here/config.json").read_text())["config"]
    assert main(["run", "own.py", "--help"]) == 0
    assert capsys.readouterr().out.count("{PLAIN,FANCY}") == 2


def test_a_config_that_could_not_be_read_again_is_refused_before_the_folder_is_made(folder, capsys):
    experiment = folder / "line.py"
    setting = '    most: float = float("inf")\n    smoke:'
    experiment.write_text(experiment.read_text().replace("    smoke:", setting))
    assert main(["run", "line.py", "--out", "here"]) == 2
    assert "Config of line.py: got most=inf, which config.json" in capsys.readouterr().err
    assert not (folder / "here").exists()


NESTED = """
@dataclasses.dataclass(frozen=True)
class Core:
    mirror: bool = True


@dataclasses.dataclass(frozen=True)
class Inner:
    depth: int = 1
    seed: int = 5
    core: Core = Core()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(TrainingConfig):
    epochs: int = 2
    inner: Inner = Inner()
"""


@pytest.fixture
def nested(folder):
    """An experiment with settings in settings."""
    text = (Path(__file__).parent / "own.py").read_text(encoding="utf-8")
    begin, end = text.index("@dataclasses"), text.index("def load_data")
    (folder / "nested.py").write_text(text[:begin] + NESTED + text[end:])
    return folder


def test_settings_in_settings_are_options_by_their_whole_names(nested, capsys):
    words = ["--inner.depth", "3", "--inner.core.no-mirror", "--inner.seed=7", "--seed", "2"]
    assert main(["run", "nested.py", *words, "--print-config"]) == 0
    printed = capsys.readouterr().out
    config = json.loads(printed)["config"]
    assert config["inner"] == {"depth": 3, "seed": 7, "core": {"mirror": False}}
    assert config["seed"] == 2
    (nested / "c.json").write_text(printed)
    words = ["--config", "c.json", "--inner.depth", "4", "--inner.core.mirror", "--print-config"]
    assert main(["run", "nested.py", *words]) == 0
    inner = json.loads(capsys.readouterr().out)["config"]["inner"]
    assert inner == {"depth": 4, "seed": 7, "core": {"mirror": True}}
    assert main(["run", "nested.py", "--help"]) == 0
    text = capsys.readouterr().out
    assert all(option in text for option in ("--inner.depth INT", "--inner.core.no-mirror"))
    assert " --seed INT" in text
    assert main(["sweep", "nested.py", "--inner.depth", "1,2", "--quiet", "--out", "sweep"]) == 0
    assert "inner.depth" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--depth", "Unknown option --depth. Did you mean --inner.depth"),
        ("--inner.dept", "Unknown option --inner.dept. Did you mean --inner.depth"),
        ("--inner", "Unknown option --inner. "),
        ("--inner.depth=two", "--inner.depth: got 'two', expected an integer. See"),
    ],
)
def test_an_unknown_setting_in_settings_is_refused(nested, capsys, option, message):
    assert main(["run", "nested.py", option]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("columns", ["1", "30"])
def test_help_and_errors_end_in_a_terminal_of_any_width(tmp_path, columns):
    path = tmp_path / "own.py"
    path.write_text(
        "import dataclasses\n\n\n@dataclasses.dataclass(frozen=True)\nclass Config:\n"
        "    seed: int = 0\n\n\ndef main(config, run):\n    return {}\n"
    )
    for words, code in ((["--help"], 0), (["--seed", "x"], 2)):
        command = [sys.executable, "-m", "jnn", "run", str(path), *words]
        environment = os.environ | {"COLUMNS": columns}
        ended = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert ended.returncode == code, ended.stderr
        assert ended.stdout.count("\n") < 500
