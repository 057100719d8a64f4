"""Object detection: boxes, objects as points, their losses and average precision.

`boxes` has the geometry (areas, intersection over union, non-maximum suppression), `center_points`
the target maps of a network and the decoding of its output, `losses` the losses of both, and
`average_precision` COCO's metric. Detectors without a network are in `jnn.baselines.objects`, and
augmentations that move boxes in `jnn.data.box_augment`. Imports go one way, to `jnn.losses`.
"""
