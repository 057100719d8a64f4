"""Small models with all that predictions need, as `jnn.load` gives them."""

import functools

import jax
import numpy as np

import jnn
from jnn.data.scaling import Scaling
from jnn.data.tokenizers import word_tokenizer
from jnn.loaded import Loaded
from jnn.train import Preparation

FLOAT = np.float32


def shaped(*shape, dtype=FLOAT):
    return jax.ShapeDtypeStruct(shape, dtype)


COLUMNS = Scaling(np.array([10.0, -4.0]), np.array([2.0, 0.5]))
NAMED = {"scaling": COLUMNS, "columns": ("width", "depth")}
TARGET = Scaling(np.array(100.0), np.array(7.0))
TOKENIZER = word_tokenizer(["so good", "so bad a thing"], lower=True)
TOKENS = Preparation(
    shaped(3, dtype=np.int32), tokenizer=TOKENIZER, longest=5, classes=("no", "yes")
)
EMBEDDED = jnn.embedding(TOKENIZER.vocabulary, 4)
MODELS = {
    "rows": (
        jnn.chain(jnn.dense(1), lambda y: y[..., 0]),
        Preparation(shaped(2), target=TARGET, unit="kg", **NAMED),
    ),
    "pictures": (
        jnn.chain(jnn.flatten(3), jnn.dense(2)),
        Preparation(shaped(4, 6, 1), pixels=True, classes=("cat", "dog")),
    ),
    "texts": (jnn.chain(EMBEDDED, jnn.global_average_pool(1), jnn.dense(2)), TOKENS),
    "tags": (jnn.chain(EMBEDDED, jnn.dense(2)), TOKENS),
    "next tokens": (
        jnn.chain(EMBEDDED, jnn.lstm(3), jnn.dense(TOKENIZER.vocabulary)),
        TOKENS._replace(classes=(), next_token=True),
    ),
    "committee": (jnn.ensemble(jnn.dense(2), 3), Preparation(shaped(2))),
    "series": (jnn.dense(1), Preparation(shaped(3, 2), **NAMED)),
}


def loaded_of(model, preparation):
    """The model with params of its own."""
    kept = jax.jit(model.init)(jax.random.key(0), preparation.example)
    return Loaded(model, *kept, None, preparation.example, preparation)


@functools.cache
def loaded(name):
    return loaded_of(*MODELS[name])
