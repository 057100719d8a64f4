"""Pictures of what came out: curves, errors, forecasts, detections, generated images."""
