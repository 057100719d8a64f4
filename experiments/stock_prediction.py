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

import jnn
from jnn import losses
from jnn.architectures.rnn import RNNConfig, rnn
from jnn.architectures.tcn import TCNConfig, tcn
from jnn.baselines.returns import ReturnForecasts, market_baselines, mean_qlike, rmse_ratio
from jnn.data.series_splits import walk_forward
from jnn.data.sets.series import load_stocks
from jnn.data.sets.stock_market import Market, market_of
from jnn.data.sets.synthetic_series import synthetic_stocks
from jnn.errors import mistake
from jnn.runs import About
from jnn.scores.returns import of_returns
from jnn.train import (
    SUITED,
    Preparation,
    Task,
    TrainingConfig,
    in_memory,
    make_evaluate,
    once,
    predict_all,
)
from jnn.train.return_windows import (
    FEATURES,
    market_preparation,
    of_stock,
    prepared_features,
    walk_forward_windows,
)

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


def forecast(model: jnn.Model, params, state, inputs: jax.Array, **options):
    """Mean and log variance of the next scaled return, ``(N, folds, origins)`` by network.

    An output is small at first, so that training starts from a mean near zero and from the
    exponentially weighted variance.
    """
    outputs, _ = model.apply(params, state, jnp.moveaxis(inputs, 1, 0), **options)
    last = lambda y: 0.1 * jnp.moveaxis(y, 0, 1)[:, :, DAYS - 1 :].astype(jnp.float32)
    changes = {name: last(y) for name, y in outputs.items()}
    log_variance = inputs[:, :, DAYS - 1 :, 0]
    return {name: (y[..., 0], log_variance + y[..., 1]) for name, y in changes.items()}


def both(values: dict[str, jax.Array]) -> dict[str, jax.Array]:
    """The values of each network, and their mean."""
    return {**values, "both": sum(values.values(), jnp.zeros(())) / len(values)}


def predictor(config: Config, preparation: Preparation) -> jnn.Model:
    """Scaled days ``(..., T, 4 S)`` -> mean and deviation of the next return of S stocks.

    They are those of the networks of the last fold, ``(..., S)``. For `jnn.load`, whose inputs are
    the `jnn.train.return_windows.observations` of all stocks side by side.
    """
    model, example = describe(config)

    def init(key, x):
        return model.init(key, example)

    def apply(params, state, x, *, key=None, train=False, mask=None):
        if x.ndim < 2 or x.shape[-2] < DAYS:
            expected = f"{DAYS} days (..., T, D) or more"
            raise mistake("stock_prediction", got=f"shape {x.shape}", expected=expected)
        inputs = prepared_features(preparation, x)[..., -DAYS:, :]
        each = inputs.reshape(-1, 1, *inputs.shape[-2:])
        moments = forecast(model, params, state, jnp.repeat(each, config.folds, axis=1))
        last = lambda values: values[:, -1, -1].reshape(inputs.shape[:-2])
        mean = both({name: last(m) for name, (m, _) in moments.items()})["both"]
        variance = both({name: jnp.exp(last(h)) for name, (_, h) in moments.items()})["both"]
        return {"mean": mean, "deviation": jnp.sqrt(variance)}, state

    return jnn.Model(init, apply)


def task(config: Config, market: Market) -> Task:
    """Normal log-likelihood; params are kept by that of the validation days."""
    model, folds = build_model(config), walk_forward(len(market.time), folds=config.folds)
    sizes = {"length": DAYS, "origins": ORIGINS, "tested": TESTED}
    splits = walk_forward_windows(market, folds, **sizes)

    def objective(params, state, batch, key):
        """The sum over networks and folds: no network's gradient depends on another."""
        forecasts = forecast(model, params, state, batch["inputs"], key=key, train=True)
        loss = losses.gaussian_negative_log_likelihood
        nll = {name: jnp.mean(loss(*forecasts[name], batch["target"])) for name in NETWORKS}
        return config.folds * sum(nll.values()), (state, nll)

    def predict(params, state, batch):
        """``mean`` and ``variance`` of the next return ``(N, folds)``, by network and of both."""
        forecasts, scale = forecast(model, params, state, batch["inputs"]), batch["deviation"]
        mean = {name: m[..., -1] * scale for name, (m, _) in forecasts.items()}
        variance = {name: jnp.exp(h[..., -1]) * scale**2 for name, (_, h) in forecasts.items()}
        return {"mean": both(mean), "variance": both(variance), "count": batch["count"]}

    baseline_forecasts = cache(partial(market_baselines, market, folds, tested=TESTED))

    @once
    def forecasts(params, state) -> dict[str, ReturnForecasts]:
        """Those of the networks and of the baselines for the test days, by stock."""
        predicted, by_stock = predict_all(predict, params, state, splits.test), {}
        for number, (ticker, others) in enumerate(baseline_forecasts().items()):
            moments = of_stock(splits.test, number, (predicted["mean"], predicted["variance"]))
            by_stock[ticker] = others.with_methods(*moments)
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
        preparation=market_preparation(market, folds[-1], length=DAYS),
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
