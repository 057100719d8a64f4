"""Classical baselines that a network has to beat, where no library of the field has them.

`ngram` for language models, `text_classifiers` for texts, `objects` for detection, `embeddings` for
verification, `returns` and `volatility` for daily prices.
"""
