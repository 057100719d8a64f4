import builtins
import dataclasses
import importlib.util
import json
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from jnn.cli import main, options
from jnn.cli.experiments import listings, load
from jnn.cli.options import RunArguments, config_from, parse
from jnn.errors import JnnError
from jnn.files import plain
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
        ({"learning_rate": 0}, "config: got learning_rate=0.0, expected a number > 0."),
    ],
)
def test_a_config_file_that_does_not_fit_is_refused(folder, capsys, record, text):
    (folder / "c.json").write_text(json.dumps(record))
    assert main(["run", "line.py", "--config", "c.json"]) == 2
    assert text in capsys.readouterr().err


@dataclass(frozen=True, kw_only=True)
class Inner:
    rate: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Outer:
    inner: Inner = Inner()
    pair: tuple[int, str] = (1, "a")
    maybe: int | None = None
    path: Path = Path("x")
    options: dict[str, float | bool | str] = field(default_factory=dict)


def test_settings_of_every_kind_come_back_from_json():
    made = Outer(
        inner=Inner(rate=2.0),
        pair=(3, "b"),
        path=Path("y"),
        options={"b1": 0.5, "nesterov": True, "dtype": "bfloat16"},
    )
    assert config_from(Outer, json.loads(json.dumps(plain(made))), "test") == made


@pytest.mark.parametrize(
    ("values", "text"),
    [
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
        (["--optimizer-options.b1", "1"], "options: --optimizer-options.b1, 1. See"),
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
    found = json.loads(printed(capsys, "--config", "mine.json", "--smoke"))
    assert (found["config"]["width"], found["config"]["epochs"]) == (64, 50)


def test_a_setting_without_effect_that_is_asked_for_is_refused_where_it_equals_what_suits(
    follows, capsys
):
    printed(capsys, "--data", "many", "--power", "2")
    for power in ("2", "3"):
        assert main(["run", "follows.py", "--power", power, "--print-config"]) == 2
        message = f"config: got power={power} of few, expected --data many."
        assert message in capsys.readouterr().err
