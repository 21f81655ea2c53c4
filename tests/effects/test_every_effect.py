"""What every effect in the list must hold to, without knowing what it does."""

from __future__ import annotations

from typing import Any

import pytest
import samples
import torch
from torch import Tensor

from dspcore import effects
from dspcore.effects import Effect


def variants() -> list[Any]:
    """Every effect in every word of each of its choices."""
    found = []
    for name, kind in effects.names().items():
        for c in samples.choices(kind):
            found.append(pytest.param(kind, c, id=" ".join([name, *c.values()])))
    return found


EVERY = pytest.mark.parametrize(("kind", "choices"), variants())
# A straight-through gradient is no derivative.
SMOOTH = pytest.mark.parametrize(
    ("kind", "choices"), [v for v in variants() if v.values[0].name not in samples.STRAIGHT_THROUGH]
)
ONCE = pytest.mark.parametrize("kind", effects.names().values(), ids=effects.names())
Choices = dict[str, Any]


def inputs(kind: type[Effect], b: int, t: int) -> tuple[Tensor, Tensor]:
    """Stereo noise and settings away from the ends, in float64."""
    generator = torch.Generator().manual_seed(7)
    audio = 0.3 * torch.randn(b, 2, t, generator=generator, dtype=torch.float64)
    p = 0.15 + 0.7 * torch.rand(b, len(kind.params), generator=generator, dtype=torch.float64)
    return audio, p


def difference_db(found: Tensor, truth: Tensor) -> float:
    found, truth = found.detach(), truth.detach()
    peak = truth.abs().max().clamp(min=1e-30)
    return float(20 * torch.log10((found - truth).abs().max().double() / peak + 1e-30))


@SMOOTH
def test_gradients_are_exact(kind: type[Effect], choices: Choices) -> None:
    """At 8 kHz, so that delay lines fit a signal that finite differences can afford."""
    effect = kind(8_000, **choices)
    late = effect.latency_samples()
    quick = kind.name in samples.LENGTHS or late > 0
    audio, p = inputs(kind, 1, samples.LENGTHS.get(kind.name, 24) + late)
    p = samples.short(kind, p)
    if quick:
        audio = audio[:, :1]
    assert torch.autograd.gradcheck(
        effect.normalized,
        (audio.requires_grad_(), p.requires_grad_()),
        eps=1e-7,
        atol=1e-6,
        rtol=1e-4,
        fast_mode=quick,
    )


@EVERY
def test_automation_has_gradients(kind: type[Effect], choices: Choices) -> None:
    effect = kind(8_000, **choices)
    audio, p = inputs(kind, 2, 1_500)
    frames = samples.short(kind, p)[..., None].repeat(1, 1, 5).requires_grad_()
    moved = effect.normalized(audio.requires_grad_(), frames)
    still = effect.normalized(audio, frames[..., 0])
    assert difference_db(moved, still) < -200
    for gradient in torch.autograd.grad(moved.square().sum(), (audio, frames)):
        assert gradient.isfinite().all()
        assert gradient.abs().sum() > 0
    constant = frames[..., 0].detach().requires_grad_()
    (whole,) = torch.autograd.grad(effect.normalized(audio, constant).square().sum(), constant)
    (spread,) = torch.autograd.grad(effect.normalized(audio, frames).square().sum(), frames)
    torch.testing.assert_close(spread.sum(-1), whole, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("block", [1, 7, 64, 480])
@pytest.mark.parametrize("moving", [False, True], ids=["constant", "moving"])
@EVERY
def test_streaming_is_one_long_block(
    kind: type[Effect], choices: Choices, moving: bool, block: int
) -> None:
    effect, t = kind(8_000, **choices), 100 if block == 1 else 700
    audio, p = inputs(kind, 2, t)
    if moving:
        ramp = torch.linspace(0, 1, t, dtype=torch.float64)
        p = p[..., None] + (0.5 - p[..., None]) * ramp
    params = effect.denormalize(samples.short(kind, p))
    whole = effect(audio, **params)
    stream, out = effect.stream(), []
    for start in range(0, t, block):
        now = slice(start, start + block)
        out.append(
            stream(audio[..., now], **{k: v[:, now] if moving else v for k, v in params.items()})
        )
    assert difference_db(torch.cat(out, -1), whole) < -230


@EVERY
def test_silence_stays_silent(kind: type[Effect], choices: Choices) -> None:
    effect = kind(**choices)
    for p in (
        torch.zeros(1, effect.num_params),
        torch.ones(1, effect.num_params),
        effect.random(4),
    ):
        assert not effect.normalized(torch.zeros(1, 2, 500), p).any()


@pytest.mark.parametrize("rate", [8_000, 44_100, 192_000])
@EVERY
def test_extreme_settings_stay_finite(kind: type[Effect], choices: Choices, rate: int) -> None:
    effect = kind(rate, **choices)
    audio = torch.rand(1, 2, 8_000, generator=torch.Generator().manual_seed(1)) * 2 - 1
    n = effect.num_params
    settings = torch.cat(
        [torch.zeros(1, n), torch.ones(1, n), torch.rand(4, n), torch.rand(4, n).round()]
    )
    settings.requires_grad_()
    out = effect.normalized(audio, settings)
    assert out.isfinite().all()
    assert out.abs().max() < 1e6
    (gradient,) = torch.autograd.grad(out.square().mean(), settings)
    assert gradient.isfinite().all()


@EVERY
def test_settings_jump_from_end_to_end_without_breaking(
    kind: type[Effect], choices: Choices
) -> None:
    """Every parameter thrown from one end to the other twelve times in a tenth of a second."""
    effect = kind(**choices)
    audio = torch.rand(1, 2, 4_800) * 2 - 1
    frames = torch.rand(1, effect.num_params, 4_800 // 400).round().repeat_interleave(400, -1)
    out = effect.normalized(audio, frames)
    assert out.isfinite().all()
    assert out.abs().max() < 1e5


@EVERY
def test_a_batch_of_settings_is_one_at_a_time(kind: type[Effect], choices: Choices) -> None:
    effect = kind(8_000, **choices)
    audio, _ = inputs(kind, 1, 2_000)
    p = effect.random(5)
    together = effect.normalized(audio, p)
    assert together.shape[0] == 5
    for i in range(5):
        alone = effect.normalized(audio, p[i : i + 1])
        assert difference_db(together[i : i + 1], alone) < -230


@EVERY
def test_mono_and_stereo_go_in(kind: type[Effect], choices: Choices) -> None:
    effect = kind(8_000, **choices)
    audio, _ = inputs(kind, 1, 1_000)
    mono = effect(audio[:, :1])
    assert mono.shape[1] in (1, 2)
    assert effect(audio).shape == audio.shape
    if mono.shape[1] == 1 and kind.name not in samples.MONO_TO_STEREO:
        twice = effect(audio[:, :1].expand(-1, 2, -1))
        torch.testing.assert_close(twice, mono.expand(-1, 2, -1))
    three = audio[:, [0, 1, 0]]
    two_at_most = kind.channels == "stereo" or kind.name in samples.MONO_TO_STEREO
    if two_at_most or choices.get("mode") == "ping_pong":
        with pytest.raises(ValueError, match=f"^{effect.name}: .*mono or stereo, got 3 channels"):
            effect(three)
    else:
        assert effect(three).shape == three.shape


@EVERY
def test_nothing_is_heard_after_the_tail(kind: type[Effect], choices: Choices) -> None:
    rate = 8_000
    for p in kind(rate, **choices).random(4, torch.Generator().manual_seed(3)):
        values = {k: float(v) for k, v in kind(rate).denormalize(p[None]).items()}
        for name, most in samples.LONGEST.items():
            if name in values:
                values[name] = min(values[name], most)
        effect = kind(rate, **choices, **values)
        tail = int(effect.tail_seconds() * rate) + 1
        audio = torch.zeros(1, 2, 2 * tail + 2_000, dtype=torch.float64)
        audio[:, 0, 0] = 1.0
        out = effect(audio)
        assert out[..., tail + 1 :].abs().max() < 1e-3 * out.abs().max()


@pytest.mark.slow
@pytest.mark.parametrize("frames", [(6,)], ids=["moving"])
@ONCE
def test_effects_compile_in_one_graph(kind: type[Effect], frames: tuple[int, ...]) -> None:
    effect = kind(8_000)
    audio, p = inputs(kind, 2, 500)
    p = p.reshape(*p.shape, *[1] * len(frames)).expand(*p.shape, *frames).clone().requires_grad_()
    torch.compiler.reset()
    compiled = torch.compile(effect.normalized, fullgraph=True, backend="aot_eager")
    found, expected = compiled(audio, p), effect.normalized(audio, p)
    torch.testing.assert_close(found, expected)
    for a, b in zip(
        torch.autograd.grad(found.square().sum(), p),
        torch.autograd.grad(expected.square().sum(), p),
        strict=True,
    ):
        torch.testing.assert_close(a, b)
