"""Rounds that smoothers take on CUDA to settle: ``python -m bench.settling RECORDING...``.

csrc/dsp/settle.hpp finds the states at the begins of all parts of a row by Newton's method, ten
rounds of it. This counts, for a smoother with attack and release, the parts that run in each round.
"""

from __future__ import annotations

import sys
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dspcore import audio

Signal = NDArray[np.float64]
ROUNDS = 12
SECONDS = (20, 600)
TIMES = ((0.001, 0.05), (0.01, 0.1), (0.03, 1.0), (0.1, 0.01))  # of attack and release, s


Function = TypeVar("Function")


def compiled(function: Function) -> Function:
    """Numba's, with the types kept."""
    return cast(Function, njit(cast(Any, function)))


@compiled
def walk(x: Signal, state: float, attack: float, release: float) -> tuple[float, float]:
    """The state after a part, and its slope over the state before."""
    slope = 1.0
    for value in x:
        coefficient = attack if state < value else release
        state += coefficient * (value - state)
        slope *= 1 - coefficient
    return state, slope


@compiled
def rounds(x: Signal, attack: float, release: float, span: int) -> NDArray[np.int64]:
    """How many parts of `span` samples run in each round."""
    count = (len(x) + span - 1) // span
    begin, end, slope = np.zeros(count), np.zeros(count), np.zeros(count)
    tried, ran = np.full(count, np.nan), np.zeros(ROUNDS, np.int64)
    for r in range(ROUNDS):
        for p in range(count):
            near = 1e-12 * max(abs(begin[p]), abs(tried[p]))
            if r == 0 or not abs(begin[p] - tried[p]) <= near:
                ran[r] += 1
                tried[p] = begin[p]
                part = x[p * span : (p + 1) * span]
                end[p], slope[p] = walk(part, begin[p], attack, release)
        for p in range(count - 1):
            begin[p + 1] = end[p] + slope[p] * (begin[p] - tried[p])
    return ran


def main(names: list[str]) -> None:
    """Print a line for each recording, length and pair of times."""
    sounds = {"noise": (np.random.default_rng(0).standard_normal(48_000), 48_000)}
    for name in names:
        recording, rate = audio.read(name)
        sounds[name] = (recording.mean(0).double().numpy(), rate)
    for name, (sound, rate) in sounds.items():
        for seconds in SECONDS:
            level = np.abs(np.resize(sound, seconds * rate))
            span = max(128, -(-len(level) // 65_536 // 16) * 16)
            for times in TIMES:
                attack, release = (1 - np.exp(-1 / (rate * time)) for time in times)
                ran = rounds(level, attack, release, span)
                print(f"{name}: {seconds} s, {times}, parts of {span}: {ran[ran > 0].tolist()}")


if __name__ == "__main__":
    main(sys.argv[1:])
