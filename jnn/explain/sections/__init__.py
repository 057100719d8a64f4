"""Sections of the report by kind of task: an experiment gives predictions and data, these draw.

    forecasting            errors by horizon, fan charts, forecasts over time, calibration
    image_classification   confusion matrix, worst mistakes, calibration, feature maps, saliency
    returns                errors of prices, directions and variances of stocks, intervals
    tabular                confusion matrix, calibration, residuals, permutation importance
    text_classification    confusion matrix, calibration, word importance

Each module has functions that return a list of `jnn.explain.page.report.Section`, and imports
Matplotlib, so that an experiment imports it where the report is made.
"""
