"""Which strings the model may see: few of the pairs of digits, so that most strings are new."""

from __future__ import annotations

import random


def allowed_pairs(count: int, seed: int) -> set[tuple[int, int]]:
    """`count` of the 100 ordered pairs; a circle through all digits is among them."""
    draw = random.Random(seed)
    circle = draw.sample(range(10), 10)
    pairs = set(zip(circle, circle[1:] + circle[:1], strict=True))
    others = [(a, b) for a in range(10) for b in range(10) if (a, b) not in pairs]
    return pairs | set(draw.sample(others, count - len(pairs)))


def known_strings(
    pairs: set[tuple[int, int]], count: int, longest: int, seed: int
) -> list[tuple[int, ...]]:
    """All single digits, and `count` different longer strings along allowed pairs."""
    draw = random.Random(seed)
    found = {(d,) for d in range(10)}
    while len(found) < count + 10:
        digits = [draw.randrange(10)]
        for _ in range(draw.randint(2, longest) - 1):
            after = [b for a, b in sorted(pairs) if a == digits[-1]]
            digits.append(draw.choice(after))
        found.add(tuple(digits))
    return sorted(found)


def unseen_strings(
    known: list[tuple[int, ...]], shortest: int, longest: int, count: int, seed: int
) -> list[tuple[int, ...]]:
    """`count` different strings of any pairs that are not among the known."""
    draw = random.Random(seed)
    found: set[tuple[int, ...]] = set()
    while len(found) < count:
        digits = tuple(draw.randrange(10) for _ in range(draw.randint(shortest, longest)))
        if digits not in known:
            found.add(digits)
    return sorted(found)
