"""The records of the data sets: files, publishers, licences and citations, by kind of data.

A new data set is one more record here, and a function ``load_NAME`` in `jnn.data.sets`. Sizes and
digests are those of the published files, computed from the files themselves.
"""

from jnn.data.fetch.catalogue.image_sources import IMAGES
from jnn.data.fetch.catalogue.series_sources import SERIES
from jnn.data.fetch.catalogue.table_sources import TABLES
from jnn.data.fetch.catalogue.text_sources import TEXTS
from jnn.data.fetch.records import Source

SOURCES: dict[str, Source] = {source.name: source for source in (*IMAGES, *TABLES, *TEXTS, *SERIES)}
"""Every source, by name."""
