"""The sets of data that jnn knows, each one record; a new set is one record more.

Sizes and digests are those of the published files, computed from the files themselves.
"""

from jnn.data.catalogue.images import IMAGES
from jnn.data.catalogue.series import SERIES
from jnn.data.catalogue.tables import TABLES
from jnn.data.catalogue.texts import TEXTS
from jnn.data.records import Source

SOURCES: dict[str, Source] = {source.name: source for source in (*IMAGES, *TABLES, *TEXTS, *SERIES)}
"""Every source, by name."""
