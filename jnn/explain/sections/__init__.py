"""Sections of the report by kind of task: an experiment gives predictions and data, these draw.

    anomaly_detection      score over time, events closely, ROC and precision-recall curves
    classification         confusion matrix, calibration
    face_verification      ROC curves, similarities, nearest neighbours, hardest pairs, t-SNE
    forecasting            errors by horizon, fan charts, forecasts over time, calibration
    function_approximation error against width and depth, learned curves and surfaces
    image_classification   confusion matrix, worst mistakes, calibration, feature maps, saliency
    image_generation       scores, samples, interpolations, class coverage, adversarial losses
    language_model         generated text, token probabilities, hidden units, attention, logit lens
    reconstruction         error by code size, reconstructions, latent space
    object_detection       boxes, worst errors, heat maps, precision by recall, class and overlap
    returns                errors of prices, directions and variances of stocks, intervals
    tabular                predictions and residuals, permutation importance
    text_classification    confusion matrix, calibration, word importance
    translation            translations beside references, alignment, BLEU by length

Each module has functions that return a list of `jnn.explain.page.report.Section`, and imports
Matplotlib, so that an experiment imports it where the report is made.
"""
