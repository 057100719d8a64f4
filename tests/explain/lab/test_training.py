"""The curves of the training, drawn one over the other."""

import json

import pytest

from tests.explain.lab.engine import Engine

CURVES = {
    "train/loss": [(1, 2.0), (9, 1.0)],
    "validation/loss": [(9, 4.0)],
    "validation/rmse": [(9, 50.0), (18, 40.0)],
}


@pytest.mark.parametrize(
    ("name", "ends"),
    [("train/loss", [1, 4]), ("validation/loss", [1, 4]), ("validation/rmse", [40, 50])],
)
def test_curves_of_one_quantity_share_their_axis_and_no_others_do(name, ends):
    curves = f"Object.entries({json.dumps(CURVES)})"
    assert Engine("training.js").value(f"rangeOf({json.dumps(name)}, {curves})") == ends


def test_a_curve_of_one_point_is_seen():
    engine = Engine("training.js")
    engine.context.eval("globalThis.matchMedia = () => ({ matches: false });")
    [drawn] = engine.value("""(() => {
      const found = [];
      const nothing = () => {};
      const context = { fillRect: (...place) => found.push(place), scale: nothing };
      for (const name of ["beginPath", "moveTo", "lineTo", "stroke"]) context[name] = nothing;
      const parentElement = { clientWidth: 100 };
      const canvas = { style: {}, parentElement, getContext: () => context };
      const page = { lab: { curves: { "train/loss": [[5, 2]] } } };
      Training.prototype.draw.call({ canvas, page }, Infinity);
      return found;
    })()""")
    left, _, width, height = drawn
    assert 0 <= left <= 100 - width
    assert height > 2
