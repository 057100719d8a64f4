"""Decompositions of matrices: what orthogonal initial weights need."""

from jnn.errors import mistake
from jnn.web.emitter import rule


@rule("qr")
def _qr(emitter, equation, inputs):
    if equation.params["pivoting"]:
        raise mistake("javascript", got="a QR decomposition with pivoting", expected="one without")
    value = emitter.dense(inputs[0])
    q, r = (emitter.output(equation, i) for i in range(2))
    sizes = ", ".join(map(str, (*value.shape[-2:], q.shape[-1])))
    with emitter.loops(value.shape[:-2]) as index:
        places = (f"{a.buffer}, {a.place([*index, '0', '0'])}" for a in (value, q, r))
        emitter.line(f"qr({sizes}, {', '.join(places)});")
    return [q, r]
