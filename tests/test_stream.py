"""Settings that change between the blocks of a stream glide, whatever the blocks are."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from dspcore import Chain
from dspcore.effects import Effect, Gain, Param
from dspcore.graph import Graph, send

RATE = 48_000
GLIDE = 960  # samples in 20 ms


class Level(Effect):
    """Gives its parameters out: the audio is not heard."""

    amount = Param(0.0, 2.0, default=1.0)
    cutoff_hz = Param(20.0, 20_000.0, default=200.0, scale="log")

    def process(self, audio: Tensor, params: dict[str, Tensor], state: Any) -> tuple[Tensor, Any]:
        rows = [params[name].expand(-1, audio.shape[-1]) for name in ("amount", "cutoff_hz")]
        return torch.stack(rows, 1).expand(audio.shape[0], -1, -1).to(audio.dtype), None


def zeros(samples: int, batch: int = 1) -> Tensor:
    return torch.zeros(batch, 2, samples, dtype=torch.float64)


def line(samples: int, start: float, end: float) -> Tensor:
    """From just after `start` to `end` in 20 ms, then `end`."""
    share = (torch.arange(1, samples + 1, dtype=torch.float64) / GLIDE).clamp(max=1)
    return start + share * (end - start)


def far_from_the_tone_db(glide_ms: float) -> float:
    """Power above 4 kHz over that of a tone of 997 Hz whose gain changes by 6 dB every 512."""
    t = torch.arange(RATE, dtype=torch.float64) / RATE
    tone = torch.sin(2 * math.pi * 997 * t)[None, None]
    stream = Gain(RATE).stream(glide_ms)
    blocks = [
        stream(block, gain_db=-6.0 * (i // 4 % 2)) for i, block in enumerate(tone.split(512, -1))
    ]
    sound = torch.cat(blocks, -1)[0, 0] * torch.hann_window(RATE, dtype=torch.float64)
    power = torch.fft.rfft(sound).abs().square()
    return float(10 * torch.log10(power[4_000:].sum() / power.sum()))


def test_a_changed_gain_makes_no_zipper_noise() -> None:
    jumping, gliding = far_from_the_tone_db(0.0), far_from_the_tone_db(20.0)
    print(f"above 4 kHz: {jumping:.1f} dB where the gain jumps, {gliding:.1f} dB where it glides")
    assert jumping > -45
    assert gliding < -90


def test_a_new_value_is_reached_in_a_straight_line_on_its_scale() -> None:
    stream = Level(RATE).stream()
    assert torch.equal(stream(zeros(7))[0, 0], torch.ones(7).double())  # no glide at the start
    found = stream(zeros(2_000), amount=0.5, cutoff_hz=2_000.0)[0]
    torch.testing.assert_close(found[0], line(2_000, 1.0, 0.5))
    torch.testing.assert_close(found[1], 200 * 10 ** line(2_000, 0.0, 1.0))
    assert (found[:, GLIDE - 1 :] == torch.tensor([[0.5], [2_000.0]])).all()
    back = stream(zeros(2_000))[0]  # left out: the effect's own again
    torch.testing.assert_close(back[0], line(2_000, 0.5, 1.0))


def test_only_what_glides_pays_for_moving_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[tuple[int, ...]] = []
    process = Level.process

    def counted(self: Level, audio: Tensor, params: dict[str, Tensor], state: Any) -> Any:
        heard.append((audio.shape[-1], *(value.shape[1] for value in params.values())))
        return process(self, audio, params, state)

    monkeypatch.setattr(Level, "process", counted)
    stream = Level(RATE).stream()
    stream(zeros(10))
    assert stream(zeros(5_000), amount=0.0).shape == (1, 2, 5_000)
    assert heard == [(10, 1, 1), (GLIDE, GLIDE, 1), (5_000 - GLIDE, 1, 1)]


@pytest.mark.parametrize("block", [1, 7, 100, 2_500])
def test_the_glide_is_the_same_whatever_the_blocks_are(block: int) -> None:
    stream = Level(RATE).stream()
    stream(zeros(10))
    parts = [stream(part, amount=0.0) for part in zeros(2_500).split(block, -1)]
    torch.testing.assert_close(torch.cat(parts, -1)[0, 0], line(2_500, 1.0, 0.0))


def test_a_change_on_the_way_starts_from_there() -> None:
    stream = Level(RATE).stream()
    stream(zeros(10))
    stream(zeros(GLIDE // 2), amount=0.0)
    found = stream(zeros(2_000), amount=2.0)[0, 0]
    torch.testing.assert_close(found, line(2_000, 0.5, 2.0))


def test_values_set_on_the_effect_glide_too() -> None:
    effect = Level(RATE)
    for run in (effect, Chain([effect])):
        effect.amount = 1.0
        stream = run.stream()
        stream(zeros(10))
        effect.amount = 0.25
        torch.testing.assert_close(stream(zeros(2_000))[0, 0], line(2_000, 1.0, 0.25))


def test_levels_of_a_graph_glide() -> None:
    g = Graph(RATE)
    g.output = send(g.add(Gain(RATE), g.input), -20.0)
    stream = g.stream()
    ones = torch.ones(1, 1, 2_000, dtype=torch.float64)
    stream(ones)
    found = stream(ones, **{"output.from_gain_db": 0.0})[0, 0]
    torch.testing.assert_close(found, 10 ** (line(2_000, -20.0, 0.0) / 20))


def test_every_item_of_a_batch_goes_its_own_way() -> None:
    stream = Level(RATE).stream()
    stream(zeros(10, 2), amount=torch.tensor([1.0, 0.5]))
    found = stream(zeros(2_000, 2), amount=torch.tensor([0.0, 0.5]))[:, 0]
    torch.testing.assert_close(found[0], line(2_000, 1.0, 0.0))
    assert torch.equal(found[1], torch.full((2_000,), 0.5).double())
    one = stream(zeros(2_000, 2), amount=0.5)[:, 0]
    torch.testing.assert_close(one[0], line(2_000, 0.0, 0.5))


def test_frames_are_taken_as_they_are_and_glided_from() -> None:
    stream = Level(RATE).stream()
    ramp = torch.linspace(0.0, 2.0, 100, dtype=torch.float64)[None]
    stream(zeros(10))
    assert torch.equal(stream(zeros(100), amount=ramp)[0, 0], ramp[0])
    torch.testing.assert_close(stream(zeros(2_000), amount=1.0)[0, 0], line(2_000, 2.0, 1.0))


def test_the_gradient_passes_the_glide_until_it_is_detached() -> None:
    stream = Level(RATE).stream()
    first = torch.tensor(1.0, requires_grad=True)
    second = torch.tensor(0.0, requires_grad=True)
    stream(zeros(10), amount=first)
    found = stream(zeros(GLIDE), amount=second)[0, 0]
    grads = torch.autograd.grad(found[GLIDE // 2 - 1], (first, second), retain_graph=True)
    assert [float(g) for g in grads] == pytest.approx([0.5, 0.5])
    stream.detach()
    assert not stream(zeros(4), amount=0.5)[0, 0].requires_grad


def test_offline_and_without_a_glide_values_jump() -> None:
    stream = Level(RATE).stream(glide_ms=0)
    stream(zeros(10))
    assert (stream(zeros(5), amount=0.5)[0, 0] == 0.5).all()
    assert (Level(RATE)(zeros(5), amount=0.5)[0, 0] == 0.5).all()
    stream = Level(RATE).stream()
    stream(zeros(10))
    stream.reset()
    assert (stream(zeros(5), amount=0.5)[0, 0] == 0.5).all()
    with pytest.raises(ValueError, match="level: glide_ms must be 0"):
        Level(RATE).stream(glide_ms=-1)


def test_wrong_values_are_named_and_change_nothing() -> None:
    stream = Level(RATE).stream()
    stream(zeros(10))
    for wrong in (3.0, torch.tensor(3.0), torch.tensor([1.0, 3.0]), float("nan"), "loud"):
        with pytest.raises((ValueError, TypeError), match="level: amount must be"):
            stream(zeros(5), amount=wrong)
    with pytest.raises(TypeError, match="unknown parameter 'amonut'"):
        stream(zeros(5), amonut=1.0)
    assert (stream(zeros(5))[0, 0] == 1.0).all()
