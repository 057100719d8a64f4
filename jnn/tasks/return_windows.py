"""Windows of the days of several stocks, from which the next return is forecast."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jnn.baselines.volatility import DECAY, weighted_variances
from jnn.data.scaling import Scaling
from jnn.data.series_splits import TimeSplit, side_by_side
from jnn.data.series_windows import forecast_sequences
from jnn.data.sets.stock_market import Market, Stock, changes
from jnn.data.splits import Splits
from jnn.train.preparation import Preparation

OBSERVED = ("return", "size of the return", "log range of the day", "change of the log volume")
FEATURES = 1 + len(OBSERVED)


class ReturnScales(NamedTuple):
    """The scales of a stock in its training days."""

    deviation: float
    """√ of the mean square of its returns."""
    observed: Scaling
    """(4,): of `observations`, in float64."""


def observations(stock: Stock) -> np.ndarray:
    """What is seen of each day, the columns ``OBSERVED``, (D, 4).

    >>> from jnn.data.sets.synthetic_series import synthetic_stocks
    >>> stock = Stock(0, synthetic_stocks(("A",))["A"])
    >>> bool((observations(stock)[:, 0] == stock.returns).all())
    True
    """
    column = stock.series.column
    r, volume = stock.returns, changes(column("volume") + 1)
    spread = np.log(np.log(column("high") / column("low")) + 1e-3)
    return np.stack([r, np.abs(r), spread, volume], axis=1)


def observed_days(market: Market) -> np.ndarray:
    """The observations of all S stocks side by side, on the days that all have, (T, 4 S).

    >>> from jnn.data.sets.stock_market import market_of
    >>> from jnn.data.sets.synthetic_series import synthetic_stocks
    >>> observed_days(market_of(synthetic_stocks(("A", "B")))).shape
    (450, 8)
    """
    stocks = market.stocks.values()
    days = min(len(stock.price) for stock in stocks)
    return np.hstack([observations(stock)[-days:] for stock in stocks])


def return_scales(stock: Stock, train: range) -> ReturnScales:
    """The scales of the days of the stock in ``train``, days of the calendar, and before."""
    days = slice(0, train.stop - stock.first)
    observed = observations(stock)[days]
    deviation = np.sqrt(np.mean(stock.returns[days] ** 2))
    return ReturnScales(deviation, Scaling(observed.mean(axis=0), observed.std(axis=0)))


def return_features(stock: Stock, scales: ReturnScales) -> np.ndarray:
    """The inputs of a network for each day, (D, FEATURES).

    The first is the logarithm of the exponentially weighted variance of the day after, in units of
    ``scales.deviation``, which begins at 1; the others are the scaled `observations`.
    """
    variance = weighted_variances(np.append(stock.returns, 0.0) / scales.deviation, 1.0)[1:]
    observed = (observations(stock) - scales.observed.mean) / scales.observed.deviation
    return np.column_stack([np.log(variance), observed])


def return_windows(
    market: Market, fold: TimeSplit, part: str, *, length: int, origins: int = 1, stride: int = 1
) -> dict[str, np.ndarray]:
    """Windows of all stocks in one part of a fold, with scales of the fold's training days alone.

    ``inputs`` (N, length - 1 + origins, FEATURES); ``target`` (N, origins), the next return in
    units of its deviation; and all (N,), that ``deviation``, of the last target the ``return``
    itself and its ``day``, and the number of the ``stock``. The arguments are those of
    `jnn.data.series_windows.forecast_sequences`.
    """
    parts = []
    for number, stock in enumerate(market.stocks.values()):
        first, days, scales = stock.first, getattr(fold, part), return_scales(stock, fold.train)
        cut = forecast_sequences(
            return_features(stock, scales),
            stock.returns / scales.deviation,
            length=length,
            origins=origins,
            horizons=[1],
            within=range(max(days.start - first, 0), days.stop - first),
            stride=stride,
            reach_back=part != "train",
        )
        day = cut["origin"] + 1
        parts.append(
            {
                "inputs": cut["inputs"].astype(np.float32),
                "target": cut["targets"][:, :, 0].astype(np.float32),
                "deviation": np.full(len(day), scales.deviation, np.float32),
                "return": stock.returns[day].astype(np.float32),
                "day": (day + first).astype(np.int32),
                "stock": np.full(len(day), number, np.int32),
            }
        )
    return {name: np.concatenate([arrays[name] for arrays in parts]) for name in parts[0]}


def walk_forward_windows(
    market: Market, folds: Sequence[TimeSplit], *, length: int, origins: int, tested: float
) -> Splits:
    """Windows of all folds `side_by_side`, (N, folds, ...).

    Those for training have ``origins`` days to forecast from, and overlap by two thirds of them;
    the others have one. Of each stock its last share of days, ``tested``, is tested: test days
    before have the ``count`` 0.

    >>> from jnn.data.series_splits import walk_forward
    >>> from jnn.data.sets.stock_market import market_of
    >>> from jnn.data.sets.synthetic_series import synthetic_stocks
    >>> market, folds = market_of(synthetic_stocks(("A", "B"))), walk_forward(600, folds=3)
    >>> splits = walk_forward_windows(market, folds, length=40, origins=60, tested=0.2)
    >>> splits.train["inputs"].shape[1:], splits.test["target"].shape[1:]
    ((3, 99, 5), (3, 1))
    """
    sizes = {"train": (origins, origins // 3), "validation": (1, 1), "test": (1, 1)}

    def windows(part: str) -> dict[str, np.ndarray]:
        settings = {"length": length, "origins": sizes[part][0], "stride": sizes[part][1]}
        return side_by_side([return_windows(market, fold, part, **settings) for fold in folds])

    train, validation, test = map(windows, sizes)
    starts = np.array([stock.last(tested).start for stock in market.stocks.values()])
    test["count"] = test["count"] * (test["day"] >= starts[test["stock"]])
    return Splits(train, validation, test)


def of_stock(test: Mapping[str, np.ndarray], number: int, values: Any) -> Any:
    """The values (N, folds) of one stock on the test days that count, by day: (days,) each.

    ``values`` is a pytree, ``test`` the test windows of `walk_forward_windows`.

    >>> test = {"stock": np.array([[0, 0], [1, 0]]), "count": np.array([[1, 1], [1, 0]])}
    >>> test |= {"day": np.array([[9, 8], [7, 8]])}
    >>> of_stock(test, 0, np.array([[1, 2], [3, 4]])).tolist()
    [2, 1]
    """
    rows = np.flatnonzero((test["stock"] == number) & (test["count"] > 0))
    rows = rows[np.argsort(test["day"].ravel()[rows])]
    return jax.tree.map(lambda leaf: leaf.ravel()[rows], values)


def market_preparation(market: Market, fold: TimeSplit, *, length: int) -> Preparation:
    """What `jnn.load` needs: inputs are the days of all S stocks, answers are of each.

    Raw inputs are the `observations` of the stocks side by side, ``(..., T, 4 S)``, and are scaled
    by the training days of the ``fold``. Answers ``(..., S)`` are unscaled from its deviations.
    """
    scales = [return_scales(stock, fold.train) for stock in market.stocks.values()]
    observed = Scaling(*map(np.concatenate, zip(*(s.observed for s in scales), strict=True)))
    deviation = np.array([s.deviation for s in scales])
    example = jax.ShapeDtypeStruct((length, len(observed.mean)), jnp.float32)
    columns = tuple(f"{name} {observed}" for name in market.stocks for observed in OBSERVED)
    target = Scaling(0 * deviation, deviation)
    return Preparation(example, scaling=observed, target=target, columns=columns)


def prepared_features(preparation: Preparation, x: jax.Array) -> jax.Array:
    """Days that a `market_preparation` scaled ``(..., T, 4 S)`` -> ``(..., S, T, FEATURES)``.

    They are those of `return_features`, with a variance that begins at the first of the T days: of
    it, 0.94^T is left at the last.
    """
    assert preparation.scaling, "the observations are scaled"
    assert preparation.target, "and so are returns"
    x = jnp.moveaxis(x.reshape(*x.shape[:-1], -1, len(OBSERVED)), -2, 0)  # (S, ..., T, 4)
    wide = lambda values: jnp.asarray(values, x.dtype).reshape(-1, *[1] * (x.ndim - 2))
    mean, deviation = (moment[:: len(OBSERVED)] for moment in preparation.scaling)
    r = (x[..., 0] * wide(deviation) + wide(mean)) / wide(preparation.target.deviation)

    def advance(h, r_t):
        h = DECAY * h + (1 - DECAY) * r_t**2
        return h, h

    variance = jax.lax.scan(advance, jnp.ones_like(r[..., 0]), jnp.moveaxis(r, -1, 0))[1]
    log_variance = jnp.log(jnp.moveaxis(variance, 0, -1))
    return jnp.moveaxis(jnp.concatenate([log_variance[..., None], x], axis=-1), 0, -3)
