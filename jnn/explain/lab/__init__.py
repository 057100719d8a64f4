"""``lab.html``: the trained model of a run, running in a page.

    subject    what a lab shows: a model, its inputs, what its answer means
    inputs     examples, found in the data of a run by their shapes
    values     what the axes of a captured value are
    program    the model with its captured values, and factors on them, as JavaScript
    page       the file
    scripts/   the modules of the page

Nothing here knows an architecture: what there is to see follows from the paths and the shapes of
tagged values.
"""
