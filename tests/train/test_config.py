"""The settings that every experiment shares."""

import dataclasses
import re

import jax.numpy as jnp
import numpy as np
import pytest

import jnn
from jnn.architectures.transformer_block import BlockConfig
from jnn.errors import JnnError
from jnn.train import SUITED, Task, TrainingConfig, in_memory, seed_key, start
from jnn.train.config import Suited


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(TrainingConfig):
    """Settings that follow the data."""

    data: str = "few"
    width: int = SUITED
    limit: float | None = None
    epochs: int = SUITED

    def suited(self):
        """What suits the data."""
        if self.smoke:
            return {"epochs": 2, "width": 4}
        return {"epochs": {"few": 100, "many": 10}[self.data], "width": 64}


def test_what_is_left_open_becomes_what_suits_the_data():
    assert [Config(**given).epochs for given in ({}, {"data": "many"}, {"epochs": 3})] == [
        100,
        10,
        3,
    ]
    assert Config().limit is None


def test_what_is_asked_for_is_never_changed_even_where_it_equals_a_default():
    smoke, asked = Config(smoke=True), Config(smoke=True, width=64, epochs=100)
    assert (smoke.epochs, smoke.width) == (2, 4)
    assert (asked.epochs, asked.width) == (100, 64)


def test_a_config_that_was_saved_comes_back_as_it_was():
    for config in (Config(data="many"), Config(smoke=True, epochs=7)):
        assert Config(**dataclasses.asdict(config)) == config


def test_what_was_asked_for_is_told_from_what_suits():
    suits, asks = Config(), Config(width=64, epochs=100)
    assert suits == asks
    assert (suits.asked, asks.asked) == (frozenset(), {"width", "epochs"})
    for changes, epochs in (({"data": "many"}, 10), ({"smoke": True}, 2), ({"seed": 1}, 100)):
        assert suits.replace(**changes).epochs == epochs
        assert asks.replace(**changes).epochs == 100
    assert suits.replace(epochs=3).replace(data="many").epochs == 3


def test_a_value_that_was_not_asked_for_and_suits_no_longer_is_kept():
    old = Config(width=Suited(32), epochs=Suited(100))
    assert (old.width, old.epochs, old.asked) == (32, 100, frozenset())
    changed = old.replace(data="many")
    assert (changed.width, changed.epochs, changed.asked) == (32, 10, frozenset())


def test_a_setting_that_nothing_suits_is_found():
    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Forgetful(TrainingConfig):
        width: int = SUITED

    with pytest.raises(JnnError, match=r"Forgetful: got no value of width in suited\(\)"):
        Forgetful()
    assert Forgetful(width=3).width == 3


@pytest.mark.parametrize(
    ("annotation", "why"),
    [
        ("Fraction | None", "name 'Fraction' is not defined"),  # under TYPE_CHECKING, say
        ("jnn.Fraction", "module 'jnn' has no attribute 'Fraction'"),
        ("tuple[int", ""),  # as Python puts it
    ],
)
@pytest.mark.parametrize("base", [TrainingConfig, BlockConfig])
def test_an_annotation_that_cannot_be_read_is_named(base, annotation, why):
    fields = [("share", annotation, None)]
    config = dataclasses.make_dataclass(
        "Shared",
        fields,
        bases=(base,),
        frozen=True,
        kw_only=True,
        namespace={"__module__": __name__},
    )
    message = f"Shared: got an annotation that cannot be read ({why}"
    with pytest.raises(JnnError, match=re.escape(message)):
        config()


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_a_precision_that_the_model_ignores_is_refused(precision):
    config = TrainingConfig(precision=precision, batch_size=4)
    arrays = {"x": np.ones((4, 3), np.float32)}

    def task(model):
        def objective(params, state, batch, key):
            y, state = model.apply(params, state, batch["x"])
            return jnp.mean(jnp.square(y.astype(jnp.float32))), (state, {})

        return Task(
            model=model, objective=objective, feed=in_memory(arrays, 4), example=arrays["x"][0]
        )

    with pytest.raises(JnnError, match=f"precision: got {precision}, expected a model that compu"):
        start(task(jnn.dense(2)), config, seed_key(0))
    start(task(config.cast(jnn.dense(2))), config, seed_key(0))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epochs": -1}, "got epochs=-1, expected an integer from 1 to 2147483647"),
        ({"skip_bad": 4}, "got skip_bad=4, expected an integer from 0 to 3"),
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


@pytest.mark.parametrize(
    ("value", "ends", "message"),
    [
        (0, {"least": 1}, "got size=0, expected an integer >= 1"),
        (2.0, {"least": 1}, "got size=2.0, expected an integer >= 1"),
        (True, {"least": 1}, "got size=True, expected an integer >= 1"),
        (4, {"least": 1, "most": 3}, "got size=4, expected an integer from 1 to 3"),
        (-0.5, {"least": 0.0}, "got size=-0.5, expected a number >= 0"),
        (
            float("nan"),
            {"least": 0.0, "most": 0.5},
            "size=nan, expected a number from 0 to 0.5",
        ),
        ("3", {"least": 0.0}, "got size='3', expected a number >= 0"),
    ],
)
def test_settings_out_of_range_are_refused(value, ends, message):
    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Sized(TrainingConfig):
        size: float = 2

        def __post_init__(self):
            super().__post_init__()
            self.require("size", **ends)

    assert Sized(size=ends["least"]).size == ends["least"]
    with pytest.raises(JnnError, match=message):
        Sized(size=value)


def test_more_than_can_be_counted_is_refused():
    with pytest.raises(JnnError, match=r"got epochs=1000000000000, expected an integer from 1 to "):
        TrainingConfig(epochs=10**12)
