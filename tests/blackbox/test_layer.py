"""A plug-in with the face of an effect: gradients, shapes, streams."""

from __future__ import annotations

import threading

import declared
import numpy as np
import pytest
import torch
from conftest import Bench, sound, tanh_gain
from scipy.signal import lfilter
from torch import Tensor

import dspcore
from dspcore import blackbox, effects
from dspcore.blackbox import Differences, LeastSquares, LinearAudio, LocalAudio, Note, Pool
from dspcore.errors import UserError


def cosine(a: Tensor | None, b: Tensor | None) -> float:
    assert a is not None
    assert b is not None
    return float(torch.cosine_similarity(a.flatten().double(), b.flatten().double(), dim=0))


@pytest.mark.parametrize("estimator", [LeastSquares(), Differences()], ids=repr)
def test_gradients_are_those_of_the_formula(bench: Bench, calm: Pool, estimator: object) -> None:
    """At the edges, too, where the step is cut off on one side."""
    effect = bench.load("good", pool=calm, estimator=estimator)
    effect.box.default_step = 1e-3
    audio = sound(4, 2, 2000)
    weight = torch.randn(4, 2, 2000)
    gain = torch.tensor([0.5, 1.0, 0.3, 1.0], requires_grad=True)
    drive = torch.tensor([0.3, 1.0, 0.0, 0.0], requires_grad=True)
    (tanh_gain(audio, gain, drive) * weight).sum().backward()
    wanted = torch.stack([gain.grad, drive.grad], 1)  # type: ignore[list-item]
    gain.grad = drive.grad = None
    (effect(audio, gain=gain, drive=drive, fate=0.0) * weight).sum().backward()
    found = torch.stack([gain.grad, drive.grad], 1)  # type: ignore[list-item]
    for one, truth in zip(found, wanted, strict=True):
        assert cosine(one, truth) > 0.9999
        assert abs(float(one.norm() / truth.norm()) - 1) < 5e-3


def test_the_gradient_reaches_the_audio(bench: Bench, calm: Pool) -> None:
    audio = sound(1, 2, 6000).requires_grad_()
    other = audio.detach().clone().requires_grad_()
    weight = torch.randn(1, 2, 6000)
    effect = bench.load("good", pool=calm, drive=0.2, fate=0.0)
    (effect(audio) * weight).sum().backward()
    assert isinstance(effect.box.audio, LocalAudio)
    (tanh_gain(other, 0.5, 0.2) * weight).sum().backward()
    assert cosine(audio.grad, other.grad) > 0.98
    # One with a memory, that is linear.
    repeat = blackbox.load(declared.Repeat, pool=calm)
    audio.grad = None
    (repeat(audio) * weight).sum().backward()
    assert isinstance(repeat.box.audio, LinearAudio | LocalAudio)
    later = torch.nn.functional.pad(weight[..., 240:], (0, 240))
    assert cosine(audio.grad, weight + 0.5 * later) > 0.999
    quiet = blackbox.load(declared.Repeat, pool=calm, audio_gradient=None)
    audio.grad = None
    quiet(audio).sum().backward()
    assert not audio.grad.any()  # type: ignore[union-attr]


def test_a_chain_of_two_trains_the_first(bench: Bench, calm: Pool) -> None:
    """tanh into a filter, both black, against the same chain by autograd."""
    first = bench.load("good", pool=calm, fate=0.0)
    second = bench.load("echo", pool=calm, gain=1.0, drive=0.0, fate=0.0)
    exact = effects.Gain(48_000, gain_db=-3.0)
    audio = sound(1, 1, 800)
    target = second(exact(first(audio, gain=0.8, drive=0.4))).detach()
    p = torch.tensor([0.4, 0.1], requires_grad=True)
    optimizer = torch.optim.Adam([p], lr=0.07)
    losses = []
    for _ in range(20):
        q = p.clamp(0, 1)
        made = second(exact(first(audio, gain=q[0], drive=q[1])))
        loss = (made - target).square().mean() / target.square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.1 * losses[0]
    assert (p - torch.tensor([0.8, 0.4])).abs().max() < 0.2


def test_moving_parameters_move_block_by_block(calm: Pool) -> None:
    effect = blackbox.load(declared.tanh_gain, pool=calm, block=100, estimator=Differences())
    audio = sound(1, 1, 450).double()
    ramp = torch.linspace(0.2, 0.8, 450)[None]
    means = torch.stack([part.mean() for part in ramp[0].split(100)]).repeat_interleave(100)[:450]
    assert (effect(audio, g=ramp, d=0.1) - means * torch.tanh(1.9 * audio)).abs().max() < 1e-6
    frames = torch.tensor([[0.2, 0.5, 0.8]], requires_grad=True)
    other = frames.detach().clone().requires_grad_()
    effect(audio, g=frames, d=0.1).square().sum().backward()
    spread = torch.nn.functional.interpolate(other[:, None], 450, mode="linear", align_corners=True)
    level = torch.cat([m.mean(-1, keepdim=True).expand_as(m) for m in spread.split(100, -1)], -1)
    (level * torch.tanh(1.9 * audio)).square().sum().backward()
    assert torch.allclose(frames.grad, other.grad, rtol=1e-2)  # type: ignore[arg-type]


def test_what_a_plug_in_has_is_what_the_effect_has(calm: Pool) -> None:
    effect = blackbox.load(declared.many, pool=calm, corner=200.0, type_="hard", steps="4")
    assert list(effect.params) == ["corner", "process_"]
    assert list(effect.choices) == ["type_", "class_", "steps"]
    assert effect.params["corner"].unit == "Hz"
    assert float(effect.normalize(corner=np.sqrt(20 * 20_000))[0, 0]) == pytest.approx(0.5)
    assert effect.latency_samples() == 7
    heard = effect(sound(1, 1, 100))  # mono is heard on both sides
    assert heard.shape == (1, 2, 100)
    assert heard[0, 0, :6].tolist() == [200.0, 1.0, 1.0, 0.25, 4.0, 1.0]
    assert effect.with_values(class_="off")(sound(1, 2, 9))[0, 0, 2] == 0.0
    with pytest.raises(ValueError, match="many: corner must be 20 to 20000 Hz, got 3 Hz"):
        effect(sound(1, 2, 9), corner=3.0)
    with pytest.raises(TypeError, match="unknown parameter 'korner'; did you mean 'corner'"):
        effect(sound(1, 2, 9), korner=3.0)
    with pytest.raises(ValueError, match="mono or stereo, got 3 channels"):
        effect(sound(1, 3, 9))


def test_a_side_chain_hears_the_sound_itself(calm: Pool) -> None:
    audio = sound(2, 2, 500)
    made = blackbox.load(declared.side_chain, pool=calm)(audio)
    assert torch.equal(made, audio + audio[:, :1])


def test_whole_numbers_are_rounded_and_compared(calm: Pool) -> None:
    effect = blackbox.load(declared.Repeat, pool=calm)
    audio = sound(1, 1, 4000)
    assert torch.equal(effect(audio, time=240.4), effect(audio, time=240.0))
    ramp = torch.linspace(0, 1, 4000)[None, None]
    time = torch.tensor(240.0, requires_grad=True)
    effect(ramp, time=time).sum().backward()
    slope = -0.5 * ramp[0, 0, 4000 - 240]  # a sample later, the sum has one value less
    assert float(time.grad) == pytest.approx(float(slope), rel=0.05)  # type: ignore[arg-type]


def test_any_blocks_give_the_result_of_one(bench: Bench, calm: Pool) -> None:
    audio = sound(2, 2, 5000)
    for effect in (
        bench.load("echo", pool=calm, fate=0.0),
        blackbox.load(declared.Repeat, pool=calm),
    ):
        with torch.no_grad():
            stream = effect.stream()
            parts = torch.cat(
                [stream(block) for block in audio.split([1, 1499, 3000, 500], -1)], -1
            )
            assert torch.equal(parts, effect(audio))


def test_a_stream_has_no_way_back_and_no_gradient(bench: Bench, calm: Pool) -> None:
    effect = bench.load("echo", pool=calm, fate=0.0)
    audio = sound(1, 1, 600)
    with torch.no_grad():
        _, early = effect.step(audio)
        _, later = effect.step(audio, early)
        effect.step(audio, later)
        with pytest.raises(RuntimeError, match="cannot go back"):
            effect.step(audio, later)
    gain = torch.tensor(0.5, requires_grad=True)
    with pytest.raises(RuntimeError, match=r"stream under torch\.no_grad"):
        effect.step(audio, early, gain=gain)


def test_backward_from_many_threads(bench: Bench, calm: Pool) -> None:
    effect = bench.load("good", pool=calm, fate=0.0)
    audio = sound(1, 1, 1000)
    found: dict[int, float] = {}

    def work(number: int) -> None:
        gain = torch.tensor(0.1 + 0.1 * number, requires_grad=True)
        effect(audio, gain=gain).square().sum().backward()
        assert gain.grad is not None
        found[number] = float(gain.grad)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    power = float(tanh_gain(audio, 1.0, 0.5).square().sum())
    assert found == pytest.approx({n: 2 * (0.1 + 0.1 * n) * power for n in range(4)}, rel=1e-2)


@pytest.mark.slow  # numba compiles for seconds
def test_a_function_compiled_by_numba() -> None:
    """It is compiled while it is loaded: a deadline for renders does not meet the compiler."""
    import compiled

    pool = Pool(1, deadline_s=0.5, retries=0)
    effect = blackbox.load(compiled.follower, sample_rate=16_000, pool=pool)
    audio = sound(1, 1, 3000)
    p = torch.tensor([[0.6, 0.4]], requires_grad=True)
    made = effect.normalized(audio, p)
    pole = 0.99 * 0.4
    truth = lfilter([0.6 * (1 - pole)], [1.0, -pole], audio.double().numpy())
    assert np.abs(made.detach().numpy() - truth).max() < 1e-6
    made.square().sum().backward()
    assert p.grad is not None
    assert float(p.grad[0, 0]) == pytest.approx(2 / 0.6 * np.square(truth).sum(), rel=1e-3)
    assert float(p.grad[0, 1]) < 0
    assert not pool.report.kinds
    pool.close()


def test_a_seed_repeats_the_estimate(bench: Bench, calm: Pool) -> None:
    effect = bench.load("good", pool=calm, estimator="spsa", fate=0.0)

    def gradient() -> Tensor:
        torch.manual_seed(3)
        p = torch.full((1, 3), 0.4, requires_grad=True)
        effect.normalized(sound(1, 1, 500), p).square().sum().backward()
        assert p.grad is not None
        return p.grad

    assert torch.equal(gradient(), gradient())


# --- instruments --------------------------------------------------------------------------------


def test_an_instrument_plays_and_is_trained(calm: Pool) -> None:
    synth = blackbox.load(declared.sines, pool=calm, sample_rate=8_000)
    notes = [Note(0.1, 0.3, 69), Note(0.5, 0.2, 57)]
    level = torch.tensor([0.2, 0.8], requires_grad=True)
    made = synth(notes, 1.0, level=level)
    assert made.shape == (2, 2, 8000)
    assert not made[..., :800].any()
    spectrum = torch.fft.rfft(made[1, 0, 800:3200]).abs()
    assert int(spectrum.argmax()) * 8000 / 2400 == pytest.approx(440, abs=4)
    made.square().sum().backward()
    power = made.detach().square().sum((1, 2))
    assert torch.allclose(level.grad, 2 * power / level.detach(), rtol=1e-2)  # type: ignore[arg-type]
    each = synth([[notes[0]], [notes[1]]], 1.0)
    assert not torch.equal(each[0], each[1])
    assert synth.normalized(notes, 0.5, torch.full((3, 2), 0.5)).shape == (3, 2, 4000)
    assert blackbox.calibrate(synth, notes=notes).params[1].kind == "waveform"
    with pytest.raises(TypeError, match="is an instrument and takes notes"):
        dspcore.Chain([synth])(sound(1, 1, 10))
    with pytest.raises(ValueError, match="seconds must be above 0"):
        synth(notes, 0.0)
    with pytest.raises(TypeError, match=r"write \[note\]"):
        synth(notes[0], 1.0)


# --- errors, presets, commands ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("function:declared:nothing", "declared:nothing: cannot be imported"),
        ("function:declared:plain", "is not declared as a plug-in"),
        ("function:no_such_module:f", "cannot be imported"),
        (declared.plain, "wanted a plug-in's name or a declared function"),
    ],
)
def test_what_cannot_be_loaded_says_why(name: object, message: str) -> None:
    with pytest.raises(UserError, match=message):
        blackbox.load(name)  # type: ignore[arg-type]


def test_wrong_options_are_named() -> None:
    with pytest.raises(UserError, match="mode 'frish' is unknown; did you mean 'fresh'"):
        blackbox.load(declared.many, mode="frish")  # type: ignore[arg-type]
    with pytest.raises(UserError, match="unknown gradient 'spas'; did you mean 'spsa'"):
        blackbox.load(declared.many, estimator="spas")
