"""Words as vectors: fixed random ones, or what a layer of a language model says of them."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

#: A word to a vector.
Embed = Callable[[str], Tensor]


def hashed(word: str, size: int = 32) -> Tensor:
    """A fixed random vector of a word; the same on every machine."""
    seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:7], "big")
    return torch.randn(size, generator=torch.Generator().manual_seed(seed))


def language_model(name: str, layer: int = -2, size: int = 32) -> Embed:
    """A late layer of a language model, its tokens' mean, by a fixed random projection.

    Args:
        name: Of a model of the package `transformers` that is on this machine: a folder, or one
            that was fetched before. Nothing is downloaded.
        layer: Of the hidden states; -1 is the last.
        size: Numbers of a vector.

    Raises:
        RuntimeError: The package or the model is not there.
    """
    try:
        import transformers
    except ImportError as error:
        raise RuntimeError(
            "digits: a language model's layer needs transformers; pip install transformers"
        ) from error
    lm: Any = transformers
    try:
        tokenizer = lm.AutoTokenizer.from_pretrained(name, local_files_only=True)
        model = lm.AutoModel.from_pretrained(name, local_files_only=True).eval()
    except OSError as error:
        raise RuntimeError(
            f"digits: no language model {name!r} on this machine; give its folder"
        ) from error
    mixed: dict[int, Tensor] = {}

    @torch.no_grad()
    def embed(word: str) -> Tensor:
        tokens = tokenizer(word, return_tensors="pt")
        hidden = model(**tokens, output_hidden_states=True).hidden_states[layer][0]
        mean = hidden.float().mean(0)
        if len(mean) not in mixed:
            generator = torch.Generator().manual_seed(0)
            mixed[len(mean)] = torch.randn(len(mean), size, generator=generator)
        found = (mean / mean.norm().clamp(min=1e-9)) @ mixed[len(mean)]
        return found * math.sqrt(size) / found.norm().clamp(min=1e-9)

    return embed


def by_name(name: str) -> Embed | None:
    """hashed; learned, which is None; or ``lm:NAME``, a layer of that language model."""
    if name == "hashed":
        return hashed
    if name == "learned":
        return None
    kind, _, model = name.partition(":")
    if kind == "lm" and model:
        return language_model(model)
    raise ValueError(f"digits: embedding must be hashed, learned or lm:NAME, got {name!r}")
