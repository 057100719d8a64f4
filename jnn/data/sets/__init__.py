"""Data sets: a function ``load_NAME`` for each, in a module for each kind.

Images: `images` (digits, MNIST, Fashion-MNIST), `faces`. Objects with boxes: `scenes`,
`tree_crowns`. Tables: `tables`. Text: `texts` (language modelling), `labelled_texts`,
`translations`, `word_vectors`. Time series: `series` (weather, stocks), `anomalies` (recordings
with labelled events). The record of the files of each is in `jnn.data.fetch.catalogue`.
"""
