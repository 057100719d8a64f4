import gzip

import numpy as np
import pytest

from jnn.data.sets import series
from jnn.errors import JnnError

WEATHER = """No,year,month,day,hour,pm2.5,DEWP,TEMP,PRES,cbwd,Iws,Is,Ir
1,2010,1,1,23,NA,-21,-11,1021,NW,1.79,0,0
2,2010,1,2,0,129,-16,-4,1020.5,cv,4.92,2,1
"""
STOCKS = """Ticker,Date,Open,High,Low,Close,Volume,Adj Close
IBM,2000-03-02,3,4,2,3.5,100,3.25
IBM,2000-03-01,1,2,1,1.5,200,1.25
GOOG,2004-08-19,9,9,8,8.5,50,8.5
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(series, "fetch", lambda source, offline: tmp_path)
    return tmp_path


def test_weather_has_its_hours_columns_and_gaps(folder):
    (folder / "hourly_beijing_pm.csv").write_text(WEATHER)
    loaded = series.load_beijing_weather()
    assert loaded.time.astype(str).tolist() == ["2010-01-01T23", "2010-01-02T00"]
    expected = {
        "temperature": [-11, -4],
        "dew_point": [-21, -16],
        "pressure": [1021, 1020.5],
        "wind": [1.79, 4.92],
        "snow": [0, 2],
        "rain": [0, 1],
        "particles": [np.nan, 129],
        "northeast": [0, 0],
        "northwest": [1, 0],
        "southeast": [0, 0],
        "calm": [0, 1],
    }
    assert set(loaded.names) == set(expected)
    for name, values in expected.items():
        np.testing.assert_array_equal(loaded.column(name), values)


def test_stocks_are_ordered_by_day(folder):
    (folder / "stocks.csv.gz").write_bytes(gzip.compress(STOCKS.encode()))
    loaded = series.load_stocks()
    assert list(loaded) == ["IBM", "GOOG"]
    assert loaded["IBM"].time.astype(str).tolist() == ["2000-03-01", "2000-03-02"]
    assert loaded["IBM"].column("adjusted_close").tolist() == [1.25, 3.25]
    assert loaded["GOOG"].values.tolist() == [[9, 9, 8, 8.5, 50, 8.5]]


def test_a_day_that_comes_twice_is_refused(folder):
    (folder / "stocks.csv.gz").write_bytes(gzip.compress(STOCKS.replace("03-02", "03-01").encode()))
    with pytest.raises(
        JnnError, match="stocks IBM: got 2000-03-01 after 2000-03-01, expected times that increase"
    ):
        series.load_stocks()


def test_an_unknown_column_is_named(folder):
    (folder / "hourly_beijing_pm.csv").write_text(WEATHER)
    with pytest.raises(JnnError, match="a column 'temp', expected one of temperature, dew_point"):
        series.load_beijing_weather().column("temp")
