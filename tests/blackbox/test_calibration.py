"""What a plug-in's parameters are: their slopes, losses some way off, words that are tried."""

from __future__ import annotations

import declared
import pytest
import torch
from conftest import sound, tanh_gain
from torch import Tensor
from torch.nn.functional import cosine_similarity

from dspcore import blackbox
from dspcore.blackbox import Differences, LeastSquares, Pool


def test_loss_differences_find_a_delay_that_waveforms_do_not(calm: Pool) -> None:
    effect = blackbox.load(declared.Repeat, pool=calm)
    audio = sound(1, 1, 6000)
    calibration = blackbox.calibrate(effect, audio)
    assert calibration.by_loss == ("time",)
    assert calibration.params[1].kind == "waveform"
    assert "time" in str(calibration)

    def lateness(made: Tensor) -> Tensor:
        """How far the strongest echo is from 500 samples: a loss with no waveform gradient."""
        spectrum = torch.fft.rfft(made[:, 0], 16_384)
        echo = torch.fft.irfft(spectrum.abs().square())[:, 100:2100]
        return ((echo.argmax(1) + 100 - 500) / 2000).square().float()

    p = effect.normalize(time=900.0).float().requires_grad_()
    loss = blackbox.loss_by_differences(effect, audio, p, lateness)
    loss.sum().backward()
    assert p.grad is not None
    assert float(loss.detach()) == pytest.approx(0.04, rel=1e-3)
    assert float(p.grad[0, 0]) == pytest.approx(2 * 0.2 * 1999 / 2000, rel=0.1)
    with pytest.raises(ValueError, match="one number for each item"):
        blackbox.loss_by_differences(effect, audio, p, lambda y: y.mean())


def test_calibration_finds_that_one_side_is_enough(calm: Pool) -> None:
    """Half the renders for the same gradient; not where the slope bends, nor against one's word."""
    audio = sound(1, 1, 3000)
    effect = blackbox.load(declared.tanh_gain, pool=calm, audio_gradient=None, d=0.3)
    found = blackbox.calibrate(effect, audio)
    assert found.estimator == effect.box.estimator == Differences(sided=1)
    assert [row.side > 0.99 for row in found.params] == [True, True]
    assert "sided=1" in str(found)
    p = torch.tensor([[0.4, 0.3]], requires_grad=True)
    before = calm.report.renders
    effect.normalized(audio, p).square().sum().backward()
    assert calm.report.renders - before == 1 + 2
    gain, drive = (torch.tensor(v, requires_grad=True) for v in (0.4, 0.3))
    tanh_gain(audio, gain, drive).square().sum().backward()
    truth = torch.stack([gain.grad, drive.grad])  # type: ignore[list-item]
    assert float(cosine_similarity(p.grad[0], truth, dim=0)) > 0.999  # type: ignore[index]

    told = blackbox.load(
        declared.tanh_gain, pool=calm, audio_gradient=None, estimator=LeastSquares(2)
    )
    assert blackbox.calibrate(told, audio).estimator == LeastSquares(2)
    bent = blackbox.load(declared.bent, pool=calm, audio_gradient=None)
    judged = blackbox.calibrate(bent, audio)
    assert judged.params[0].kind == "waveform"
    assert judged.params[0].step == 0.03  # small steps fall between its stairs
    assert judged.estimator == Differences(sided=2)
    late = blackbox.load(declared.Repeat, pool=calm, audio_gradient=None)
    assert blackbox.calibrate(late, audio).estimator == Differences(sided=2)


def test_every_word_of_a_choice_is_tried(calm: Pool) -> None:
    effect = blackbox.load(declared.many, pool=calm)
    audio = torch.zeros(1, 2, 20)
    wanted = torch.tensor([8000.0, 1.0, 0.0, 0.25, 5.0, 1.0])
    found, tried = blackbox.best_choice(
        effect, audio, lambda y: (y[:, 0, :6] - wanted).square().sum(1)
    )
    assert found.options == {"type_": "hard", "class_": "off", "steps": "5"}
    assert tried["steps"].keys() == {"2", "3", "4", "5"}
