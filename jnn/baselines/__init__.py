"""Classical baselines that a network has to beat, where no library of the field has them.

`tabular` for tables, `principal_components` for autoencoders, `ngram` for language models,
`text_classifiers` for texts, `translations`, `images` for generation, `objects` for detection,
`embeddings` for verification, `forecasts` and `anomalies` for time series, `returns` and
`volatility` for daily prices.
"""
