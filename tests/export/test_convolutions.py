"""Convolutions in exported chains: recordings at any rate, rooms whose decays move."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from exported import distance_db, rooms

from dspcore.effects import ConvolutionReverb
from dspcore.export.library import Library


@pytest.mark.slow
def test_rooms_equal_the_chain_at_any_rate_and_while_they_move(
    built_rooms: Path, recorded: Path
) -> None:
    chain = rooms(recorded)
    changes = {"noise_reverb.decay_500_s": 0.3, "noise_reverb.gain_2000_db": -9.0,
               "convolution_reverb.mix": 0.9, "cabinet.output_db": 3.0}  # fmt: skip
    sound = 0.3 * np.random.default_rng(0).standard_normal((2, 12_000)).astype(np.float32)
    x = torch.from_numpy(sound)[None].double()
    for rate, size in ((44_100, 441), (32_000, 64), (96_000, 1_000)):
        library, stream, at = (
            Library(built_rooms / "librooms.so", rate),
            chain.at_rate(rate).stream(),
            6 * size,
        )
        got = [library.blocks(sound[:, :at], size)]
        library.set(**{name.replace(".", "_"): value for name, value in changes.items()})
        got.append(library.blocks(sound[:, at:], size))
        with torch.no_grad():
            wanted = [stream(x[..., :at]), stream(x[..., at:], **changes)]
        assert distance_db(np.concatenate(got, 1), torch.cat(wanted, -1)[0].numpy()) < -120


def test_a_response_that_was_given_follows_the_sample_rate() -> None:
    given = 0.1 * torch.exp(-torch.arange(4_800) / 960) * torch.randn(2, 4_800).double()
    room = ConvolutionReverb(48_000, response=given, mix=1.0).at_rate(24_000)
    assert isinstance(room, ConvolutionReverb)
    assert room.response.shape == (2, 2_400)
    assert float(room.response.sum()) == pytest.approx(float(given.sum()), rel=0.02)
