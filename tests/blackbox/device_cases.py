"""What must hold where the training loop is on another device than the CPU.

Not collected by itself: test_devices.py runs it in a process of its own, on the device that
DSPCORE_TEST_DEVICE names. On "second" the numbers are the CPU's to the last bit.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator

import declared
import pytest
import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

import dspcore
from dspcore import blackbox, effects
from dspcore.blackbox import Differences, Note, Pool
from dspcore.blackbox.effect import BlackBox

DEVICE = os.environ.get("DSPCORE_TEST_DEVICE", "second")
if DEVICE == "second":
    import second_device

RATE = 16_000
moves: list[tuple[str, tuple[int, ...]]] = second_device.moves if DEVICE == "second" else []


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    made = Pool(2)
    yield made
    made.close()


@pytest.fixture
def effect(pool: Pool) -> BlackBox:
    return blackbox.load(
        declared.tanh_gain, sample_rate=RATE, pool=pool, audio_gradient="local_audio"
    )


def sound(b: int, c: int, t: int) -> Tensor:
    return 0.3 * torch.randn(b, c, t, generator=torch.Generator().manual_seed(0))


def on(device: str, *values: Tensor) -> list[Tensor]:
    """Leaves on a device."""
    return [value.clone().to(device).requires_grad_() for value in values]


def alike(work: Callable[[str], list[Tensor]]) -> None:
    """What `work` gives on the device lies there, and is what it gives on the CPU."""
    torch.manual_seed(1)
    wanted = work("cpu")
    torch.manual_seed(1)
    for here, there in zip(work(DEVICE), wanted, strict=True):
        assert here.device.type == DEVICE
        assert there.device.type == "cpu"
        if DEVICE == "second":
            assert torch.equal(here.cpu(), there)
        else:  # other kernels, another order of sums
            assert torch.allclose(
                here.cpu(), there, rtol=1e-3, atol=1e-4 * float(there.abs().max())
            )


def test_the_device_is_none_of_the_cpu() -> None:
    x = sound(1, 1, 8).to(DEVICE)
    assert x.device.type == DEVICE
    with pytest.raises(RuntimeError, match="device"):
        x + sound(1, 1, 8)
    with pytest.raises((RuntimeError, TypeError)):
        x.numpy()


def test_sound_and_gradients_lie_where_the_audio_does(effect: BlackBox) -> None:
    def work(device: str) -> list[Tensor]:
        audio, gain, drive = on(
            device, sound(2, 2, 900), torch.tensor([0.4, 0.7]), torch.tensor([0.2, 0.5])
        )
        made = effect(audio, g=gain, d=drive)
        made.square().sum().backward()
        return [made.detach(), audio.grad, gain.grad, drive.grad]  # type: ignore[list-item]

    alike(work)


def test_the_backward_of_the_loss_runs_in_the_devices_thread(effect: BlackBox) -> None:
    """As on a GPU: the plug-in's own gradient must not mind which thread asks for it."""
    seen: list[int] = []
    gain = torch.tensor(0.4).to(DEVICE).requires_grad_()
    made = effect(sound(1, 1, 300).to(DEVICE), g=gain)
    made.register_hook(lambda slope: seen.append(threading.get_ident()))
    made.square().sum().backward()
    assert seen
    assert threading.get_ident() not in seen
    assert gain.grad is not None


@pytest.mark.skipif(DEVICE != "second", reason="CUDA counts no copies")
def test_only_what_must_crosses_over(effect: BlackBox) -> None:
    audio, p = on(DEVICE, sound(1, 1, 700), torch.full((1, 2), 0.4))
    moves.clear()
    made = effect.normalized(audio, p)
    big = [way for way, shape in moves if 700 in shape]
    assert big == ["to cpu", "from cpu"]
    moves.clear()
    made.backward(torch.ones_like(made))
    assert [way for way, shape in moves if 700 in shape] == ["to cpu", "from cpu"]
    assert ("from cpu", (1, 1)) in moves


def test_in_the_middle_of_a_chain_of_exact_effects(effect: BlackBox) -> None:
    chain = dspcore.Chain(
        [effects.ParametricEQ(RATE, peak_2_gain_db=4.0), effect, effects.Compressor(RATE)]
    )

    def work(device: str) -> list[Tensor]:
        audio, boost, gain, threshold = on(
            device, sound(1, 1, 900), torch.tensor(3.0), torch.tensor(0.6), torch.tensor(-20.0)
        )
        given = {
            "parametric_eq.peak_2_gain_db": boost,
            "tanh_gain.g": gain,
            "compressor.threshold_db": threshold,
        }
        made = chain(audio, **given)
        made.square().sum().backward()
        grads = [audio.grad, boost.grad, gain.grad, threshold.grad]
        assert all(grad is not None and bool((grad != 0).any()) for grad in grads)
        return [made.detach(), *grads]  # type: ignore[list-item]

    alike(work)


def test_parameters_that_move_and_parameters_from_elsewhere(effect: BlackBox) -> None:
    def work(device: str) -> list[Tensor]:
        audio, gain = on(device, sound(1, 1, 1100), torch.tensor([[0.2, 0.5, 0.8]]))
        # A setting that was made on the CPU is one for audio anywhere.
        made = effect(audio, g=gain, d=torch.tensor(0.3))
        made.square().sum().backward()
        return [made.detach(), audio.grad, gain.grad]  # type: ignore[list-item]

    alike(work)


def test_a_network_on_the_device_is_trained(effect: BlackBox) -> None:
    def work(device: str) -> list[Tensor]:
        network = torch.nn.Linear(4, 2)
        with torch.no_grad():
            network.weight.copy_(torch.linspace(-0.5, 0.5, 8).reshape(2, 4))
            network.bias.zero_()
        network.to(device)
        audio = sound(2, 1, 400).to(device)
        hints = torch.tensor([[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]]).to(device)
        target = effect(audio, g=torch.tensor([0.8, 0.3]).to(device), d=0.2).detach()
        optimizer = torch.optim.Adam(network.parameters(), lr=0.1)
        losses = []
        for _ in range(8):
            made = effect.normalized(audio, network(hints).sigmoid())
            loss = (made - target).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        assert float(losses[-1]) < 0.5 * float(losses[0])
        return [torch.stack(losses), network.weight.detach()]

    alike(work)


def test_a_checkpoint_renders_again_and_finds_the_same(effect: BlackBox) -> None:
    def work(device: str) -> list[Tensor]:
        audio, p = on(device, sound(1, 1, 500), torch.full((1, 2), 0.4))
        made = checkpoint(effect.normalized, audio, p, use_reentrant=False)
        made.square().sum().backward()
        return [made.detach(), audio.grad, p.grad]  # type: ignore[list-item]

    alike(work)


def test_losses_by_differences(effect: BlackBox) -> None:
    def work(device: str) -> list[Tensor]:
        audio, p = on(device, sound(2, 1, 500), torch.tensor([[0.4, 0.2]]))
        target = effect(audio.detach(), g=0.8, d=0.3)
        losses = blackbox.loss_by_differences(
            effect, audio, p, lambda y: (y - target).square().mean((1, 2))
        )
        losses.sum().backward()
        return [losses.detach(), p.grad]  # type: ignore[list-item]

    alike(work)


def test_measuring_and_choosing(pool: Pool) -> None:
    effect = blackbox.load(declared.tanh_gain, sample_rate=RATE, pool=pool)
    audio = sound(1, 1, 2000)
    here = blackbox.calibrate(effect, audio.to(DEVICE))
    assert here == blackbox.calibrate(effect, audio)
    many = blackbox.load(declared.many, sample_rate=RATE, pool=pool)
    stereo = torch.zeros(1, 2, 20).to(DEVICE)
    found, _ = blackbox.best_choice(many, stereo, lambda y: -y[:, 0, 1])
    assert found.options["type_"] == "hard"
    made, good = effect.attempt(audio.to(DEVICE), effect.random(3).to(DEVICE))
    assert made.device.type == DEVICE
    assert good.all()
    values = effect.plugin_values(effect.normalize(g=0.7).to(DEVICE)[0])
    assert values[0] == pytest.approx(0.7)


def test_a_stream(pool: Pool) -> None:
    effect = blackbox.load(declared.Repeat, sample_rate=RATE, pool=pool)

    def work(device: str) -> list[Tensor]:
        audio = sound(1, 1, 3000).to(device)
        with torch.no_grad():
            stream = effect.stream()
            return [torch.cat([stream(part) for part in audio.split([1000, 1, 1999], -1)], -1)]

    alike(work)


def test_an_instrument_sounds_where_it_was_put(pool: Pool) -> None:
    synth = blackbox.load(declared.sines, sample_rate=8_000, pool=pool)
    notes = [Note(0.0, 0.05, 69)]

    def work(device: str) -> list[Tensor]:
        (level,) = on(device, torch.tensor([0.2, 0.8]))
        made = synth.to(device)(notes, 0.1, level=level)
        made.square().sum().backward()
        tried, good = synth.attempt_notes(notes, 0.1, synth.random(2).to(device))
        assert tried.device.type == device
        assert good.all()
        return [made.detach(), level.grad]  # type: ignore[list-item]

    alike(work)


def test_many_threads_with_losses_on_the_device(effect: BlackBox) -> None:
    """As DataParallel has it: each thread its own part of the batch and its own backward."""
    audio = sound(1, 1, 400)
    found: dict[int, Tensor] = {}

    def work(number: int) -> None:
        gain = torch.tensor(0.2 + 0.2 * number).to(DEVICE).requires_grad_()
        effect(audio.to(DEVICE), g=gain).square().sum().backward()
        assert gain.grad is not None
        found[number] = gain.grad

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    power = float(torch.tanh(5.5 * audio).square().sum())
    for number in range(4):
        assert float(found[number]) == pytest.approx(2 * (0.2 + 0.2 * number) * power, rel=1e-2)


def test_a_sum_over_two_devices(effect: BlackBox) -> None:
    """One backward, whose parts are asked for from the device's thread and from the CPU's."""
    gain = torch.tensor(0.5, requires_grad=True)
    audio = sound(1, 1, 400)
    here = effect(audio.to(DEVICE), g=gain.to(DEVICE)).square().sum()
    there = effect(audio, g=gain).square().sum()
    (here.cpu() + there).backward()
    wanted = 4 * 0.5 * float(torch.tanh(5.5 * audio).square().sum())
    assert float(gain.grad) == pytest.approx(wanted, rel=1e-2)  # type: ignore[arg-type]


def test_an_estimator_of_ones_own(pool: Pool) -> None:
    effect = blackbox.load(
        declared.tanh_gain, sample_rate=RATE, pool=pool, estimator=Differences(sided=1)
    )

    def work(device: str) -> list[Tensor]:
        (p,) = on(device, torch.full((1, 2), 0.4))
        effect.normalized(sound(1, 1, 300).to(device), p).square().sum().backward()
        return [p.grad]  # type: ignore[list-item]

    alike(work)
