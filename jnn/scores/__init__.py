"""Scores that need all outputs of a model at once.

They are of `verification`, `anomaly` detection (in a `recording`), `forecasts`, `returns` and
`translation`. Metrics that are summed over batches during training are in `jnn.metrics`, the
average precision of detections in `jnn.detection.average_precision`, scores of generated images in
`jnn.generative.scores`.
"""
