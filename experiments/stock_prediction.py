"""Forecast tomorrow's stock prices and their variance by an LSTM and a convolutional network.

Both networks predict the mean and the variance of the next day's return, trained side by side.
Nothing here beats "tomorrow's price is today's" by a margin that matters, and the report shows
that. How much a price will move is another matter: quiet days follow quiet days.

Source    Walk-forward evaluation: each stretch of the test days is predicted by networks trained
          on the years before it. LSTM: Hochreiter, Schmidhuber 1997; temporal convolutions: Bai,
          Kolter, Koltun 2018, https://arxiv.org/abs/1803.01271. Variances are compared by QLIKE:
          Patton 2011, https://doi.org/10.1016/j.jeconom.2010.03.034.
Data      stocks: adjusted daily prices of AAPL, IBM, MSFT and GOOG to 2013-03-01, from 2000-03-01,
          GOOG from 2004-08-19 (Quandl WIKI). The last 20 % of each stock's days are for the test.
          No scale of a network knows a day after its training part.
Baselines Of prices: the last price (persistence), with the mean return (drift), ridge regression on
          20 returns, the mean of 5 days. Of variances: the mean square, its exponentially weighted
          mean, GARCH(1,1). All are fitted to what came before each stretch.
Command   jnn run stock_prediction [--seed 0]
Result    Mean and standard deviation over seeds 0, 1, 2; a run takes 1.5 min of processor time on
          an Intel Xeon. RMSE of the return over that of persistence: both networks
          0.9990 +- 0.0004, drift 0.9992, ridge regression 1.0069; no method is better by a margin
          that matters.

          RMSE in dollars    AAPL     IBM      MSFT     GOOG
          both networks      1.0828   1.7622   0.3110   5.1858  (seed 0)
          persistence        1.0824   1.7627   0.3112   5.2042

          QLIKE of the variance: both networks -7.582 +- 0.004, GARCH(1,1) -7.466, weighted -7.441,
          constant -7.132.
"""

import dataclasses
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import jnn
from jnn import losses
from jnn.architectures.rnn import RNNConfig, rnn
from jnn.architectures.tcn import TCNConfig, tcn
from jnn.baselines.returns import ReturnForecasts, mean_qlike, return_baselines, rmse_ratio
from jnn.baselines.volatility import weighted_variances
from jnn.data.series_splits import TimeSplit, side_by_side, walk_forward
from jnn.data.series_windows import forecast_sequences
from jnn.data.sets.series import Series, load_stocks
from jnn.data.sets.stock_market import Market, Stock, changes, market_of
from jnn.data.sets.synthetic_series import synthetic_stocks
from jnn.data.splits import Splits
from jnn.runs import About
from jnn.scores.returns import of_returns
from jnn.train import SUITED, Task, TrainingConfig, in_memory, make_evaluate, once, predict_all

ABOUT = About(
    task="stock prediction",
    models=("lstm and tcn",),
    data=("stocks",),
    metric="test/rmse_ratio",
    direction="lowest",
    expected="0.9990 ± 0.0004",
    cost="1.5 min of processor time",
)
TICKERS = ("AAPL", "IBM", "MSFT", "GOOG")
NETWORKS = ("lstm", "tcn")
SUFFIXES = {
    "both": "",
    "lstm": "_lstm",
    "tcn": "_tcn",
    "constant": "_constant",
    "weighted": "_weighted",
    "GARCH(1,1)": "_garch",
}
"""Of the metrics, by method."""
DAYS = 40  # before a forecast that a network sees, at least
ORIGINS = 60  # days of a training window that forecasts are made from
FEATURES = 5
TESTED = 0.2  # of the days of each stock


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(TrainingConfig):
    """The settings of a run. The defaults are a first guess, and were not tuned."""

    folds: int = SUITED
    """Stretches of test days, each with networks of its own."""
    width: int = SUITED
    """Features of each layer of both networks."""
    dropout: float = 0.2
    """Fraction of the features that is dropped in training."""
    epochs: int = SUITED
    batch_size: int = 32
    learning_rate: float = 3e-3
    weight_decay: float = 0.3
    clip: float = 1.0

    def suited(self) -> dict[str, Any]:
        """Small networks of two folds, trained for one epoch, in a smoke run."""
        folds, width, epochs = (2, 4, 1) if self.smoke else (6, 16, 40)
        return {"folds": folds, "width": width, "epochs": epochs}

    def __post_init__(self):
        """Fill in what was not asked for, and refuse what cannot be right."""
        super().__post_init__()
        self.require("folds", least=1)


def load_data(config: Config, *, offline: bool = False) -> Market:
    """The stocks on one calendar; in a smoke run random walks."""
    series = synthetic_stocks(TICKERS) if config.smoke else load_stocks(offline=offline)
    return market_of({ticker: series[ticker] for ticker in TICKERS})


def observations(days: Series) -> np.ndarray:
    """(D, 4): the return, its size, the log range of the day, the change of the log volume."""
    r, volume = changes(days.column("adjusted_close")), changes(days.column("volume") + 1)
    spread = np.log(np.log(days.column("high") / days.column("low")) + 1e-3)
    return np.stack([r, np.abs(r), spread, volume], axis=1)


def windows(
    market: Market, fold: TimeSplit, part: str, origins: int, stride: int
) -> dict[str, np.ndarray]:
    """Windows of all stocks in one part of a fold, with scales of the fold's training days alone.

    ``inputs`` (N, T, FEATURES), the first of which is the logarithm of the exponentially weighted
    variance; ``target`` (N, origins), the next return in units of its deviation; and all (N,), that
    ``deviation``, of the last target the ``return`` itself and its ``day``, and the number of the
    ``stock``.
    """
    parts = []
    for number, stock in enumerate(market.stocks.values()):
        first, r, observed = stock.first, stock.returns, observations(stock.series)
        train, days = slice(0, fold.train.stop - first), getattr(fold, part)
        deviation = np.sqrt(np.mean(r[train] ** 2))
        # of the day after each
        variance = weighted_variances(np.append(r, 0.0) / deviation, 1.0)[1:]
        scaled = (observed - observed[train].mean(axis=0)) / observed[train].std(axis=0)
        cut = forecast_sequences(
            np.column_stack([np.log(variance), scaled]),
            r / deviation,
            length=DAYS,
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
                "deviation": np.full(len(day), deviation, np.float32),
                "return": r[day].astype(np.float32),
                "day": (day + first).astype(np.int32),
                "stock": np.full(len(day), number, np.int32),
            }
        )
    return {name: np.concatenate([arrays[name] for arrays in parts]) for name in parts[0]}


def all_windows(market: Market, folds: list[TimeSplit]) -> Splits:
    """Windows of all folds side by side; test days before a stock's own have the weight 0."""
    parts = {"train": (ORIGINS, ORIGINS // 3), "validation": (1, 1), "test": (1, 1)}
    train, validation, test = (
        side_by_side([windows(market, fold, part, *sizes) for fold in folds])
        for part, sizes in parts.items()
    )
    starts = np.array([stock.last(TESTED).start for stock in market.stocks.values()])
    test["count"] = test["count"] * (test["day"] >= starts[test["stock"]])
    return Splits(train, validation, test)


def build_model(config: Config) -> jnn.Model:
    """x ``(folds, ..., T, FEATURES)`` -> {network: y ``(folds, ..., T, 2)``}."""
    settings = {"outputs": 2, "dropout": config.dropout}
    lstm = rnn(RNNConfig(**settings, cell="lstm", width=config.width, depth=1))
    convolutional = tcn(TCNConfig(**settings, channels=(config.width,) * 3, kernel_size=3))
    networks = config.cast(jnn.parallel(lstm=lstm, tcn=convolutional))
    return jnn.ensemble(networks, config.folds, x_axis=0)


def describe(config: Config) -> tuple[jnn.Model, jax.ShapeDtypeStruct]:
    """The model and the shape of one example."""
    return build_model(config), jax.ShapeDtypeStruct((config.folds, DAYS, FEATURES), jnp.float32)


def task(config: Config, market: Market) -> Task:
    """Normal log-likelihood; params are kept by that of the validation days."""
    model, folds = build_model(config), walk_forward(len(market.time), folds=config.folds)
    splits = all_windows(market, folds)

    def forecast(params, state, inputs, **options):
        """Mean and log variance of the next scaled return, ``(N, folds, origins)`` by network.

        An output is small at first, so that training starts from a mean near zero and from the
        exponentially weighted variance.
        """
        outputs, _ = model.apply(params, state, jnp.moveaxis(inputs, 1, 0), **options)
        last = lambda y: 0.1 * jnp.moveaxis(y, 0, 1)[:, :, DAYS - 1 :].astype(jnp.float32)
        changes = {name: last(y) for name, y in outputs.items()}
        log_variance = inputs[:, :, DAYS - 1 :, 0]
        return {name: (y[..., 0], log_variance + y[..., 1]) for name, y in changes.items()}

    def objective(params, state, batch, key):
        """The sum over networks and folds: no network's gradient depends on another."""
        forecasts = forecast(params, state, batch["inputs"], key=key, train=True)
        loss = losses.gaussian_negative_log_likelihood
        nll = {name: jnp.mean(loss(*forecasts[name], batch["target"])) for name in NETWORKS}
        return config.folds * sum(nll.values()), (state, nll)

    def predict(params, state, batch):
        """``mean`` and ``variance`` of the next return ``(N, folds)``, by network and of both."""
        forecasts, scale = forecast(params, state, batch["inputs"]), batch["deviation"]
        mean = {name: m[..., -1] * scale for name, (m, _) in forecasts.items()}
        variance = {name: jnp.exp(h[..., -1]) * scale**2 for name, (_, h) in forecasts.items()}
        both = lambda values: {**values, "both": sum(values.values()) / len(values)}
        return {"mean": both(mean), "variance": both(variance), "count": batch["count"]}

    baseline_forecasts = cache(partial(baselines, market, folds))

    @once
    def forecasts(params, state) -> dict[str, ReturnForecasts]:
        """Those of the networks and of the baselines for the test days, by stock."""
        predictions, by_stock = predict_all(predict, params, state, splits.test), {}
        for number, (ticker, others) in enumerate(baseline_forecasts().items()):
            rows = np.flatnonzero((splits.test["stock"] == number) & (splits.test["count"] > 0))
            rows = rows[np.argsort(splits.test["day"].ravel()[rows])]
            of_stock = partial(jax.tree.map, lambda values, rows=rows: values.ravel()[rows])
            mean, variance = (of_stock(predictions[name]) for name in ("mean", "variance"))
            by_stock[ticker] = others.with_methods(mean, variance)
        return by_stock

    def test(params, state):
        stocks = list(forecasts(params, state).values())
        ratios = {name: rmse_ratio(stocks, name) for name in ("both", *NETWORKS)}
        return {
            **{f"test/rmse_ratio{SUFFIXES[name]}": ratio for name, ratio in ratios.items()},
            **{f"test/qlike{end}": mean_qlike(stocks, name) for name, end in SUFFIXES.items()},
        }

    def sections(fitted):
        from jnn.explain.sections import returns

        time = market.time[market.stocks[TICKERS[0]].last(TESTED)]
        return returns.report(forecasts(fitted.params, fitted.state), time, "both")

    evaluate = partial(make_evaluate, predict, of_returns(NETWORKS, "both"), target="return")
    return Task(
        model=model,
        objective=objective,
        feed=in_memory(splits.train, config.batch_size),
        example=describe(config)[1],
        validate=evaluate(splits.validation, split="validation"),
        best="validation/nll",
        lowest=True,
        test=test,
        baselines=lambda: {
            name: rmse_ratio(baseline_forecasts().values(), name)
            for name in baseline_forecasts()[TICKERS[0]].mean
        },
        sections=sections,
        data={
            "name": "stocks",
            "test": {name: len(stock.last(TESTED)) for name, stock in market.stocks.items()},
        },
    )


def baselines(market: Market, folds: list[TimeSplit]) -> dict[str, ReturnForecasts]:
    """The forecasts of the baselines for the test days of each stock."""

    def of_stock(stock: Stock) -> ReturnForecasts:
        days = [(fold.test.start - stock.first, fold.test.stop - stock.first) for fold in folds]
        forecasts = return_baselines(stock.price, [range(*ends) for ends in days])
        return forecasts.part(slice(-len(stock.last(TESTED)), None))

    return {ticker: of_stock(stock) for ticker, stock in market.stocks.items()}
