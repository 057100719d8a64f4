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
from typing import Any

import jax
import jax.numpy as jnp

import jnn
from jnn import losses
from jnn.architectures.rnn import RNNConfig, rnn
from jnn.architectures.tcn import TCNConfig, tcn
from jnn.data.series_splits import walk_forward
from jnn.data.sets.series import load_stocks
from jnn.data.sets.stock_market import Market, market_of
from jnn.data.sets.synthetic_series import synthetic_stocks
from jnn.runs import About
from jnn.tasks.return_forecaster import ReturnForecaster
from jnn.tasks.return_windows import walk_forward_windows
from jnn.tasks.returns_task import return_forecasting
from jnn.train import SUITED, Preparation, Task, TrainingConfig

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


def forecaster(config: Config) -> ReturnForecaster:
    """The networks, whose outputs are the mean and the change of the logarithm of the variance."""
    return ReturnForecaster(build_model(config), config.folds, DAYS, mixture="both")


def describe(config: Config) -> tuple[jnn.Model, jax.ShapeDtypeStruct]:
    """The model and the shape of one example."""
    return build_model(config), forecaster(config).example


def predictor(config: Config, preparation: Preparation) -> jnn.Model:
    """Days of all stocks -> mean and deviation of their next returns, by the last fold."""
    return forecaster(config).predictor(preparation)


def task(config: Config, market: Market) -> Task:
    """Normal log-likelihood; params are kept by that of the validation days."""
    networks, folds = forecaster(config), walk_forward(len(market.time), folds=config.folds)
    sizes = {"length": DAYS, "origins": ORIGINS, "tested": TESTED}
    splits = walk_forward_windows(market, folds, **sizes)

    def objective(params, state, batch, key):
        """The sum over networks and folds: no network's gradient depends on another."""
        forecasts, state = networks.forecast(params, state, batch["inputs"], key=key, train=True)
        loss = losses.gaussian_negative_log_likelihood
        nll = {name: jnp.mean(loss(*forecasts[name], batch["target"])) for name in NETWORKS}
        return config.folds * (nll["lstm"] + nll["tcn"]), (state, nll)

    of_stocks = return_forecasting(
        *(networks, objective, splits, market, folds),
        networks=NETWORKS,
        tested=TESTED,
        batch_size=config.batch_size,
    )
    return of_stocks._replace(data={"name": "stocks", **of_stocks.data})
