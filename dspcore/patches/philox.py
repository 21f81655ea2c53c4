"""Counter-based random numbers for many patches at once: Philox 4x64-10, as numpy draws it.

J. K. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011, section 3.3.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Words = NDArray[np.uint64]

_MULTIPLIERS = (0xD2E7470EE14C6C93, 0xCA5A826395121157)
_WEYL = (0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B)
_ROUNDS = 10
_WORD = 2**64
_LOW, _HALF = np.uint64(0xFFFFFFFF), np.uint64(32)


def uniform(key: int, index: ArrayLike, count: int, attempt: ArrayLike = 0) -> NDArray[np.float64]:
    """Numbers in [0, 1), a row for each index.

    Row i is ``Generator(Philox(key=key, counter=[0, 0, attempt, index[i]])).random(count)``.

    Args:
        key: 0 to 2^128 - 1.
        index: (n,), 0 to 2^64 - 1.
        count: Numbers in a row.
        attempt: (n,), or one for all.

    Returns:
        (n, count) float64.
    """
    rows = np.asarray(index, np.uint64)[:, None]
    blocks = -(-count // 4)
    shape = (len(rows), blocks)
    words = [
        np.broadcast_to(np.arange(1, blocks + 1, dtype=np.uint64), shape),
        np.zeros(shape, np.uint64),
        np.broadcast_to(np.broadcast_to(np.asarray(attempt, np.uint64), len(rows))[:, None], shape),
        np.broadcast_to(rows, shape),
    ]
    keys = [key % _WORD, key >> 64]
    for _ in range(_ROUNDS):
        high_0, low_0 = _product(words[0], _MULTIPLIERS[0])
        high_1, low_1 = _product(words[2], _MULTIPLIERS[1])
        k0, k1 = (np.uint64(word) for word in keys)
        words = [high_1 ^ words[1] ^ k0, low_1, high_0 ^ words[3] ^ k1, low_0]
        keys = [(word + step) % _WORD for word, step in zip(keys, _WEYL, strict=True)]
    drawn = np.stack(words, -1).reshape(len(rows), 4 * blocks)[:, :count]
    return np.asarray((drawn >> np.uint64(11)) * 2.0**-53, np.float64)


def _product(a: Words, b: int) -> tuple[Words, Words]:
    """The upper and the lower word of a product of 128 bits."""
    a_high, a_low = a >> _HALF, a & _LOW
    b_high, b_low = np.uint64(b >> 32), np.uint64(b & 0xFFFFFFFF)
    middle = a_high * b_low + (a_low * b_low >> _HALF)
    cross = a_low * b_high + (middle & _LOW)
    return a_high * b_high + (middle >> _HALF) + (cross >> _HALF), a * np.uint64(b)
