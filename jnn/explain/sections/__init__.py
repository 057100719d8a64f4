"""Sections of the report by kind of task: an experiment gives predictions and data, these draw.

    image_classification   confusion matrix, worst mistakes, calibration, feature maps, saliency

Each module has functions that return a list of `jnn.explain.page.report.Section`, and imports
Matplotlib, so that an experiment imports it where the report is made.
"""
