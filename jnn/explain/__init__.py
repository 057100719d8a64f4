"""Plots, explanations and reports, one module for each subject.

Each is imported by its name, as in ``from jnn.explain.results import curves``.

    results/   what a model achieves, from plain arrays
        curves               learning curves, with the step that was kept
        bars, over_seeds     a model beside its baselines; one metric of many configs, seeds as dots
        classification       confusion matrix, misclassified images, calibration
        detection            drawn boxes, precision-recall curves, heat maps of centers
        regression           predictions and residuals
        functions            a learned function beside its target, error by size of the network
        forecast             fan charts, rolling forecasts, calibration of quantiles
        anomalies            anomaly score over time, events, ROC and precision-recall curves
        faces                nearest neighbours, hardest pairs, similarities, ROC curves
        reconstruction       decoded images, error by size of the code, map of the classes
        generated_images     coverage of the classes, losses of a GAN, interpolation

    inside/    what happens inside a model
        summary, operations  the layers with shapes and parameters, the floating-point operations
        feature_maps         feature maps of every layer, kernels of a convolution
        saliency             which inputs support a class: five methods and their sanity check
        recurrent            hidden states and gates over time
        through_time         gradients through time
        attention            weights of every head, one head, the alignment of a translation,
                             and where a vision transformer looks
        logit_lens           next-token prediction after each block of a transformer
        next_token           next-token probabilities, with temperature, top-k and top-p
        position_map         vectors of positions and their similarities
        words                word attribution of a classifier of texts
        importance           permutation importance of the features of a table
        two_players          a GAN in two dimensions
        vectors              a model of tokens as a function of their vectors

    diagrams/  `structure`, the parts of a model as data, and `diagram`, its picture as an SVG

    sections/  the parts of a report by kind of task
    page/      HTML: the report of a run, coloured text, embedded figures
    lab/       a page in which the trained model of a run runs
    playground/ small networks that train in a page, with lessons
    scripts/   JavaScript that pages share
    style      the look that all figures share
    fonts      fonts for letters that the usual one lacks
    tokens     tokens as labels

A function that draws takes plain arrays and returns a `matplotlib.figure.Figure`; it touches no
global state of Matplotlib, so that it works without a display, in notebooks and in threads. Save
one by ``figure.savefig("name.png")``.
"""

from jnn._lazy import lazy

__getattr__, __dir__, __all__ = lazy(
    __name__, {"diagrams.structure": ["Box", "structure"], "diagrams.diagram": ["diagram"]}
)
