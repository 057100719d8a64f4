"""The task of forecasting returns of stocks, each stretch of the test days from those before it."""

from collections.abc import Sequence
from functools import cache, partial
from typing import Any

from jnn.baselines.returns import ReturnForecasts, market_baselines, mean_qlike, rmse_ratio
from jnn.data.series_splits import TimeSplit
from jnn.data.sets.stock_market import Market
from jnn.data.splits import Splits
from jnn.scores.returns import of_returns
from jnn.tasks.return_forecaster import ReturnForecaster
from jnn.tasks.return_windows import market_preparation, observed_days, of_stock
from jnn.train.evaluate import make_evaluate, predict_all
from jnn.train.experiment import once
from jnn.train.feed import in_memory
from jnn.train.loop import Fitted
from jnn.train.step import Objective
from jnn.train.task import Task

VARIANCES = {"constant": "constant", "weighted": "weighted", "GARCH(1,1)": "garch"}
"""The baselines of the variance, by their name, and what ends the names of their metrics."""


def return_forecasting(
    forecaster: ReturnForecaster,
    objective: Objective,
    splits: Splits,
    market: Market,
    folds: Sequence[TimeSplit],
    *,
    networks: Sequence[str],
    tested: float,
    batch_size: int,
) -> Task:
    """Train networks of all folds; test the forecasts of the last days of each stock.

    ``splits`` are those of `jnn.tasks.return_windows.walk_forward_windows`, with the same ``folds``
    and share of days that is ``tested``. Params are kept by the ``nll`` of
    `jnn.scores.returns.of_returns` on validation days. Metrics are ``test/rmse_ratio`` of the
    mixture of the ``networks``, that of the baselines of `jnn.baselines.returns.market_baselines`,
    and ``test/qlike`` of the mixture; ``test/rmse_ratio_lstm``, ... are those of a network, and
    ``test/qlike_garch``, ... those of other variances.
    """
    mixture = forecaster.mixture
    evaluate = partial(
        make_evaluate, forecaster.predict, of_returns(networks, mixture), target="return"
    )
    baselines = cache(partial(market_baselines, market, folds, tested=tested))
    ends = {mixture: "", **{name: f"_{name}" for name in networks}}
    of_variances = ends | {name: f"_{end}" for name, end in VARIANCES.items()}

    @once
    def forecasts(params: Any, state: Any) -> dict[str, ReturnForecasts]:
        """Those of the networks and of the baselines for the test days, by stock."""
        predicted = predict_all(forecaster.predict, params, state, splits.test)
        by_stock, both = {}, (predicted["mean"], predicted["variance"])
        for number, (ticker, others) in enumerate(baselines().items()):
            moments = of_stock(splits.test, number, both)
            by_stock[ticker] = others.with_methods(*moments)
        return by_stock

    def test(params: Any, state: Any) -> dict[str, float]:
        stocks = list(forecasts(params, state).values())
        return {
            **{f"test/rmse_ratio{end}": rmse_ratio(stocks, name) for name, end in ends.items()},
            **{f"test/qlike{end}": mean_qlike(stocks, name) for name, end in of_variances.items()},
        }

    def ratios() -> dict[str, float]:
        stocks = list(baselines().values())
        return {name: rmse_ratio(stocks, name) for name in stocks[0].mean}

    def sections(fitted: Fitted) -> list[Any]:
        """Errors of prices and directions, prices of the first stock, and variances."""
        from jnn.explain.sections.returns import report

        days = next(iter(market.stocks.values())).last(tested)
        return report(forecasts(fitted.params, fitted.state), market.time[days], mixture)

    return Task(
        model=forecaster.model,
        objective=objective,
        feed=in_memory(splits.train, batch_size),
        example=forecaster.example,
        preparation=market_preparation(market, folds[-1], length=forecaster.length),
        validate=evaluate(splits.validation, split="validation"),
        best="validation/nll",
        lowest=True,
        test=test,
        baselines=ratios,
        sections=sections,
        raw=lambda: {"observed": observed_days(market)},
        data={"test": {name: len(stock.last(tested)) for name, stock in market.stocks.items()}},
    )
