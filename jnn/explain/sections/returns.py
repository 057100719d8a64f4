"""The report of a model that forecasts the returns of stocks and their variance."""

from collections.abc import Callable, Iterable, Mapping

import numpy as np

from jnn.baselines.returns import ReturnForecasts
from jnn.explain.page.report import Section
from jnn.explain.results import forecast
from jnn.tables import table

NORMAL_95 = 1.645  # the 95 % quantile of a standard normal distribution


def report(forecasts: Mapping[str, ReturnForecasts], time: np.ndarray, model: str) -> list[Section]:
    """Errors of prices and directions, prices of the first stock, and variances.

    ``forecasts`` has those of each stock by its name, of the same methods; among them are
    ``"persistence"``, ``"constant"`` and ``model``, the one that the report is of. ``time`` is that
    of the forecasts of the first stock, ``(N,)``.
    """
    name, stock = next(iter(forecasts.items()))
    return [
        *means(forecasts, model),
        *prices(time, stock, model, name),
        *variances(forecasts, time, model),
    ]


def means(forecasts: Mapping[str, ReturnForecasts], model: str) -> list[Section]:
    """Tables of the errors of prices and of directions, a row a method and a column a stock."""
    methods = next(iter(forecasts.values())).mean
    stocks = list(forecasts.values())
    relative = lambda stock, name: stock.squares(name) / np.mean(stock.squares("persistence"))
    of_all = lambda name: np.concatenate([relative(stock, name) for stock in stocks])
    difference = _difference(of_all(model), of_all("persistence"))
    return [
        Section(
            "Price errors",
            "RMSE in dollars. Persistence says that tomorrow's price is today's: the squared error "
            f"of {model}, over that of persistence, differs from 1 by {difference}.",
            _by_stock(forecasts, methods, lambda stock, name: f"{stock.price_error(name):.4f}"),
        ),
        Section(
            "Directional accuracy",
            "How often the price moved as forecast, with the 95 % confidence interval. The row of "
            "persistence is the share of days on which it rose. Among so many intervals, one "
            "without 50 % is expected by chance.",
            _by_stock(forecasts, methods, _direction),
        ),
    ]


def prices(
    time: np.ndarray, stock: ReturnForecasts, model: str, name: str, *, days: int = 60
) -> list[Section]:
    """The prices of the last days and their forecasts, which look better than they are.

    ``time`` is that of the forecasts of one ``stock``, ``(N,)``, whose name is ``name``.
    """
    lines = {
        "price": stock.before * np.exp(stock.actual),
        f"forecast of the day before ({model})": stock.before * np.exp(stock.mean[model]),
    }
    last = {label: line[-days:] for label, line in lines.items()}
    text = f"{name}: forecasts that look right, because each is the price of the day before."
    figure = forecast.series(time[-days:], last, name="dollars")
    return [Section("Prices and their forecasts", text, figure)]


def variances(
    forecasts: Mapping[str, ReturnForecasts], time: np.ndarray, model: str
) -> list[Section]:
    """The QLIKE of the variances by stock, and the 90 % interval of the first stock's returns."""
    name, stock = next(iter(forecasts.items()))
    deviation = NORMAL_95 * np.sqrt(stock.variance[model])
    interval = {"1 day before": np.stack([-deviation, deviation], axis=1)}
    gain = lambda stock, name: _difference(stock.qlike("constant"), stock.qlike(name))
    return [
        Section(
            "Variance forecasts",
            "By how much the QLIKE of a forecast of the next return's variance is below that of a "
            "constant variance, with its standard error: more is better.",
            _by_stock(forecasts, stock.variance, gain),
        ),
        Section(
            "Returns and their 90 % interval",
            f"The return of {name} on each test day: turbulent days follow turbulent days.",
            forecast.rolling_forecast(time, stock.actual, interval, [0.05, 0.95], name="return"),
        ),
    ]


def _by_stock(
    forecasts: Mapping[str, ReturnForecasts],
    methods: Iterable[str],
    cell: Callable[[ReturnForecasts, str], str],
) -> str:
    """A row for each method, a column for each stock."""
    rows = [[name, *(cell(stock, name) for stock in forecasts.values())] for name in methods]
    head = ["", *forecasts]
    return "\n".join(table([head, *rows], numbers=range(1, len(head))))


def _difference(first: np.ndarray, second: np.ndarray) -> str:
    """The mean of ``first - second`` with its standard error."""
    values = first - second
    return f"{np.mean(values):.3f} ± {np.std(values) / np.sqrt(len(values)):.3f}"


def _direction(stock: ReturnForecasts, name: str) -> str:
    share, low, high = stock.direction(name)
    return f"{100 * share:.1f} % ({100 * low:.0f} to {100 * high:.0f} %)"
