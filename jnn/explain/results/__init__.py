"""Plots of results: learning curves, errors, forecasts, detections, generated images."""
