"""What every instrument must hold to, without knowing how it sounds."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from dspcore import synth
from dspcore.errors import UserError
from dspcore.synth import FM, Envelope, Note, Subtractive, Synth, envelope

pytestmark = pytest.mark.usefixtures("native")
RATE = 16_000
NOTES = [Note(0.0, 0.02, 60), Note(0.0, 0.03, 64, 80), Note(0.0131, 0.02, 72, 127)]
EVERY = pytest.mark.parametrize("kind", synth.names().values(), ids=synth.names())


def quick(kind: type[Synth], n: int, seed: int = 3) -> Tensor:
    """Settings away from the ends, in float64, with short releases."""
    generator = torch.Generator().manual_seed(seed)
    p = 0.15 + 0.7 * torch.rand(n, len(kind.params), generator=generator, dtype=torch.float64)
    for index, name in enumerate(kind.params):
        if name.endswith("_ms"):
            p[:, index] *= 0.4
    return p


@EVERY
def test_gradients_are_exact(kind: type[Synth]) -> None:
    instrument = kind(8_000).double()
    notes = [Note(0.0, 0.002, 60), Note(0.001, 0.002, 67)]
    p = quick(kind, 1).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda p: instrument.normalized(notes, 0.006, p), p, eps=1e-7, atol=1e-6, rtol=1e-4
    )


@EVERY
@pytest.mark.parametrize("moving", [False, True], ids=["constant", "moving"])
def test_streaming_is_one_long_block(kind: type[Synth], moving: bool) -> None:
    instrument, p, total = kind(RATE).double(), quick(kind, 2), 1_200
    if moving:
        p = p[..., None] + (0.5 - p[..., None]) * torch.linspace(0, 1, total, dtype=torch.float64)
    params = instrument.denormalize(p)
    whole = instrument(NOTES, total / RATE, **params)
    for block in (1, 7, 64, 480):
        stream, out = instrument.stream(NOTES, glide_ms=0), []
        for start in range(0, 200 if block == 1 else total, block):
            n = min(block, total - start)
            now = {k: v[:, start : start + n] if moving else v for k, v in params.items()}
            out.append(stream(n, **now))
        found = torch.cat(out, -1)
        assert (found - whole[..., : found.shape[-1]]).abs().max() < 1e-12


@EVERY
def test_without_a_gradient_it_sounds_as_with_one(kind: type[Synth]) -> None:
    instrument, p = kind(RATE).double(), quick(kind, 2)
    p = p[..., None] + (0.5 - p[..., None]) * torch.linspace(0, 1, 50, dtype=torch.float64)
    sound = instrument.normalized(NOTES, 0.6, p)  # of more than two blocks
    with torch.no_grad():
        assert (instrument.normalized(NOTES, 0.6, p) - sound).abs().max() < 1e-12


@EVERY
def test_voices_add_and_items_do_not_hear_each_other(kind: type[Synth]) -> None:
    instrument, p = kind(RATE).double(), quick(kind, 2)
    together = instrument.normalized(NOTES, 0.1, p)
    alone = [instrument.normalized([note], 0.1, p) for note in NOTES]
    torch.testing.assert_close(together, alone[0] + alone[1] + alone[2], rtol=0, atol=1e-13)
    other = instrument.normalized([NOTES, [NOTES[2]]], 0.1, p)
    assert torch.equal(other[0], together[0])
    assert torch.equal(other[1], alone[2][1])


@EVERY
def test_a_voice_ends_with_its_release(kind: type[Synth]) -> None:
    instrument = kind(RATE, release_ms=20.0)
    sound = instrument([Note(0.01, 0.05, 60)], 0.2)[0, 0]
    assert not sound[:160].any()
    assert sound[800:1200].abs().max() > 1e-3
    assert not sound[160 + 800 + 321 :].any()
    assert sound[160 + 800 + 300 : 160 + 800 + 320].abs().max() < 0.05 * sound.abs().max()


@EVERY
def test_extreme_settings_stay_finite(kind: type[Synth]) -> None:
    for rate in (8_000, 96_000):
        instrument, n = kind(rate), len(kind.params)
        p = torch.cat([torch.zeros(1, n), torch.ones(1, n), torch.rand(3, n).round()])
        p.requires_grad_()
        notes = [Note(0.0, 0.02, 0, 1), Note(0.0, 0.02, 127, 127)]
        out = instrument.normalized(notes, 0.05, p)
        assert out.isfinite().all()
        assert out.abs().max() < 1e3
        (gradient,) = torch.autograd.grad(out.square().mean(), p)
        assert gradient.isfinite().all()


@EVERY
def test_a4_has_440_hz(kind: type[Synth]) -> None:
    plain: dict[str, Any] = {"subtractive": {"balance": 0.0}, "fm": {"op2_level": 0.0}}
    instrument = kind(RATE, **plain[kind.name])
    sound = instrument([Note(0.0, 1.0, 69)], 1.0)[0, 0].double()
    spectrum = torch.fft.rfft(sound * torch.hann_window(len(sound), dtype=torch.float64)).abs()
    assert abs(int(spectrum[:600].argmax()) - 440) <= 1


def test_no_notes_are_silence() -> None:
    for kind in synth.names().values():
        sound = kind(RATE)([], 0.1)
        assert sound.shape == (1, 1, 1600)
        assert not sound.any()
        assert not kind(RATE)([[], []], 0.1).any()


def test_a_stream_takes_notes_while_it_plays() -> None:
    instrument = Subtractive(RATE)
    whole = instrument([Note(0.0, 0.05, 60), Note(0.05, 0.05, 67)], 0.1)
    stream = instrument.stream([Note(0.0, 0.05, 60)])
    first = stream(700)
    stream.add([Note(0.05, 0.05, 67)])
    assert torch.equal(torch.cat([first, stream(900)], -1), whole)


def test_settings_of_a_stream_glide() -> None:
    stream = Subtractive(RATE).stream([Note(0.0, 1.0, 60)])
    jumps = Subtractive(RATE).stream([Note(0.0, 1.0, 60)], glide_ms=0)
    for s in (stream, jumps):
        s(1_600, gain_db=-12.0)
    smooth, rough = (s(1_600, gain_db=-40.0)[0, 0] for s in (stream, jumps))
    assert rough[:50].abs().max() < 0.2 * smooth[:50].abs().max()
    torch.testing.assert_close(smooth[400:], rough[400:])


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda s: s(Note(0, 1), 1.0), "must be a list of notes, got one; write"),
        (lambda s: s([60], 1.0), "must be a list of notes"),
        (lambda s: s(torch.zeros(1, 1, 8), 1.0), "must be a list of notes"),
        (lambda s: s([Note(0, 1, 128)], 1.0), "pitch must be 0 to 127"),
        (lambda s: s([Note(0, 1, 60, 0)], 1.0), "velocity 1 to 127"),
        (lambda s: s([Note(-1, 1)], 1.0), "must start at 0 s or later"),
        (lambda s: s([Note(0, 0.0)], 1.0), "and last"),
        (lambda s: s([], 0.0), "seconds must be above 0"),
        (lambda s: s([], 1.0, cutof_hz=1.0), "did you mean 'cutoff_hz'"),
        (lambda s: s([], 1.0, cutoff_hz=float("nan")), "cutoff_hz must be"),
        (lambda s: s([], 1.0, cutoff_hz=9e3), "holds frequencies up to 7200 Hz"),
        (lambda s: s([[], []], 1.0, gain_db=torch.zeros(3)), "batches of 3 and 2"),
        (lambda s: s.normalized([], 1.0, torch.full((1, s.num_params), 2.0)), "must lie in"),
        (lambda s: s.step(torch.zeros(1, 1, 8)), "takes notes, not audio"),
        (lambda s: s.stream([])(0), "1 sample or more"),
    ],
)
def test_mistakes_are_named(call: Any, says: str) -> None:
    with pytest.raises((UserError, ValueError, TypeError), match=says):
        call(Subtractive(RATE))
    with pytest.raises(UserError, match="did you mean 'subtractive'"):
        synth.by_name("substractive")


def test_an_envelope_passes_its_levels_and_releases_from_where_it_is() -> None:
    make = Envelope(1_000, curve=0.0)
    levels = torch.tensor([[0.0, 1.0, 0.5, 0.0]], dtype=torch.float64)
    seconds = torch.tensor([[0.1, 0.2, 0.4]], dtype=torch.float64)
    long = make(levels, seconds, torch.tensor([[500.0]]), 1_000)[0]
    for at, level in ((0, 0.0), (50, 0.5), (100, 1.0), (200, 0.75), (400, 0.5), (700, 0.25)):
        assert abs(float(long[at]) - level) < 1e-9
    assert not long[900:].any()
    short = make(levels, seconds, torch.tensor([[50.0]]), 1_000)[0]
    assert abs(float(short[250]) - 0.25) < 1e-9
    parts = [make(levels, seconds, torch.tensor([[500.0]]), 100, s) for s in range(0, 1_000, 100)]
    assert torch.equal(torch.cat(parts, 1)[0], long)
    with pytest.raises(ValueError, match="seconds must be above 0"):
        make(levels, 0 * seconds, torch.tensor([[50.0]]), 10)


def test_an_envelope_may_be_learnt() -> None:
    gate = torch.tensor([[30.0]])
    args = (
        torch.rand(2, 5, dtype=torch.float64, requires_grad=True),
        (0.005 + 0.01 * torch.rand(2, 4, dtype=torch.float64)).requires_grad_(),
    )
    assert torch.autograd.gradcheck(
        lambda levels, seconds: envelope(
            levels, seconds, gate, 60, sample_rate=1_000, sustain=2, curve=3.0
        ),
        args,
    )


def test_operators_of_each_algorithm_are_heard_or_modulate() -> None:
    """An operator whose level is 0 changes the sound, whichever it is."""
    for algorithm in FM.choices["algorithm"].words:
        given = {f"op{n}_level": 1.0 for n in (1, 2, 3, 4)}
        instrument = FM(RATE, algorithm=algorithm)
        notes = [Note(0.0, 0.05, 60)]
        whole = instrument(notes, 0.05, **given)
        for n in (1, 2, 3, 4):
            less = instrument(notes, 0.05, **{**given, f"op{n}_level": 0.0})
            assert (less - whole).abs().max() > 1e-3
