"""The settings that every experiment shares."""

import dataclasses

import pytest

from jnn.errors import JnnError
from jnn.train import TrainingConfig


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(TrainingConfig):
    """Settings that follow the data."""

    data: str = "few"
    width: int = 64
    epochs: int = 0

    def __post_init__(self):
        """Fill in what suits the data."""
        self.shrink(epochs=2, width=4)
        self.suit(epochs={"few": 100, "many": 10}[self.data])
        super().__post_init__()


def test_what_is_left_at_its_default_becomes_what_suits_the_data():
    assert (Config().epochs, Config(data="many").epochs, Config(data="many", epochs=3).epochs) == (
        100,
        10,
        3,
    )


def test_a_smoke_run_is_small_but_for_what_is_asked_for():
    smoke, own = Config(smoke=True), Config(smoke=True, width=32, epochs=5)
    assert (smoke.epochs, smoke.width) == (2, 4)
    assert (own.epochs, own.width) == (5, 32)
    assert Config().width == 64


def test_a_config_that_was_saved_comes_back_as_it_was():
    for config in (Config(data="many"), Config(smoke=True, epochs=7)):
        assert Config(**dataclasses.asdict(config)) == config


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epochs": -1}, "got epochs=-1, expected an integer >= 1"),
        ({"skip_bad": 4}, "got skip_bad=4, expected an integer >= 0 and <= 3"),
        (
            {"accumulate": 3, "batch_size": 8},
            "got accumulate=3 for batch_size=8, expected numbers whose product divides it",
        ),
        ({"average_decay": 1.0}, "got average_decay=1.0, expected a fraction"),
    ],
)
def test_mistakes_are_named(settings, message):
    with pytest.raises(JnnError, match=message):
        Config(**settings)
