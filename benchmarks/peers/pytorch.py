"""PyTorch, eager, with its fused optimizer and attention."""

import itertools
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from benchmarks import works

Call = Callable[[], Any]


def training(model: nn.Module, x, label) -> Call:
    """Steps of Adam, one call each."""
    x, label = torch.tensor(x), torch.tensor(label, dtype=torch.long)
    optimizer = torch.optim.Adam(model.parameters(), works.LEARNING_RATE, fused=True)

    def call():
        optimizer.zero_grad(set_to_none=True)
        logits = model(x)
        loss = functional.cross_entropy(logits.reshape(-1, logits.shape[-1]), label.reshape(-1))
        loss.backward()
        optimizer.step()
        return loss.item()

    return call


def dense(*sizes: int) -> list[nn.Module]:
    """Dense layers with relu between them."""
    layers = [nn.Linear(*shape) for shape in itertools.pairwise(sizes)]
    return [part for layer in layers[:-1] for part in (layer, nn.ReLU())] + [layers[-1]]


def mlp(work: works.Perceptron) -> Call:
    """A step of mlp and mlp_tiny."""
    return training(nn.Sequential(*dense(*work.sizes)), *works.examples(work))


def mlps() -> Call:
    """A step of many MLPs, one after the other."""
    calls = [mlp(works.MLP_OF_MANY) for _ in range(works.MEMBERS)]
    return lambda: [call() for call in calls]


def _images(n: int, side: int = 28, channels: int = 1):
    """Images with channels first."""
    x, label = works.images(n, side, channels)
    return x.transpose(0, 3, 1, 2).copy(), label


def cnn() -> Call:
    """A step of cnn."""
    one, two = works.CHANNELS
    convolutions = (
        nn.Conv2d(1, one, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(one, two, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
    )
    model = nn.Sequential(*convolutions, *dense(14 * 14 * two, works.HIDDEN, 10))
    return training(model, *_images(128))


def lenet5() -> Call:
    """A step of lenet5."""
    stage = lambda *sizes: (nn.Conv2d(*sizes), nn.Tanh(), nn.AvgPool2d(2))
    head = nn.Linear(400, 120), nn.Tanh(), nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, 10)
    model = nn.Sequential(*stage(1, 6, 5), *stage(6, 16, 5), nn.Flatten(), *head)
    return training(model, *_images(128, 32))


def vgg16() -> Call:
    """A step of vgg16."""
    layers, channels = [], 3
    for features, convolutions in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(convolutions):
            convolution = nn.Conv2d(channels, features, 3, padding=1, bias=False)
            layers += [convolution, nn.BatchNorm2d(features), nn.ReLU()]
            channels = features
        layers.append(nn.MaxPool2d(2))
    model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10))
    return training(model, *_images(32, 32, 3))


def cnns() -> Call:
    """A step of many CNNs, one after the other."""
    one, two = works.CHANNELS_OF_MANY

    def member():
        stage = lambda channels, features: (
            nn.Conv2d(channels, features, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        model = nn.Sequential(*stage(1, one), *stage(one, two), nn.Flatten(), *dense(49 * two, 10))
        return training(model, *_images(32))

    calls = [member() for _ in range(works.MEMBERS)]
    return lambda: [call() for call in calls]


class Residual(nn.Module):
    """A basic block of a residual network."""

    def __init__(self, channels: int, features: int):
        super().__init__()
        stride = features // channels
        convolution = lambda channels, size, stride: nn.Sequential(
            nn.Conv2d(channels, features, size, stride, size // 2, bias=False),
            nn.BatchNorm2d(features),
        )
        self.body = nn.Sequential(
            convolution(channels, 3, stride), nn.ReLU(), convolution(features, 3, 1)
        )
        self.shortcut = convolution(channels, 1, stride) if stride > 1 else nn.Identity()

    def forward(self, x):
        """Images, with features for channels."""
        return functional.relu(self.body(x) + self.shortcut(x))


def _resnet18() -> nn.Module:
    """The model of resnet18."""
    stem = nn.Conv2d(3, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU()
    sizes = [(64, 64), (64, 64), (64, 128), (128, 128), (128, 256), (256, 256), (256, 512)]
    blocks = [Residual(*size) for size in [*sizes, (512, 512)]]
    head = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10)
    return nn.Sequential(*stem, *blocks, *head)


def resnet18() -> Call:
    """A step of resnet18."""
    return training(_resnet18(), *_images(32, 32, 3))


def predict(batch: int) -> Call:
    """The logits of images by the model of resnet18."""
    model, x = _resnet18().eval(), torch.tensor(_images(batch, 32, 3)[0])

    @torch.inference_mode()
    def call():
        return model(x)

    return call


class Recurrent(nn.Module):
    """An embedding, two recurrent layers and a read-out."""

    def __init__(self, kind: str):
        super().__init__()
        work = works.RECURRENT
        layer = {"lstm": nn.LSTM, "gru": nn.GRU}[kind]
        self.embedding = nn.Embedding(work.vocabulary, work.embedding)
        self.layers = layer(work.embedding, work.features, num_layers=2, batch_first=True)
        self.out = nn.Linear(work.features, work.vocabulary)

    def forward(self, tokens):
        """The logits."""
        return self.out(self.layers(self.embedding(tokens))[0])


def recurrent(kind: str) -> Call:
    """A step of lstm and gru."""
    return training(Recurrent(kind), *works.characters(works.RECURRENT))


class Block(nn.Module):
    """Attention and a feed-forward layer, with a memory of keys and values for writing."""

    def __init__(self, work: works.GPT):
        super().__init__()
        d, self.heads, self.dropout = work.width, work.heads, nn.Dropout(work.dropout)
        self.norms = nn.ModuleList([nn.LayerNorm(d, bias=False) for _ in range(2)])
        self.qkv, self.merge = nn.Linear(d, 3 * d, bias=False), nn.Linear(d, d, bias=False)
        self.up, self.down = nn.Linear(d, 4 * d, bias=False), nn.Linear(4 * d, d, bias=False)

    def forward(self, x, memory=None, at=0):
        """``x`` and what it adds; ``at`` is the place of the first token."""
        b, t, d = x.shape
        split = self.qkv(self.norms[0](x)).view(b, t, 3, self.heads, d // self.heads)
        q, k, v = (split[:, :, i].transpose(1, 2) for i in range(3))
        if memory is not None:
            memory[0][:, :, at : at + t], memory[1][:, :, at : at + t] = k, v
            k, v = memory[0][:, :, : at + t], memory[1][:, :, : at + t]
        rate = self.dropout.p if self.training else 0.0
        attend = functional.scaled_dot_product_attention
        y = attend(q, k, v, dropout_p=rate, is_causal=memory is None)
        x = x + self.dropout(self.merge(y.transpose(1, 2).reshape(b, t, d)))
        y = functional.gelu(self.up(self.norms[1](x)), approximate="tanh")
        return x + self.dropout(self.down(y))


class GPT(nn.Module):
    """A decoder-only transformer."""

    def __init__(self, work: works.GPT):
        super().__init__()
        d = work.width
        self.token, self.place = nn.Embedding(work.vocabulary, d), nn.Embedding(work.length + 1, d)
        self.blocks = nn.ModuleList([Block(work) for _ in range(work.depth)])
        self.norm, self.dropout = nn.LayerNorm(d, bias=False), nn.Dropout(work.dropout)

    def forward(self, tokens, memories=None, at=0):
        """The logits."""
        x = self.token(tokens) + self.place(torch.arange(at, at + tokens.shape[1]))
        x = self.dropout(x)
        for i, block in enumerate(self.blocks):
            x = block(x, memories and memories[i], at)
        return functional.linear(self.norm(x), self.token.weight)


def gpt(work: works.GPT) -> Call:
    """A step of gpt_s, with dropout too, and of gpt_m."""
    return training(GPT(work), *works.characters(work))


def write(batch: int) -> Call:
    """The most probable token each time, with a memory of keys and values."""
    work = works.GPT_M
    model = GPT(work).eval()
    prompt = torch.tensor(works.characters(work, batch)[0][:batch, :1], dtype=torch.long)
    shape = batch, work.heads, work.length + 1, work.width // work.heads
    memories = [[torch.zeros(shape) for _ in range(2)] for _ in range(work.depth)]

    @torch.inference_mode()
    def call():
        token, total = prompt, 0
        for at in range(work.length):
            token = model(token, memories, at)[:, -1:].argmax(-1)
            total += token.sum()
        return float(total)

    return call
