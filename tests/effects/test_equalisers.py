"""Equalisers and crossovers against their analytic curves."""

from __future__ import annotations

import math
import pickle

import pytest
import torch
from torch import Tensor

from dspcore import effects
from dspcore.effects import (
    Compressor,
    Crossover,
    Effect,
    GraphicEQ,
    GraphicEQ31,
    MultibandCompressor,
    ParametricEQ,
    TiltEQ,
    parametric_eq,
)
from dspcore.effects.crossover import BANDS, split

RATE = 48_000
pytestmark = pytest.mark.usefixtures("native")


def spectrum(y: Tensor) -> tuple[Tensor, Tensor]:
    """Frequencies from 20 Hz to 20 kHz and the complex response there, of (t,)."""
    hz = torch.fft.rfftfreq(y.shape[-1], 1 / RATE, dtype=torch.float64)
    heard = (hz >= 20) & (hz <= 20_000)
    return hz[heard], torch.fft.rfft(y)[..., heard]


def impulse(samples: int = 1 << 17) -> Tensor:
    x = torch.zeros(1, 1, samples, dtype=torch.float64)
    x[..., 0] = 1.0
    return x


def response(effect: Effect) -> tuple[Tensor, Tensor]:
    return spectrum(effect(impulse())[0, 0])


def db(x: Tensor) -> Tensor:
    return 20 * torch.log10(x.abs())


def warped(hz: Tensor | float) -> Tensor:
    """Where the bilinear transform takes a frequency from."""
    return torch.tan(math.pi * torch.as_tensor(hz, dtype=torch.float64) / RATE)


# --- tilt ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("pivot", [100.0, 800.0, 10_000.0])
@pytest.mark.parametrize("tilt", [-24.0, -6.0, 12.0])
def test_the_tilt_follows_its_analytic_curve(tilt: float, pivot: float) -> None:
    hz, found = response(TiltEQ(RATE, tilt_db=tilt, pivot_hz=pivot))
    a, s = 10 ** (tilt / 40), 1j * warped(hz) / warped(pivot)
    assert (db(found) - db((a * s + 1) / (s + a))).abs().max() < 0.01
    assert float(db(found)[(hz - pivot).abs().argmin()]) == pytest.approx(0.0, abs=0.02)
    if pivot == 800.0:
        assert float(db(found)[-1] - db(found)[0]) == pytest.approx(tilt, abs=0.03 * abs(tilt))


# --- parametric ---------------------------------------------------------------------------------


def test_an_equaliser_has_as_many_bells_as_asked_for() -> None:
    hz, found = response(
        parametric_eq(7)(
            RATE, peak_1_hz=90.0, peak_1_gain_db=6.0, peak_7_q=4.0, peak_7_gain_db=-9.0
        )
    )
    seven = parametric_eq(7)
    last = seven.params["peak_7_hz"].default
    total = torch.zeros_like(hz)
    for centre, q, gain in ((90.0, 1.0, 6.0), (last, 4.0, -9.0)):
        a, x = 10 ** (gain / 40), (warped(hz) / warped(centre))
        x = x - 1 / x
        total += 10 * torch.log10((x**2 + (a / q) ** 2) / (x**2 + 1 / (a * q) ** 2))
    idle = response(parametric_eq(0)(RATE))[1]
    assert (db(found) - db(idle) - total).abs().max() < 0.01


def test_equalisers_are_made_once_and_found_by_name() -> None:
    assert parametric_eq(4) is ParametricEQ
    assert parametric_eq(9) is parametric_eq(9) is effects.by_name("parametric_eq9")
    assert effects.by_name("eq12").name == "parametric_eq12"
    assert parametric_eq(3)().num_params == 18 - 3
    assert [n for n in parametric_eq(1).params if "peak" in n] == [
        "peak_1_hz", "peak_1_gain_db", "peak_1_q"
    ]  # fmt: skip
    assert list(parametric_eq(5).params)[-3:] == list(ParametricEQ.params)[-3:]
    centres = [
        p.default for n, p in parametric_eq(16).params.items() if n.endswith(("0_hz", "1_hz"))
    ]
    assert centres == sorted(centres)
    assert "eq" not in effects.by_name("parametric_eq9").aliases
    for wrong in (-1, 65, 2.0, True):
        with pytest.raises(ValueError, match="parametric_eq: bells must be 0 to 64"):
            parametric_eq(wrong)  # type: ignore[arg-type]
    for name in ("eq65", "eq07", "parametric_eq-1"):
        with pytest.raises(effects.UserError, match="unknown effect"):
            effects.by_name(name)
    assert pickle.loads(pickle.dumps(ParametricEQ())).name == "parametric_eq"


def test_many_bells_stream_and_take_gradients() -> None:
    eq = parametric_eq(12)(8_000)
    p = (0.2 + 0.6 * torch.rand(1, eq.num_params, dtype=torch.float64)).requires_grad_()
    x = torch.randn(1, 1, 300, dtype=torch.float64)
    whole = eq.normalized(x, p)
    (gradient,) = torch.autograd.grad(whole.square().sum(), p)
    assert (gradient != 0).all()
    stream, settings = eq.stream(), {k: v.detach() for k, v in eq.denormalize(p).items()}
    parts = [stream(block, **settings) for block in x.split(70, -1)]
    torch.testing.assert_close(torch.cat(parts, -1), whole)
    sorted_once = eq.canonical({n: float(v) for n, v in settings.items()})
    bells = [sorted_once[f"peak_{i}_hz"] for i in range(1, 13)]
    assert bells == sorted(bells)


# --- graphic ------------------------------------------------------------------------------------

PATTERNS = ("zigzag", "flat", "random")


def sliders(kind: type[Effect], pattern: str) -> dict[str, float]:
    names = list(kind.params)
    generator = torch.Generator().manual_seed(len(names))
    values = {
        "zigzag": 12.0 * (-1.0) ** torch.arange(len(names)),
        "flat": torch.full((len(names),), 12.0),
        "random": 24 * torch.rand(len(names), generator=generator) - 12,
    }[pattern]
    return dict(zip(names, values.double().tolist(), strict=True))


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("kind", [GraphicEQ, GraphicEQ31])
def test_the_response_meets_every_slider(kind: type[Effect], pattern: str) -> None:
    values = sliders(kind, pattern)
    hz, found = response(kind(RATE, **values))
    step = 1 / 3 if kind is GraphicEQ31 else 1
    middle = list(values).index("band_1000_db")
    for i, value in enumerate(values.values()):
        centre = 1000 * 10 ** (0.3 * step * (i - middle))
        if centre > 20:  # else it lies left of what `spectrum` gives
            z = torch.exp(-2j * math.pi * centre / RATE * torch.arange(1 << 17))
            exact = db((kind(RATE, **values)(impulse())[0, 0] * z).sum()) if i % 4 == 0 else None
            near = db(found)[(hz - centre).abs().argmin()]
            assert float(near) == pytest.approx(value, abs=0.35)
            if exact is not None:
                assert float(exact) == pytest.approx(value, abs=1e-3)


@pytest.mark.parametrize("kind", [GraphicEQ, GraphicEQ31])
def test_between_sliders_the_response_goes_nearly_straight(kind: type[Effect]) -> None:
    hz, found = response(kind(RATE, **sliders(kind, "flat")))
    inside = (hz > 40) & (hz < 14_000)
    assert (db(found)[inside] - 12.0).abs().max() < 1.0


def test_bands_that_the_sample_rate_cannot_hold_do_nothing() -> None:
    x = torch.randn(1, 1, 500, dtype=torch.float64)
    for kind, silent in ((GraphicEQ, "band_4000_db"), (GraphicEQ31, "band_20000_db")):
        assert torch.equal(kind(8_000, **{silent: 12.0})(x), kind(8_000)(x))
    assert kind(44_100, band_20000_db=12.0)(x).isfinite().all()


def test_a_graphic_equaliser_suggests_what_was_done() -> None:
    values = sliders(GraphicEQ, "random")
    dry = torch.randn(1, 1 << 16, generator=torch.Generator().manual_seed(0))
    wet = GraphicEQ(RATE, **values)(dry[None])[0]
    (found,) = GraphicEQ(RATE).suggest(dry, wet)
    for name in list(values)[1:-1]:
        assert found[name] == pytest.approx(values[name], abs=2.5)


# --- crossovers ---------------------------------------------------------------------------------


def lowpass4(hz: Tensor, corner: float) -> Tensor:
    """A Butterworth low-pass of second order twice: a Linkwitz-Riley one of fourth."""
    s = 1j * warped(hz) / warped(corner)
    return 1 / (s**2 + math.sqrt(2) * s + 1) ** 2


@pytest.mark.parametrize(("low", "high"), [(200.0, 3_000.0), (30.0, 500.0), (2_000.0, 16_000.0)])
def test_bands_fall_by_24_db_an_octave_and_add_up_flat(low: float, high: float) -> None:
    found = {}
    for band in BANDS:
        effect = Crossover(RATE, band=band, low_crossover_hz=low, high_crossover_hz=high)
        hz, found[band] = response(effect)
    total = sum(found.values())
    assert db(total).abs().max() < 0.001
    assert (db(found["low"]) - db(lowpass4(hz, low)))[hz < 4 * low].abs().max() < 0.01
    s = 1j * warped(hz) / warped(high)
    expected = db(lowpass4(hz, high) * s**4)
    above = hz > 3 * low
    assert (db(found["high"]) - expected - db(1 - 0 * s))[above & (hz > high / 4)].abs().max() < 0.2
    at = (hz - low).abs().argmin()
    assert float(db(found["low"])[at]) == pytest.approx(-6.02, abs=0.1)


def test_four_bands_add_up_flat_too() -> None:
    corners = [torch.full((1, 1), hz, dtype=torch.float64) for hz in (120.0, 900.0, 6_000.0)]
    bands, _ = split(impulse(), corners, RATE, None)
    assert bands.shape == (1, 4, 1, 1 << 17)
    assert db(spectrum(bands.sum(1)[0, 0])[1]).abs().max() < 0.001


# --- multi-band ---------------------------------------------------------------------------------


@pytest.mark.parametrize("settings", [{"low_ratio": 1.0, "mid_ratio": 1.0, "high_ratio": 1.0}, {}])
def test_a_multiband_compressor_at_rest_is_an_all_pass(settings: dict[str, float]) -> None:
    """No ratio, or nothing above the thresholds: every frequency keeps its level."""
    effect = MultibandCompressor(RATE, **settings)
    quiet = 1.0 if settings else 1e-3
    hz, found = spectrum(effect(quiet * impulse())[0, 0] / quiet)
    assert db(found).abs().max() < 0.001
    assert hz.shape == found.shape


def test_every_band_has_a_compressor_of_its_own() -> None:
    x = torch.randn(1, 2, 4_000, dtype=torch.float64)
    shared = {"knee_db": 3.0, "mix": 0.8}
    each = {
        band: {"threshold_db": -30.0 - 5 * i, "ratio": 2.0 + i, "attack_ms": 1.0 + i,
               "release_ms": 50.0 + i, "makeup_db": 3.0 * i}
        for i, band in enumerate(BANDS)
    }  # fmt: skip
    own = {f"{band}_{key}": value for band in BANDS for key, value in each[band].items()}
    corners = [torch.full((1, 1), hz, dtype=torch.float64) for hz in (200.0, 3_000.0)]
    bands, _ = split(x, corners, RATE, None)
    expected = sum(
        Compressor(RATE, **each[band], **shared)(bands[:, i]) for i, band in enumerate(BANDS)
    )
    torch.testing.assert_close(MultibandCompressor(RATE, **own, **shared)(x), expected)
    apart = MultibandCompressor(RATE, **own, **shared, channel_link=0.0)
    for channel in (x[:, :1], x[:, 1:]):
        alone = MultibandCompressor(RATE, **own, **shared)(channel)
        other = 1e-6 * torch.randn_like(channel)
        torch.testing.assert_close(apart(torch.cat([channel, other], 1))[:, :1], alone)


def test_a_loud_band_pulls_the_others_along_when_linked() -> None:
    """A loud tone of 60 Hz, a quiet one of 9 kHz: apart, or both by a third of the dB."""
    n = torch.arange(RATE // 2, dtype=torch.float64)
    low, high = (torch.sin(2 * math.pi * f / RATE * n) for f in (60.0, 9_000.0))
    changes = {}
    for link in (0.0, 1.0):
        effect = MultibandCompressor(
            RATE, band_link=link, low_threshold_db=-30.0, low_ratio=4.0, low_release_ms=1_000.0
        )
        heard = torch.fft.rfft(effect((low + 0.001 * high)[None, None])[0, 0, -4_800:])
        changes[link] = db(heard[[6, 900]] / torch.tensor([2_400.0, 2.4]))
    assert changes[0.0].tolist() == pytest.approx([-21.2, 0.0], abs=0.5)
    low_change, high_change = changes[1.0].tolist()
    assert low_change == pytest.approx(high_change, abs=0.01)
    # The gain swings with the tone, and the mean of dB is not the dB of a mean.
    assert low_change == pytest.approx(float(changes[0.0][0]) / 3, abs=0.4)


def test_a_side_chain_is_divided_like_the_sound() -> None:
    x = torch.randn(1, 2, 4_000, dtype=torch.float64)
    effect = MultibandCompressor(RATE, mid_threshold_db=-40.0)
    torch.testing.assert_close(effect(x, sidechain=x), effect(x))
    silence = torch.zeros(1, 1, 4_000, dtype=torch.float64)
    rest = MultibandCompressor(RATE, low_ratio=1.0, mid_ratio=1.0, high_ratio=1.0)
    torch.testing.assert_close(effect(x, sidechain=silence), rest(x))
    with pytest.raises(ValueError, match="sidechain must be mono or have 2 channels, and 4000"):
        effect(x, sidechain=silence[..., :9])
