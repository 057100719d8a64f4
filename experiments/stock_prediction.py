"""What a recurrent and a convolutional network can tell of tomorrow's stock prices: nothing of
where they go, something of how far.

Both networks predict the mean and the variance of the next day's return, trained side by side.
Nothing here beats "tomorrow's price is today's" by a margin that matters, and the report shows
that. How much a price will move is another matter: quiet days follow quiet days.

Source    Walk-forward evaluation: each stretch of the test days is predicted by networks that were trained on the years before it. LSTM:
          Hochreiter, Schmidhuber 1997; temporal convolutions: Bai, Kolter, Koltun 2018, https://arxiv.org/abs/1803.01271. Variances are
          compared by QLIKE: Patton 2011, https://doi.org/10.1016/j.jeconom.2010.03.034.
Data      stocks: adjusted daily prices of AAPL, IBM, MSFT and GOOG to 2013-03-01, from 2000-03-01, GOOG from 2004-08-19 (Quandl WIKI).
          The last 20 % of each stock's days are for the test. No scale of a network knows a day after its training part.
Baselines Of prices: the last price (persistence), with the mean return (drift), ridge regression on 20 returns, the mean of 5 days. Of
          variances: the mean square, its exponentially weighted mean, GARCH(1,1). All learn from what came before each stretch.
Command   jnn run stock_prediction [--seed 0]
Result    Mean and standard deviation over seeds 0, 1, 2; a run takes 1.5 min of processor time on an Intel Xeon.
          RMSE of the return over that of persistence: both networks 0.9994 +- 0.0003, drift 0.9992, ridge regression 1.0069: it stands.
          RMSE in dollars, both networks of seed 0 (persistence): AAPL 1.0845 (1.0824), IBM 1.7626 (1.7627), MSFT 0.3111 (0.3112), GOOG
          5.1846 (5.2042).
          QLIKE of the variance: both networks -7.578 +- 0.008, GARCH(1,1) -7.466, weighted -7.441, constant -7.132.
"""

import dataclasses
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import jnn
from jnn import metrics
from jnn.architectures.rnn import RNNConfig, rnn
from jnn.architectures.tcn import TCNConfig, tcn
from jnn.baselines.returns import ReturnForecasts, return_baselines
from jnn.baselines.volatility import weighted_variances
from jnn.data.series_splits import TimeSplit, side_by_side, walk_forward
from jnn.data.series_windows import forecast_sequences
from jnn.data.sets.series import STOCK, Series, load_stocks
from jnn.data.splits import Splits
from jnn.errors import mistake
from jnn.tables import table
from jnn.runs import About, Run
from jnn.train import Task, TrainingConfig, in_memory, make_evaluate, predict_all, seed_key, train

ABOUT = About(
    task="stock prediction",
    models=("lstm and tcn",),
    data=("stocks",),
    metric="test/rmse_ratio",
    direction="lowest",
    expected="0.9994 ± 0.0003",
    cost="1.5 min of processor time",
)
TICKERS = ("AAPL", "IBM", "MSFT", "GOOG")
NETWORKS = ("lstm", "tcn")
DAYS = 40
"""The days before a forecast that a network sees at least."""
ORIGINS = 60
"""The days of a training window that forecasts are made from."""
FEATURES = 5


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(TrainingConfig):
    """The settings of a run. The defaults are a first guess, and were not tuned."""

    folds: int = 6
    """Stretches of test days, each with networks of its own."""
    width: int = 16
    """Features of each layer of both networks."""
    dropout: float = 0.2
    """Fraction of the features that is dropped in training."""
    epochs: int = 40
    batch_size: int = 32
    learning_rate: float = 3e-3
    weight_decay: float = 0.3
    clip: float = 1.0

    def __post_init__(self):
        """Make a smoke run small, and check."""
        if self.folds < 1:
            raise mistake("config", got=f"folds={self.folds}", expected="an integer >= 1")
        self.shrink(folds=2, epochs=1, width=4)
        super().__post_init__()


class Market(NamedTuple):
    """The stocks on one calendar: ``time`` (T,), and for each its first day, prices (T,), returns
    (T,), and what is seen of it (T, 4).
    """

    time: np.ndarray
    first: dict[str, int]
    price: dict[str, np.ndarray]
    returns: dict[str, np.ndarray]
    seen: dict[str, np.ndarray]
    folds: list[TimeSplit]

    def tested(self, ticker: str) -> range:
        """The last 20 % of the days of a stock."""
        size = len(self.time)
        return range(size - round(0.2 * (size - self.first[ticker])), size)


def load_data(config: Config, *, offline: bool = False) -> Market:
    """Prices and what is made of them; for ``--smoke`` random walks."""
    series = made_up() if config.smoke else load_stocks(offline=offline)
    time = series[TICKERS[0]].time
    first, columns = {}, {name: {} for name in ("price", "returns", "seen")}
    for ticker in TICKERS:
        own = series[ticker]
        first[ticker] = len(time) - len(own.time)
        if first[ticker] < 0 or not np.array_equal(own.time, time[first[ticker] :]):
            raise mistake(
                "stock_prediction",
                got=f"other days of {ticker} than of {TICKERS[0]}",
                expected="one calendar, to its end",
            )
        price, change = (
            own.column("adjusted_close"),
            lambda x: np.diff(np.log(x), prepend=np.log(x[0])),
        )
        spread = np.log(np.log(own.column("high") / own.column("low")) + 1e-3)
        seen = [change(price), np.abs(change(price)), spread, change(own.column("volume") + 1)]
        for name, values in (
            ("price", price),
            ("returns", change(price)),
            ("seen", np.stack(seen, axis=1)),
        ):
            columns[name][ticker] = np.concatenate(
                [np.full((first[ticker], *values.shape[1:]), np.nan), values]
            )
    return Market(time, first, **columns, folds=walk_forward(len(time), folds=config.folds))


def made_up() -> dict[str, Series]:
    """Random walks of 600 days, the last stock of 450."""
    found, rng = {}, np.random.default_rng(0)
    for ticker in TICKERS:
        days = 450 if ticker == TICKERS[-1] else 600
        close = 50 * np.exp(np.cumsum(0.01 * rng.standard_normal(days)))
        prices = [
            close,
            1.01 * close,
            0.99 * close,
            close,
            1e6 * np.exp(rng.standard_normal(days)),
            close,
        ]
        time = np.datetime64("2010-01-01") + np.arange(600 - days, 600).astype("timedelta64[D]")
        found[ticker] = Series(time, np.stack(prices, axis=1), tuple(STOCK))
    return found


def windows(
    market: Market, fold: TimeSplit, part: str, origins: int, stride: int
) -> dict[str, np.ndarray]:
    """Windows of all stocks in one part of a fold, with scales of the fold's training days alone.

    ``inputs`` (N, T, FEATURES), the first of which is the logarithm of the exponentially weighted
    variance; ``target`` (N, origins), the next return in units of its deviation; and all (N,), that
    ``deviation``, of the last target the ``return`` itself and its ``day``, and the number of the
    ``stock``.
    """
    found = []
    for number, ticker in enumerate(TICKERS):
        start, times = max(fold.train.start, market.first[ticker]), getattr(fold, part)
        r, seen, known = (
            market.returns[ticker][start:],
            market.seen[ticker][start:],
            slice(0, fold.train.stop - start),
        )
        deviation = np.sqrt(np.mean(r[known] ** 2))
        # of the day after each
        weighted = weighted_variances(np.append(r, 0.0) / deviation, 1.0)[1:]
        features = np.column_stack(
            [np.log(weighted), (seen - seen[known].mean(axis=0)) / seen[known].std(axis=0)]
        )
        settings = {
            "length": DAYS,
            "origins": origins,
            "horizons": [1],
            "stride": stride,
            "reach_back": part != "train",
        }
        within = range(max(times.start - start, 0), times.stop - start)
        cut = forecast_sequences(features, r / deviation, within=within, **settings)
        day = cut["origin"] + start + 1
        found.append(
            {
                "inputs": cut["inputs"].astype(np.float32),
                "target": cut["targets"][:, :, 0].astype(np.float32),
                "deviation": np.full(len(day), deviation, np.float32),
                "return": market.returns[ticker][day].astype(np.float32),
                "day": day.astype(np.int32),
                "stock": np.full(len(day), number, np.int32),
            }
        )
    return {name: np.concatenate([one[name] for one in found]) for name in found[0]}


def all_windows(market: Market) -> Splits:
    """Training, validation and test windows of all folds; those before a stock's own test days do
    not count.
    """
    parts = {"train": (ORIGINS, ORIGINS // 3), "validation": (1, 1), "test": (1, 1)}
    train, validation, test = (
        side_by_side([windows(market, fold, part, *how) for fold in market.folds])
        for part, how in parts.items()
    )
    starts = np.array([market.tested(ticker).start for ticker in TICKERS])
    test["count"] = test["count"] * (test["day"] >= starts[test["stock"]])
    return Splits(train, validation, test)


def build_model(config: Config) -> jnn.Model:
    """x ``(folds, ..., T, FEATURES)`` -> {network: y ``(folds, ..., T, 2)``}."""
    recurrent = rnn(
        RNNConfig(outputs=2, cell="lstm", width=config.width, depth=1, dropout=config.dropout)
    )
    convolutional = tcn(
        TCNConfig(outputs=2, channels=(config.width,) * 3, kernel_size=3, dropout=config.dropout)
    )
    return jnn.ensemble(
        config.cast(jnn.parallel(lstm=recurrent, tcn=convolutional)), config.folds, x_axis=0
    )


def describe(config: Config) -> tuple[jnn.Model, jax.ShapeDtypeStruct]:
    """The model and the shape of one example."""
    return build_model(config), jax.ShapeDtypeStruct((config.folds, DAYS, FEATURES), jnp.float32)


def forecast(
    model: jnn.Model, params, state, inputs, **options
) -> dict[str, tuple[jax.Array, jax.Array]]:
    """inputs ``(N, folds, T, FEATURES)`` -> of each network mean and log variance of the next
    return, both ``(N, folds, origins)``.

    What a network says is small at first: it begins with a mean near zero and the exponentially
    weighted variance.
    """
    y, _ = model.apply(params, state, jnp.moveaxis(inputs, 1, 0), **options)
    found = {}
    for name, each in y.items():
        each = 0.1 * jnp.moveaxis(each, 0, 1)[:, :, DAYS - 1 :].astype(jnp.float32)
        found[name] = each[..., 0], inputs[:, :, DAYS - 1 :, 0] + each[..., 1]
    return found


def negative_log_likelihood(mean, log_variance, target):
    """``½ (log h + (r - μ)² / h)``: that of a normal distribution, but for a constant."""
    return 0.5 * (log_variance + (target - mean) ** 2 * jnp.exp(-log_variance))


def objective(config: Config, model: jnn.Model, params, state, batch, key):
    """The sum over networks and folds: no network's gradient depends on another."""
    found = forecast(model, params, state, batch["inputs"], key=key, train=True)
    each = {
        name: jnp.mean(negative_log_likelihood(*found[name], batch["target"])) for name in NETWORKS
    }
    return config.folds * sum(each.values()), (state, each)


def predict(model: jnn.Model, params, state, batch) -> dict[str, dict[str, jax.Array]]:
    """Of each network, and of ``both``, the mean of the next return and its variance,
    ``(N, folds)``; for ``both`` the means of the two.
    """
    found = {
        name: {
            "mean": mean[..., -1] * batch["deviation"],
            "variance": jnp.exp(log_variance[..., -1]) * batch["deviation"] ** 2,
        }
        for name, (mean, log_variance) in forecast(model, params, state, batch["inputs"]).items()
    }
    both = jax.tree.map(lambda *values: sum(values) / len(values), *found.values())
    return {**found, "both": both, "counted": {"count": batch["count"]}}


def measures() -> metrics.Metric:
    """``rmse_ratio``, the RMSE of the returns that both networks expect over that of persistence,
    which expects zero; ``qlike`` of their variance; and ``nll``, the sum over networks of the
    negative log-likelihood. Targets are returns ``(N, folds)``."""

    def measure(found, r, weights=None):
        both, count = found["both"], found["counted"]["count"]
        count = count if weights is None else count * weights[:, None]
        nll = sum(
            negative_log_likelihood(found[name]["mean"], jnp.log(found[name]["variance"]), r)
            for name in NETWORKS
        )
        sums = {
            "model": (r - both["mean"]) ** 2,
            "persistence": r**2,
            "nll": nll,
            "count": jnp.ones_like(r),
        }
        sums["qlike"] = jnp.log(both["variance"]) + r**2 / both["variance"]
        return {name: jnp.sum(count * values) for name, values in sums.items()}

    def compute(sums):
        means = {name: sums[name] / sums["count"] for name in ("qlike", "nll")}
        return {"rmse_ratio": jnp.sqrt(sums["model"] / sums["persistence"]), **means}

    return metrics.Metric(measure, compute)


def forecasts_of_all(
    market: Market, test: dict[str, np.ndarray], found: dict
) -> dict[str, ReturnForecasts]:
    """The forecasts for the test days of each stock, of the baselines and of the networks."""
    of_all = {}
    for number, ticker in enumerate(TICKERS):
        first, days = market.first[ticker], len(market.tested(ticker))
        stretches = [
            range(fold.test.start - first, fold.test.stop - first) for fold in market.folds
        ]
        theirs = return_baselines(market.price[ticker][first:], stretches).part(slice(-days, None))
        counts = (test["stock"] == number) & (test["count"] > 0)
        order = np.argsort(test["day"][counts])
        for name in (*NETWORKS, "both"):
            theirs.mean[name], theirs.variance[name] = (
                found[name][what][counts][order] for what in ("mean", "variance")
            )
        of_all[ticker] = theirs
    return of_all


def by_stock(forecasts: dict[str, ReturnForecasts], names, cell) -> str:
    """A row for each name, a column for each stock."""
    rows = [
        ["", *forecasts],
        *([name, *(cell(one, name) for one in forecasts.values())] for name in names),
    ]
    return "\n".join(table(rows, numbers=range(1, len(rows[0]))))


def difference(first: np.ndarray, second: np.ndarray) -> str:
    """The mean of ``first - second`` with its standard error."""
    less = first - second
    return f"{np.mean(less):.3f} ± {np.std(less) / np.sqrt(len(less)):.3f}"


def direction(one: ReturnForecasts, name: str) -> str:
    """The share of right directions and its interval."""
    share, low, high = one.direction(name)
    return f"{share:.1%} ({low:.0%} to {high:.0%})"


def sections(market: Market, forecasts: dict[str, ReturnForecasts]) -> list:
    """Tables and pictures for the report, which say first what cannot be told."""
    from jnn.explain.page.report import Section
    from jnn.explain.results import forecast

    one, z, last = forecasts[TICKERS[0]], 1.645, slice(-60, None)
    time = market.time[market.tested(TICKERS[0])]
    band = {
        "a day before": np.stack(
            [end * z * np.sqrt(one.variance["both"]) for end in (-1, 1)], axis=1
        )
    }
    lines = {
        "price": one.before * np.exp(one.came),
        "said the day before by both networks": one.before * np.exp(one.mean["both"]),
    }
    scaled = lambda name: np.concatenate(
        [each.squares(name) / np.mean(each.squares("persistence")) for each in forecasts.values()]
    )
    return [
        Section(
            "Tomorrow's price is today's",
            "RMSE in dollars. Nothing beats the last price by a margin that matters: the squared error of both networks, over that of "
            f"persistence, differs from 1 by {difference(scaled('both'), scaled('persistence'))}.",
            by_stock(forecasts, one.mean, lambda one, name: f"{one.price_error(name):.4f}"),
        ),
        Section(
            "Up or down",
            "How often the direction was right, with its 95 % confidence interval. The row of persistence is the share of days that went "
            "up. Among so many intervals, one that leaves out a half is no wonder.",
            by_stock(forecasts, one.mean, direction),
        ),
        Section(
            "A picture that deceives",
            f"{TICKERS[0]}: the forecasts look right because each is the price of the day before, drawn a day late.",
            forecast.series(
                time[last], {name: line[last] for name, line in lines.items()}, name="dollars"
            ),
        ),
        Section(
            "How far prices move can be told in part",
            "The variance of the next return: by how much the QLIKE of a forecast is below that of a constant variance, with its standard "
            "error; more is better. Networks see the range and the volume of each day too, the others returns alone.",
            by_stock(
                forecasts,
                one.variance,
                lambda one, name: difference(one.qlike("constant"), one.qlike(name)),
            ),
        ),
        Section(
            f"Quiet and wild days of {TICKERS[0]}",
            "The return of each test day, and the band that was to hold 90 % of them.",
            forecast.rolling_forecast(time, one.came, band, [0.05, 0.95], name="return"),
        ),
    ]


def task(config: Config, splits: Splits) -> Task:
    """What is trained, and how it is judged: params are kept where the likelihood of validation
    days is greatest.
    """
    model = build_model(config)
    evaluate = partial(make_evaluate, partial(predict, model), measures(), target="return")
    return Task(
        model=model,
        objective=partial(objective, config, model),
        feed=in_memory(splits.train, config.batch_size),
        example=describe(config)[1],
        validate=evaluate(splits.validation, split="validation"),
        test=evaluate(splits.test, split="test"),
        best="validation/nll",
        lowest=True,
    )


def main(config: Config, run: Run) -> dict:
    """Train the networks of all folds together, keep what is best on validation days, and test it
    once.
    """
    market = load_data(config, offline=run.options.offline)
    splits = all_windows(market)
    what = task(config, splits)
    fitted = train(what, config, seed_key(config.seed), run)
    found = predict_all(partial(predict, what.model), fitted.params, fitted.state, splits.test)
    forecasts = forecasts_of_all(market, splits.test, found)
    total = lambda name: sum(np.sum(one.squares(name)) for one in forecasts.values())
    ratio = lambda name: float(np.sqrt(total(name) / total("persistence")))
    loss = lambda name: float(
        np.mean(np.concatenate([one.qlike(name) for one in forecasts.values()]))
    )
    variances = {
        "": "both",
        "_lstm": "lstm",
        "_tcn": "tcn",
        "_constant": "constant",
        "_weighted": "weighted",
        "_garch": "GARCH(1,1)",
    }
    return {
        "metrics": {
            "test/rmse_ratio": ratio("both"),
            **{f"test/rmse_ratio_{name}": ratio(name) for name in NETWORKS},
            **{f"test/qlike{ending}": loss(name) for ending, name in variances.items()},
        },
        "baselines": {
            name: ratio(name)
            for name in ("persistence", "drift", "ridge regression", "mean of 5 days")
        },
        **fitted.counts,
        "data": {
            "name": "stocks",
            "sha256": what.feed.identity["sha256"],
            "test": {ticker: len(market.tested(ticker)) for ticker in TICKERS},
        },
        "sections": sections(market, forecasts),
    }
