"""A graph is what its wires say, has the face of one effect, and keeps parallel paths in time."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck

from dspcore import audio
from dspcore.chain import Chain
from dspcore.effects import Blend, Compressor, Effect, Gain, Panner, Param
from dspcore.errors import UserError
from dspcore.graph import Graph, mix, send
from dspcore.match import match
from dspcore.render import render


class Late(Effect):
    """Answers seven samples late, and says so."""

    gain = Param(0.0, 2.0, default=1.0)

    def latency_samples(self) -> int:
        return 7

    def process(self, audio: Tensor, params: dict[str, Tensor], state: Any) -> tuple[Tensor, Any]:
        past = audio.new_zeros(*audio.shape[:2], 7) if state is None else state
        line = torch.cat([past, audio * params["gain"][:, None].to(audio.dtype)], -1)
        return line[..., : audio.shape[-1]], line[..., audio.shape[-1] :]


class Keyed(Effect):
    """The audio times its side-chain."""

    inputs = ("sidechain",)

    def process(self, audio: Tensor, params: dict[str, Tensor], state: Any) -> tuple[Tensor, Any]:
        return audio * params["sidechain"], None


def noise(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def parallel() -> Graph:
    """Dry, a late path at -6 dB, and a path that is twice as late."""
    g = Graph(48_000)
    first = g.add(Late(gain=0.5), g.input, name="first")
    second = g.add(Late(), send(first, -20.0), name="second")
    g.output = mix(g.input, send(first, -6.0), second)
    return g


def test_a_series_is_a_chain() -> None:
    effects = [Gain(gain_db=-6.0), Panner(pan=0.5), Gain(gain_db=3.0)]
    g = Graph()
    g.output = g.add(effects, g.input)
    chain = Chain(effects)
    assert g.param_names == chain.param_names == ["gain.gain_db", "panner.pan", "gain_2.gain_db"]
    assert g.values == chain.values
    assert [effect.name for effect in g] == ["gain", "panner", "gain"]
    x = noise(2, 1, 50)
    assert torch.equal(g(x), chain(x))
    assert torch.equal(Graph.of(chain)(x), chain(x))
    assert Graph.of(chain).effect_names == chain.effect_names


def test_sources_are_added_at_their_levels() -> None:
    g = Graph()
    quiet = g.add(Gain(gain_db=-20.0), g.input, name="quiet")
    wide = g.add(Panner(pan=0.0), mix(send(g.input, 6.0), quiet), name="wide")
    g.output = mix(wide, send(quiet, -20.0), send(g.input, -40.0, fixed=True))
    x = noise(1, 1, 9)
    expected = 10 ** (6 / 20) * x + 0.1 * x + 0.01 * x + 0.01 * x
    torch.testing.assert_close(g(x), expected.expand(1, 2, 9))
    assert g.param_names == [
        "quiet.gain_db", "wide.pan", "wide.from_input_db", "output.from_quiet_db"
    ]  # fmt: skip
    louder = g(x, **{"output.from_quiet_db": torch.tensor([-20.0, 0.0])})
    assert louder.shape == (2, 2, 9)
    torch.testing.assert_close(louder[1] - louder[0], (0.1 - 0.01) * x[0].expand(2, 9))


def test_late_paths_are_waited_for_to_the_sample() -> None:
    g, x = parallel(), noise(1, 2, 60)
    gain = 1 + 0.5 * 10 ** (-6 / 20) + 0.05
    assert g.latency_samples() == 14
    found = g(x)
    torch.testing.assert_close(found[..., 14:], gain * x[..., :-14])
    assert not found[..., :14].any()
    assert Chain([Late(), Gain(), Late()]).latency_samples() == 14


def test_a_side_chain_waits_too() -> None:
    g = Graph()
    key = g.add_input("key")
    late = g.add(Late(), g.input)
    g.output = g.add(Keyed(), late, sidechain=key)
    x, k = noise(1, 1, 40), noise(1, 1, 40)
    torch.testing.assert_close(g(x, key=k)[..., 7:], (x * k)[..., :-7])
    assert g.latency_samples() == 7


@pytest.mark.parametrize("block", [1, 7, 64, 480])
def test_a_stream_of_blocks_is_one_long_block(echo: type[Effect], block: int) -> None:
    g = parallel()
    wet = g.add(echo(), send("first", -3.0), g.input)
    g.connect(wet, "output")
    x = noise(2, 2, 1_000)
    stream = g.stream()
    parts = [stream(part) for part in x.split(block, -1)]
    assert torch.equal(torch.cat(parts, -1), g(x))
    stream.detach()
    stream.reset()
    assert torch.equal(stream(x), g(x))


def test_a_side_chain_is_what_the_effect_hears_beside(native: None) -> None:
    del native
    comp = Compressor(threshold_db=-30.0)
    g = Graph()
    kick = g.add_input("kick")
    g.output = g.add(comp, g.input, sidechain=send(kick, 6.0))
    x, k = noise(1, 2, 500), noise(1, 1, 500)
    torch.testing.assert_close(g(x, kick=k), comp(x, sidechain=10 ** (6 / 20) * k))
    assert "compressor.sidechain_from_kick_db" in g.param_names
    stream = g.stream()
    pairs = zip(x.split(99, -1), k.split(99, -1), strict=True)
    parts = [stream(a, kick=b) for a, b in pairs]
    torch.testing.assert_close(torch.cat(parts, -1), g(x, kick=k))
    p = g.random(3)
    assert g.normalized(x, p, kick=k).shape == (3, 2, 500)
    with pytest.raises(TypeError, match=r"graph: wants the input 'kick' too: graph\(audio, kick="):
        g(x)
    with pytest.raises(ValueError, match="kick must be as long as the audio, 500 samples, got 4"):
        g(x, kick=k[..., :4])
    with pytest.raises(ValueError, match=r"graph: kick: audio must be \(b, c, t\)"):
        g(x, kick=k[0])


@pytest.mark.parametrize("frames", [(), (5,)])
def test_gradients_reach_every_level_and_parameter(frames: tuple[int, ...]) -> None:
    g, x = parallel(), noise(2, 1, 30).requires_grad_()
    p = (0.3 + 0.4 * torch.rand(2, g.num_params, *frames, dtype=torch.float64)).requires_grad_()
    assert gradcheck(g.normalized, (x, p))
    assert torch.equal(g.normalized(x, p), g(x, **g.denormalize(p)))
    (gradient,) = torch.autograd.grad(g.normalized(x, p).square().sum(), p)
    assert (gradient.flatten(2).abs().sum((0, -1)) > 0).all() if frames else (gradient != 0).all()


def test_normalize_inverts_denormalize_and_fills_in() -> None:
    g = parallel()
    p = g.random(3, torch.Generator().manual_seed(0))
    assert p.shape == (3, g.num_params) == (3, 4)
    torch.testing.assert_close(g.normalize(**g.denormalize(p)), p.double())
    own = g.denormalize(g.normalize())
    assert {k: round(float(v), 9) for k, v in own.items()} == pytest.approx(g.values)


def test_with_values_is_a_copy() -> None:
    g = parallel()
    other = g.with_values({"second.from_first_db": -3.0, "first.gain": 2.0})
    assert g.values["second.from_first_db"] == -20.0
    assert other.values == {**g.values, "second.from_first_db": -3.0, "first.gain": 2.0}
    assert other["first"] is not g["first"]
    x = noise(1, 1, 40)
    torch.testing.assert_close(
        other(x), g(x, **{"second.from_first_db": -3.0, "first.gain": torch.tensor(2.0)})
    )
    assert torch.equal(copy.deepcopy(g)(x), g(x))
    assert torch.equal(g.canonical()(x), g(x))


def test_blend_is_wet_and_dry_by_one_knob() -> None:
    g = Graph()
    wet = g.add(Panner(pan=1.0), g.input)
    g.output = g.add(Blend(mix=0.25), g.input, wet=wet)
    x = noise(1, 1, 9)
    torch.testing.assert_close(g(x), 0.75 * x + 0.25 * wet.effect(x))
    torch.testing.assert_close(g(x, **{"blend.mix": 1.0}), wet.effect(x))
    assert torch.equal(Blend(mix=0.25)(x), 0.75 * x)
    with pytest.raises(ValueError, match=r"blend: wet must fit the audio \(1, 9\).*got \(1, 8\)"):
        Blend()(x, wet=x[..., :8])
    with pytest.raises(ValueError, match=r"blend: wet must fit the audio \(2, 9\).*got \(3, 9\)"):
        Blend()(noise(1, 2, 9), wet=noise(1, 3, 9))
    assert "blend <- input, panner" in repr(g)


def test_the_tail_is_that_of_the_longest_way(echo: type[Effect]) -> None:
    short, long = echo(feedback=0.3), echo(feedback=0.7)
    g = Graph()
    first = g.add(short, g.input)
    g.output = mix(first, g.add(long, g.input), g.add(echo(feedback=0.3), first))
    ends = short.tail_seconds(), long.tail_seconds()
    assert g.tail_seconds() == pytest.approx(max(2 * ends[0], ends[1]))


def test_a_graph_compiles_in_one_graph() -> None:
    g, x, p = parallel(), noise(2, 1, 30), torch.rand(2, 4)
    compiled = torch.compile(g.normalized, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(x, p), g.normalized(x, p))
    torch._dynamo.reset()


def test_traced_is_what_every_effect_hears_and_makes() -> None:
    g, x = parallel(), noise(1, 1, 30)
    heard = g.traced(x)
    assert list(heard) == ["first", "second"]
    torch.testing.assert_close(heard["second"][0], 0.1 * heard["first"][1])
    assert torch.equal(heard["first"][0], x)


def small() -> Graph:
    g = Graph()
    g.add(Gain(), g.input, name="a")
    g.output = g.add(Gain(), "a", name="b")
    return g


Wire = Callable[[Graph], Any]


@pytest.mark.parametrize(
    ("wire", "error", "message"),
    [
        (lambda g: g.connect("b", "a"), ValueError, "a -> b -> a is a cycle.*cannot flow back"),
        (lambda g: g.connect("a", "a"), ValueError, "a -> a is a cycle"),
        (lambda g: g.connect("a", "input"), ValueError, "input is an input, nothing can be sent"),
        (lambda g: g.connect("a", "c"), ValueError, "unknown node 'c'"),
        (lambda g: g.connect("a", "b", input="key"), TypeError, r"b \(gain\) has no input 'key'"),
        (lambda g: g.connect("a", "output", input="key"), TypeError, "output has no input 'key'"),
        (lambda g: g.add(Gain(), "inptu"), ValueError, "'inptu'; did you mean 'input'"),
        (lambda g: g.add(Gain(), small().input), ValueError, "input is a node of another graph"),
        (lambda g: g.add(Gain(), "output"), ValueError, "cannot hear the output"),
        (lambda g: g.add(Gain(), mix("a", send("a"))), ValueError, "hears a twice"),
        (lambda g: g.add(Gain()), ValueError, r"gain hears nothing; say what: graph.add\(..., gra"),
        (lambda g: g.add(Gain(), 3), TypeError, r"wants a node, its name, send\(...\) or mix"),
        (lambda g: g.add(Gain(44_100), "a"), ValueError, r"44100 Hz.*48000 Hz.*Gain\(48000\)"),
        (lambda g: g.add("gain", "a"), TypeError, "can only add effects, got 'gain'"),
        (lambda g: g.add([], "a"), ValueError, "an empty list of effects"),
        (lambda g: g.add([Gain(), Gain()], "a", name="c"), ValueError, "add it alone"),
        (lambda g: g.add(g["a"], "b"), ValueError, "this gain is in the graph already"),
        (lambda g: g.add(Gain(), "a", name="b"), ValueError, "the name 'b' is taken"),
        (lambda g: g.add(Gain(), "a", name="output"), ValueError, "the name 'output' is taken"),
        (lambda g: g.add(Gain(), "a", name="x.y"), ValueError, "must be a letter, then"),
        (lambda g: g.add_input("a"), ValueError, "the name 'a' is taken"),
        (lambda g: g.add(Compressor(), "a", sidchain="b"), TypeError, "did you mean 'sidechain'"),
        (lambda g: g.add(Gain(), send("a", 30.0)), ValueError, "gain_db must be -60 to 24 dB, got"),
        (lambda g: send(send("a")), TypeError, "send: wants a node"),
        (lambda g: mix(), ValueError, "mix: wants at least one source"),
        (lambda g: g["c"], KeyError, "no effect 'c'"),
        (lambda g: g(torch.zeros(1, 1, 4), **{"a.gian_db": 1}), TypeError, "mean 'gain_db'"),
        (lambda g: g(torch.zeros(1, 1, 4), **{"c.gain_db": 1}), TypeError, "unknown parameter 'c."),
        (lambda g: g(torch.zeros(1, 4)), ValueError, r"graph: audio must be \(b, c, t\)"),
        (lambda g: g.with_values({"output.from_a_db": 1.0}), TypeError, "no level 'from_a_db'"),
        (lambda g: Graph(44_100.5), ValueError, "sample_rate must be a whole number of Hz"),
    ],
)  # fmt: skip
def test_a_mistake_is_named(wire: Wire, error: type[Exception], message: str) -> None:
    g = small()
    with pytest.raises(error, match=message):
        wire(g)
    g(torch.zeros(1, 1, 4))  # a refused change leaves the graph as it was


def test_a_level_has_its_range() -> None:
    g = parallel()
    for wrong in (25.0, torch.tensor([25.0])):
        with pytest.raises(ValueError, match="second: from_first_db must be -60 to 24 dB, got 25"):
            g(noise(1, 1, 8), **{"second.from_first_db": wrong})
    with pytest.raises(ValueError, match="from_first_db has a batch of 3, wanted 1 or 2"):
        g(noise(2, 1, 8), **{"second.from_first_db": torch.zeros(3)})


def test_a_graph_must_lead_somewhere() -> None:
    g = Graph()
    node = g.add(Gain(), g.input)
    with pytest.raises(ValueError, match=r"has no output; say graph\.output = node"):
        g(torch.zeros(1, 1, 4))
    g.output = node
    g.add(Gain(), node, name="lost")
    with pytest.raises(ValueError, match="nothing hears lost; send it"):
        g(torch.zeros(1, 1, 4))
    g.connect(send("lost", -6.0), "output")
    assert g.num_params == 3
    g.connect(send("lost", -9.0), g.output)  # again: another level
    assert g.values["output.from_lost_db"] == -9.0


def test_channels_must_fit_where_paths_meet() -> None:
    g = Graph()
    other = g.add_input("other")
    g.output = mix(g.input, other)
    three = torch.zeros(1, 3, 4)
    with pytest.raises(ValueError, match=r"output: cannot add.*input has 2, other has 3"):
        g(torch.zeros(1, 2, 4), other=three)
    assert g(torch.zeros(1, 1, 4), other=three).shape == (1, 3, 4)


@pytest.mark.parametrize("block", [5, 1_000])
def test_rendering_cuts_the_latency(tmp_path: Path, block: int) -> None:
    sound = 0.1 * noise(1, 300).float()
    audio.write(tmp_path / "in.wav", sound, 48_000, "FLOAT")
    done = render(
        lambda _: parallel(), tmp_path / "in.wav", tmp_path / "o.wav", subtype="FLOAT", block=block
    )
    gain = 1 + 0.5 * 10 ** (-6 / 20) + 0.05
    assert done.samples == 300
    torch.testing.assert_close(audio.read(done.path)[0], gain * sound)


def test_what_needs_more_than_a_file_is_refused(tmp_path: Path) -> None:
    g = Graph()
    g.output = mix(g.input, g.add_input("kick"))
    audio.write(tmp_path / "in.wav", torch.full((1, 9), 0.1), 48_000)
    with pytest.raises(UserError, match="the graph also hears kick; a file can only be its input"):
        render(lambda _: g, tmp_path / "in.wav", tmp_path / "o.wav")
    with pytest.raises(UserError, match="also hears kick, which a search cannot give it"):
        match(torch.ones(1, 9), torch.ones(1, 9), g)


def test_match_finds_the_level_of_a_late_send() -> None:
    """The reference is as `render` writes it: without the latency."""
    g = Graph(16_000)
    late = g.add(Late(16_000, gain=1.0), g.input, name="late")
    g.output = mix(g.input, send(g.add(Gain(16_000, gain_db=-2.0), late, name="trim"), 0.0))
    dry = 0.2 * noise(1, 8_000).float()
    hidden = g.with_values({"output.from_trim_db": -9.0})
    reference = hidden(torch.nn.functional.pad(dry, (0, 7))[None])[0, :, 7:]
    found = match(
        dry, reference, g, fixed=["late.*", "trim.*"], seconds=0.2, guesses=8, descents=1,
        descent_steps=10, refinements=1, refine_steps=20,
    )  # fmt: skip
    assert isinstance(found.chain, Graph)
    assert found.values["output.from_trim_db"] == pytest.approx(-9.0, abs=1e-3)
    assert found.result.shape == reference.shape
    assert found.after_db < -80
    assert math.isclose(found.values["trim.gain_db"], -2.0)
