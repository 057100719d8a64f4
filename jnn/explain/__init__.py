"""Pictures and reports: one module for each thing to see, each imported by its name, as in
``from jnn.explain import curves``.

    curves            how training went
    classification    confusion matrix, worst mistakes, calibration
    feature_maps      what each layer makes of one example; the kernels of a layer
    saliency          which inputs speak for an answer
    reconstruction    what a short code keeps: decoded images, error by its size, the map of classes
    functions         a learned function beside the one to learn
    text              text coloured by a number for each token; what is expected under each
    next_token        what may come next, and what temperature, top-k and top-p make of it
    recurrent         memory and gates over time; units worth a look
    through_time      how far back gradients reach
    attention         maps of every head, one head, the alignment of a translation
    logit_lens        what a transformer would say after each block
    position_map      vectors of positions
    words             the words that moved a decision
    forecast          fans of quantiles, calibration, errors by horizon
    anomalies         the score of a sensor over time, events closely, ROC and PR curves
    faces             nearest faces, hardest pairs, similarities, ROC curves
    bars              a model beside its baselines
    comparison        one metric of many configs, over their seeds
    summary           the layers of a model, their shapes and parameters, as text
    tables            methods and their metrics, as text
    report            one page about a run

A function that draws takes plain arrays and returns a `matplotlib.figure.Figure`; it touches no
global state of Matplotlib, so that it works without a display, in notebooks and in threads. Save
one by ``figure.savefig("name.png")``.
"""
