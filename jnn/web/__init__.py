"""A pure function as JavaScript: what runs here runs in any browser, with the same numbers.

``javascript(f, *examples)`` traces ``f`` as ``jax.jit`` does and writes the source of one ES
module, whose function takes and returns typed arrays, without any library:

    source = javascript(lambda x: model.apply(params, state, x)[0], x)

    import model from "./model.js";
    const [logits] = model.call(new Float32Array(784));

Nothing is ported by hand. A forward pass, every captured value, interventions, gradients and whole
training steps are pure functions, so all of them can run in the page.

How it works. A jaxpr is a list of equations; there is one rule for each primitive, in
`jnn.web.rules`, in files by family. A value (`jnn.web.values`) is a view of a buffer, with strides,
so that a transpose, a slice or a broadcast costs nothing; or an expression that is not stored, so
that a chain of elementwise operations is one loop. Every other equation is one loop nest over
static shapes, which the emitter (`jnn.web.emitter`) writes. A scan is a loop, a call is inlined,
and random numbers are JAX's own, to the bit.

Numbers. Every operation on float32 is rounded to float32, a sum where it ends; int32 and uint32
wrap at 32 bits; booleans are bytes. Every operation on bfloat16 or float16 is rounded to it too,
and its results are kept as float32, which has all their numbers. Other dtypes are refused: a page
cannot say that it shows what a model computes in float64 or int8 if it does not.

A primitive without a rule raises `JnnError` with its name and the scope it is in. Add a rule from
outside by `rule`:

    @rule("my_primitive")
    def _(emitter, equation, inputs):
        return [elementwise(emitter, equation, inputs, "Math.cbrt({0})")]
"""

from jnn._lazy import lazy

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "module": ["javascript", "modules"],
        "emitter": ["Emitter", "rule"],
        "rules.elementwise": ["elementwise"],
    },
)
