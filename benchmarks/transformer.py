"""A training step of a small GPT, and writing with it, by jnn, by Flax NNX and by PyTorch, each in
a process of its own.

PyTorch is left out where it is not installed. On AMD processors its MKL takes a slow path unless
LD_PRELOAD holds a library that defines ``int mkl_serv_intel_cpu_true(void) { return 1; }``.
"""

import importlib.util
from functools import partial

import numpy as np
from measure import Comparison, main
from peers import CORES, DEVICE_EACH_CORE, KEEP_MEMORY, Process, serve

VOCABULARY, WIDTH, DEPTH, HEADS, LENGTH, BATCH = 65, 384, 6, 6, 256, 12
WRITTEN = 256  # tokens
LEARNING_RATE = 1e-3


def characters(batch: int = BATCH) -> np.ndarray:
    """Random characters, one more than are read."""
    return np.random.default_rng(0).integers(VOCABULARY, size=(batch, LENGTH + 1)).astype(np.int32)


def gpt():
    """The model of jnn."""
    from jnn.architectures.transformer import TransformerConfig, transformer

    length = LENGTH + 1  # a token of prompt and the tokens that are written
    settings = {"width": WIDTH, "depth": DEPTH, "heads": HEADS, "use_bias": False, "unroll": True}
    return transformer(TransformerConfig(vocabulary=VOCABULARY, length=length, **settings))


def train_by_jnn():
    """A step of Adam, as `jnn.train.make_step` makes it."""
    import jax
    import jax.numpy as jnp
    import optax

    from jnn.losses import cross_entropy
    from jnn.train import init_train_state, make_step, seed_key

    model, optimizer, text = gpt(), optax.adam(LEARNING_RATE), jnp.asarray(characters())

    def objective(params, state, batch, key):
        logits, state = model.apply(params, state, batch[:, :-1], key=key, train=True)
        return jnp.mean(cross_entropy(logits, batch[:, 1:])), (state, {})

    kept = [init_train_state(seed_key(0), model, optimizer, text[0, :-1])]
    step = jax.jit(make_step(objective, optimizer), donate_argnums=0)

    def call():
        kept[0], metrics = step(kept[0], text)
        return float(metrics["loss"])

    return call


def write_by_jnn(batch: int, devices: int = 1):
    """The most probable token each time, 256 times, in one program; each of ``devices`` has a part
    of the prompts.
    """
    import jax
    import jax.numpy as jnp

    from jnn.decoding.generate import generate
    from jnn.decoding.sampling import GREEDY
    from jnn.train.devices import AXIS, device_mesh, on_each

    model, prompt = gpt(), jnp.asarray(characters(batch)[:, :1])
    params, state = jax.jit(model.init)(jax.random.key(0), prompt)
    mesh, split = device_mesh(devices), jax.P(AXIS)
    params, prompt = on_each(mesh, params), jax.device_put(prompt, jax.NamedSharding(mesh, split))

    def write(params, prompt):
        return generate(
            model, params, state, prompt, length=WRITTEN, key=jax.random.key(0), sampling=GREEDY
        ).tokens

    if devices > 1:
        write = jax.shard_map(
            write, mesh=mesh, in_specs=(jax.P(), split), out_specs=split, check_vma=False
        )
    write = jax.jit(write)
    return lambda: float(jnp.sum(write(params, prompt)))


def torch_gpt():
    """The same in PyTorch, with its fused attention, and a memory of keys and values for
    writing.
    """
    import torch
    from torch import nn
    from torch.nn import functional

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.norms = nn.ModuleList([nn.LayerNorm(WIDTH, bias=False) for _ in range(2)])
            self.attend, self.merge = (
                nn.Linear(WIDTH, 3 * WIDTH, bias=False),
                nn.Linear(WIDTH, WIDTH, bias=False),
            )
            self.out, self.back = (
                nn.Linear(WIDTH, 4 * WIDTH, bias=False),
                nn.Linear(4 * WIDTH, WIDTH, bias=False),
            )

        def forward(self, x, memory=None, at=0):
            B, T, _ = x.shape
            split = self.attend(self.norms[0](x)).view(B, T, 3, HEADS, WIDTH // HEADS)
            q, k, v = (split[:, :, i].transpose(1, 2) for i in range(3))
            if memory is not None:
                memory[0][:, :, at : at + T], memory[1][:, :, at : at + T] = k, v
                k, v = memory[0][:, :, : at + T], memory[1][:, :, : at + T]
            y = functional.scaled_dot_product_attention(q, k, v, is_causal=memory is None)
            x = x + self.merge(y.transpose(1, 2).reshape(B, T, WIDTH))
            return x + self.back(functional.gelu(self.out(self.norms[1](x)), approximate="tanh"))

    class GPT(nn.Module):
        def __init__(self):
            super().__init__()
            self.token, self.place = (
                nn.Embedding(VOCABULARY, WIDTH),
                nn.Embedding(LENGTH + 1, WIDTH),
            )
            self.blocks, self.norm = (
                nn.ModuleList([Block() for _ in range(DEPTH)]),
                nn.LayerNorm(WIDTH, bias=False),
            )

        def forward(self, tokens, memories=None, at=0):
            x = self.token(tokens) + self.place(torch.arange(at, at + tokens.shape[1]))
            for i, block in enumerate(self.blocks):
                x = block(x, memories and memories[i], at)
            return functional.linear(self.norm(x), self.token.weight)

    torch.manual_seed(0)
    return GPT()


def train_by_torch():
    """A step of Adam."""
    import torch

    model, text = torch_gpt(), torch.tensor(characters(), dtype=torch.long)
    optimizer = torch.optim.Adam(model.parameters(), LEARNING_RATE)

    def call():
        optimizer.zero_grad(set_to_none=True)
        loss = torch.nn.functional.cross_entropy(
            model(text[:, :-1]).reshape(-1, VOCABULARY), text[:, 1:].reshape(-1)
        )
        loss.backward()
        optimizer.step()
        return loss.item()

    return call


def write_by_torch(batch: int):
    """The most probable token each time, with a memory of keys and values."""
    import torch

    model, prompt = torch_gpt().eval(), torch.tensor(characters(batch)[:, :1], dtype=torch.long)
    memories = [
        [torch.zeros(batch, HEADS, LENGTH + 1, WIDTH // HEADS) for _ in range(2)]
        for _ in range(DEPTH)
    ]

    @torch.inference_mode()
    def call():
        token, total = prompt, 0
        for at in range(WRITTEN):
            token = model(token, memories, at)[:, -1:].argmax(-1)
            total += token.sum()
        return float(total)

    return call


def train_by_nnx():
    """A step of Adam, on the layers of Flax NNX."""
    import jax
    import jax.numpy as jnp
    import optax
    from flax import nnx

    class Block(nnx.Module):
        def __init__(self, rngs):
            self.norms = nnx.List(
                [nnx.LayerNorm(WIDTH, use_bias=False, rngs=rngs) for _ in range(2)]
            )
            self.attention = nnx.MultiHeadAttention(
                HEADS, WIDTH, use_bias=False, decode=False, rngs=rngs
            )
            self.out, self.back = (
                nnx.Linear(*shape, use_bias=False, rngs=rngs)
                for shape in ((WIDTH, 4 * WIDTH), (4 * WIDTH, WIDTH))
            )

        def __call__(self, x, mask):
            x = x + self.attention(self.norms[0](x), mask=mask)
            return x + self.back(jax.nn.gelu(self.out(self.norms[1](x))))

    class GPT(nnx.Module):
        def __init__(self, rngs):
            self.token, self.place = (
                nnx.Embed(VOCABULARY, WIDTH, rngs=rngs),
                nnx.Embed(LENGTH, WIDTH, rngs=rngs),
            )
            self.blocks = nnx.List([Block(rngs) for _ in range(DEPTH)])
            self.norm = nnx.LayerNorm(WIDTH, use_bias=False, rngs=rngs)

        def __call__(self, tokens):
            x = self.token(tokens) + self.place(jnp.arange(tokens.shape[1]))[None]
            mask = nnx.make_causal_mask(tokens)
            for block in self.blocks:
                x = block(x, mask)
            return self.token.attend(self.norm(x))

    model, text = GPT(nnx.Rngs(0)), jnp.asarray(characters())
    optimizer = nnx.Optimizer(model, optax.adam(LEARNING_RATE), wrt=nnx.Param)

    @nnx.jit
    def step(model, optimizer):
        loss_of = lambda model: optax.softmax_cross_entropy_with_integer_labels(
            model(text[:, :-1]), text[:, 1:]
        ).mean()
        loss, gradient = nnx.value_and_grad(loss_of)(model)
        optimizer.update(model, gradient)
        return loss

    return lambda: float(step(model, optimizer))


PEERS = {
    "jnn": train_by_jnn,
    "nnx": train_by_nnx,
    "torch": train_by_torch,
    "jnn-1": partial(write_by_jnn, 1),
    "jnn-32": partial(write_by_jnn, 32),
    "split-32": partial(write_by_jnn, 32, CORES),
    "torch-1": partial(write_by_torch, 1),
    "torch-32": partial(write_by_torch, 32),
}
HAS_TORCH = importlib.util.find_spec("torch") is not None


def steps(environment: dict[str, str]) -> Comparison:
    """A training step of each; other initial weights, so that losses differ."""
    names = {"jnn": "jnn", "Flax NNX": "nnx"} | ({"PyTorch": "torch"} if HAS_TORCH else {})
    kept = ", freed memory kept by glibc" if environment else ""
    ways = {way: Process(__file__, name, **environment) for way, name in names.items()}
    return Comparison(f"step, GPT of {DEPTH} x {WIDTH}{kept}", ways, tolerance=None)


def writing(batch: int) -> Comparison:
    """256 tokens from one."""
    names = {"jnn": f"jnn-{batch}"} | (
        {"jnn, a device for each core": f"split-{batch}"} if batch > 1 else {}
    )
    names |= {"PyTorch, with a key/value memory": f"torch-{batch}"} if HAS_TORCH else {}
    own = {f"split-{batch}": DEVICE_EACH_CORE}
    ways = {way: Process(__file__, name, **own.get(name, {})) for way, name in names.items()}
    return Comparison(
        f"{WRITTEN} tokens, batch {batch}, GPT of {DEPTH} x {WIDTH}", ways, tolerance=None
    )


if __name__ == "__main__" and not serve(PEERS):
    main(
        __file__,
        [
            partial(steps, {}),
            partial(steps, KEEP_MEMORY),
            partial(writing, 1),
            partial(writing, 32),
        ],
    )
