"""``lab.html``: the trained model of a run, running in a page.

    subject    what a lab shows: a model, its inputs, its training
    inputs     examples, found in the data of a run by their shapes
    values     what the axes of a captured value are
    walk       its parts in rows, with the values that each makes
    program    the model with its captured values, factors on them and its gradient, as JavaScript
    answer     what the output means: classes, the next token, boxes, numbers in a unit
    tokens     tokenizers as data of the page
    words      the term of the glossary for a captured value
    writing    the model read token by token, to write on
    page       the file
    scripts/   the modules of the page

Nothing here knows an architecture: what there is to see follows from the paths and the shapes of
tagged values.
"""
