"""Numbers of a program as formulas over the sample rate and the samples of a block.

A program is recorded at many sample rates and block lengths. A number that is the same everywhere
is a constant; others follow ``a + b n`` in the samples n of a block, with a and b found among a few
forms over the rate, and checked at every rate recorded. What has none of these forms becomes a
table over the usual rates.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache, partial

#: Rates that hosts use, and further ones at which formulas are checked.
USUAL_RATES = (44_100, 48_000, 88_200, 96_000, 176_400, 192_000)
PROBES = (32_000, 51_217, 132_301)
RATES = (*USUAL_RATES, *PROBES)


@dataclass(frozen=True)
class Formula:
    """A number in C++ over `rate`, and whether it only holds at the usual rates."""

    code: str
    constant: bool = True
    table: bool = False


ZERO = Formula("0")


def literal(value: float) -> str:
    """A number as C++ reads it back exactly."""
    if isinstance(value, (bool, int)):
        return str(int(value))
    if math.isinf(value):
        return "INFINITY" if value > 0 else "-INFINITY"
    return "NAN" if math.isnan(value) else repr(float(value))


def over_rate(values: Mapping[int, float]) -> Formula:
    """The formula that has these values at these rates."""
    return _over_rate(tuple((rate, type(value), value) for rate, value in values.items()))


@lru_cache(maxsize=4096)
def _over_rate(found: tuple[tuple[int, type, float], ...]) -> Formula:
    """The same, remembered; 1 and 1.0 are not."""
    values = {rate: value for rate, _, value in found}
    first = next(iter(values.values()))
    if all(_same(value, first) for value in values.values()):
        return Formula(literal(first))
    for code, function in _forms(values):
        if all(_near(function(rate), value) for rate, value in values.items()):
            return Formula(code, constant=False)
    listed = ", ".join(literal(float(values[rate])) for rate in USUAL_RATES)
    whole = all(isinstance(v, int) for v in values.values())
    code = f"usual(rate, {{{listed}}})"
    return Formula(f"std::int64_t({code})" if whole else code, constant=False, table=True)


def over_samples(values: Mapping[tuple[int, int], int]) -> tuple[Formula, Formula] | None:
    """a and b of ``a + b n`` for whole numbers by (rate, n); None where there are none."""
    if len(set(values.values())) == 1:
        return Formula(str(next(iter(values.values())))), ZERO
    offsets: dict[int, int] = {}
    slopes: dict[int, int] = {}
    for rate in dict.fromkeys(rate for rate, _ in values):
        points = sorted((n, v) for (r, n), v in values.items() if r == rate)
        (n0, v0), (n1, v1) = points[0], points[1]
        slope, rest = divmod(v1 - v0, n1 - n0)
        if rest or any(v0 + slope * (n - n0) != v for n, v in points):
            return None
        offsets[rate], slopes[rate] = v0 - slope * n0, slope
    return over_rate(offsets), over_rate(slopes)


def _same(a: float, b: float) -> bool:
    return a == b or (a != a and b != b)


def _near(a: float, b: float) -> bool:
    return a == b or (not isinstance(b, int) and math.isclose(a, b, rel_tol=1e-13))


def _forms(values: Mapping[int, float]) -> Iterator[tuple[str, Callable[[int], float]]]:
    """Candidates, plainest first."""
    (rate, value), *_ = values.items()
    whole = all(float(v).is_integer() for v in values.values())
    integers = all(isinstance(v, int) for v in values.values())
    if not whole:
        slope = _plain(value / rate)
        yield f"{slope!r} * rate", lambda r: slope * r
        inverse = _plain(value * rate)
        yield f"{inverse!r} / rate", lambda r: inverse / r
        return

    def typed(code: str) -> str:
        return f"std::int64_t({code})" if integers else code

    found = []
    for k in range(-4, 9):
        for word, low, high in (("nearbyint", 0.5, 0.5), ("ceil", 1.0, 0.0), ("floor", 0.0, 1.0)):
            least = max((Fraction(v) - k - Fraction(low)) / r for r, v in values.items())
            most = min((Fraction(v) - k + Fraction(high)) / r for r, v in values.items())
            if least < most and most > 0:
                slope, digits = _plainest(least, most)
                found.append((digits, abs(k), k, word, slope))
    for digits, _, k, word, slope in sorted(found):
        if digits == 0 and integers:
            yield f"{int(slope)} * whole_rate + {k}", partial(_straight, int(slope), k)
        shift = f" + {k}" if k > 0 else f" - {-k}" if k else ""
        yield typed(f"std::{word}({slope!r} * rate){shift}"), partial(_rounded, word, slope, k)


def _straight(slope: int, k: int, rate: int) -> float:
    return slope * rate + k


def _rounded(word: str, slope: float, k: int, rate: int) -> float:
    exact = slope * rate
    if word == "nearbyint":
        return round(exact) + k
    return (math.ceil(exact) if word == "ceil" else math.floor(exact)) + k


def _plain(value: float) -> float:
    """The number with the fewest digits that is as good as this."""
    for digits in range(1, 17):
        short = float(f"{value:.{digits}g}")
        if math.isclose(short, value, rel_tol=1e-14):
            return short
    return value


def _plainest(least: Fraction, most: Fraction) -> tuple[float, int]:
    """The decimal with the fewest digits between two, and how many it has."""
    for digits in range(12):
        scale = 10**digits
        candidate = math.ceil(least * scale)
        middle = round((least + most) / 2 * scale)
        for number in (candidate, middle):
            if least <= Fraction(number, scale) <= most and number > 0:
                return number / scale, digits
    return float((least + most) / 2), 12
