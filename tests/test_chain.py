"""A chain is a list, and has the face of one effect."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from dspcore.chain import Chain
from dspcore.effects import Effect, Gain, Panner, Widener


def chain() -> Chain:
    return Chain([Gain(gain_db=-6.0), Panner(pan=0.5), Gain(gain_db=3.0)])


def test_a_chain_is_a_list() -> None:
    three = chain()
    assert len(three) == 3
    assert isinstance(three[1], Panner)
    assert [effect.name for effect in three[1:]] == ["panner", "gain"]
    three.append(Widener())
    three.insert(0, Widener())
    assert three.effect_names == ["widener", "gain", "panner", "gain_2", "widener_2"]
    del three[0]
    three[-1] = Gain()
    assert three.pop().name == "gain"
    assert three.effect_names == ["gain", "panner", "gain_2"]
    assert len(three.effects) == 3


@pytest.mark.parametrize("other", [torch.nn.Identity(), "gain"])
def test_a_chain_holds_effects_of_one_sample_rate(other: Any) -> None:
    with pytest.raises(TypeError, match="item 4 must be an effect"):
        chain().append(other)
    with pytest.raises(ValueError, match=r"8000 Hz.*one sample_rate"):
        chain().append(Gain(8_000))


def test_an_empty_chain_changes_nothing() -> None:
    audio = torch.randn(1, 1, 8)
    assert torch.equal(Chain()(audio), audio)
    with pytest.raises(ValueError, match="no sample rate"):
        _ = Chain().sample_rate


def test_parameters_carry_the_effect_s_name() -> None:
    assert chain().param_names == ["gain.gain_db", "panner.pan", "gain_2.gain_db"]
    assert chain().num_params == 3
    assert chain().values == {"gain.gain_db": -6.0, "panner.pan": 0.5, "gain_2.gain_db": 3.0}
    assert chain().sample_rate == 48_000


def test_forward_is_one_effect_after_the_other() -> None:
    audio = torch.randn(2, 1, 16)
    expected = audio
    for effect in chain():
        expected = effect(expected)
    assert torch.equal(chain()(audio), expected)
    assert expected.shape == (2, 2, 16)


def test_forward_takes_parameters_by_full_name() -> None:
    audio = torch.randn(1, 1, 16)
    louder = chain()(audio, **{"gain_2.gain_db": 23.0})
    torch.testing.assert_close(louder, 10 * chain()(audio))
    for wrong in ("gain_3.gain_db", "gain_db", "gain.pan"):
        with pytest.raises(TypeError, match="unknown parameter"):
            chain()(audio, **{wrong: 1.0})
    with pytest.raises(ValueError, match="gain_db must be"):
        chain()(audio, **{"gain.gain_db": 100.0})


@pytest.mark.parametrize("frames", [(), (4,)])
def test_normalized_is_forward_of_denormalize(frames: tuple[int, ...]) -> None:
    three, audio = chain(), torch.randn(2, 2, 16)
    p = torch.rand(2, 3, *frames, requires_grad=True)
    out = three.normalized(audio, p)
    assert torch.equal(out, three(audio, **three.denormalize(p)))
    torch.testing.assert_close(three.normalize(**three.denormalize(p)), p.double())
    out.square().sum().backward()
    assert p.grad is not None
    assert (p.grad != 0).all()
    with pytest.raises(ValueError, match=r"chain: p must be \(b, 3\)"):
        three.normalized(audio, p[:, :2])


def test_normalize_fills_in_the_chain_s_own_values() -> None:
    three = chain()
    again = three.denormalize(three.normalize(**{"panner.pan": -1.0}))
    assert {name: round(float(value), 9) for name, value in again.items()} == {
        **three.values,
        "panner.pan": -1.0,
    }


def test_with_values_is_a_copy() -> None:
    three = chain()
    other = three.with_values({"gain_2.gain_db": 0.0})
    assert three.values["gain_2.gain_db"] == 3.0
    assert other.values == {**three.values, "gain_2.gain_db": 0.0}


def test_random_has_a_column_for_every_parameter() -> None:
    assert chain().random(5, torch.Generator().manual_seed(0)).shape == (5, 3)


@pytest.mark.parametrize("block", [1, 7, 64, 480])
def test_a_stream_of_blocks_is_one_long_block(echo: type[Effect], block: int) -> None:
    both = Chain([echo(), Panner(pan=0.3), echo(feedback=0.8)])
    audio = torch.randn(1, 1, 1_000)
    stream = both.stream()
    parts = [stream(part) for part in torch.split(audio, block, dim=-1)]
    assert torch.equal(torch.cat(parts, dim=-1), both(audio))


def test_a_stream_takes_parameters_and_detaches(echo: type[Effect]) -> None:
    both = Chain([echo(), Gain()])
    stream = both.stream()
    out = stream(torch.ones(1, 1, 8, requires_grad=True), **{"gain.gain_db": -20.0})
    torch.testing.assert_close(out, torch.full((1, 1, 8), 0.1))
    stream.detach()
    assert not stream.state[0].requires_grad


def test_the_tail_is_the_sum_of_the_tails(echo: type[Effect]) -> None:
    one = echo(feedback=0.5)
    assert Chain([one, Gain(), one]).tail_seconds() == pytest.approx(2 * one.tail_seconds())
    assert Chain([Gain()]).tail_seconds() == 0.0


def test_a_chain_compiles_in_one_graph() -> None:
    three, audio, p = chain(), torch.randn(2, 1, 8), torch.rand(2, 3)
    compiled = torch.compile(three.normalized, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(audio, p), three.normalized(audio, p))
    torch._dynamo.reset()
