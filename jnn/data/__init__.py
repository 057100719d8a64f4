"""Data: data sets, your own files, splits, batches, augmentation and tokenizers.

A data set is a function ``load_NAME`` in `sets`; the record of its files, publisher and licence is
in `fetch.catalogue`, and `fetch.sources` downloads and verifies them. Your own files are read by
`array_files` (npy, npz, CSV), `image_folder` (a sub-folder for each class) and `array_records`
(ArrayRecord); `streams` reads data that does not fit into memory. Labels are numbered by `classes`.
Examples are split by `splits` and `series_splits`, and scaled by `scaling`. The batches of each
step are made by `batches`, `buckets` (sequences of similar lengths), `token_windows` (language
models) and `series_windows` (forecasts); `sequences` pads and packs, `sequence_pairs` makes pairs
to translate. Augmentations of images are in `augment`, those that also change boxes in
`box_augment`, those of texts in `token_augment`. Features of dates are in `calendar`, encodings of
table columns in `piecewise_linear`, and tokenizers in `tokenizers`.

Nothing is imported here, so that the command line lists the data sets without starting JAX: import
the module you need, as in ``from jnn.data import batches``.
"""
