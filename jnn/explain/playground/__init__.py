"""The playground: a page in which small networks train, by jnn's own step, compiled for it.

    points     data in the plane, and functions of one variable
    network    any network of up to 4 layers of 8 neurons: which, is an argument
    training   its step, with the optimizer's settings as arguments
    inspect    what each neuron sees, and every number of backpropagation
    descent    optimizers on the loss surface of two params
    adversarial a generator and a discriminator in the plane
    lessons    the texts beside it
    page       all of them as one file

Each program is compiled once. What a reader can change is an argument of it, so that a change takes
effect at the next step.
"""

from jnn._lazy import lazy

__getattr__, __dir__, __all__ = lazy(__name__, {"page": ["playground"]})
