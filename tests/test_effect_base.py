"""Parameters, checks and streaming of every effect, and the three effects without a kernel."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck

from dspcore.effects import Choice, Effect, Gain, Panner, Param, Widener, by_name, names
from dspcore.errors import UserError


class Tone(Effect):
    """A parameter of every kind; multiplies by `level`, or by the side-chain when there is one."""

    inputs = ("sidechain",)

    cutoff_hz = Param(20.0, 20_000.0, default=18_000.0, scale="log", doc="Corner.")
    level = Param(0.0, 2.0, default=1.0)
    kind = Choice("soft", "hard", default="soft", doc="Shape.")

    def process(self, audio: Tensor, params: dict[str, Tensor], state: Any) -> tuple[Tensor, Any]:
        assert all(p.dtype == torch.float64 or n == "sidechain" for n, p in params.items())
        if "sidechain" in params:
            return audio * params["sidechain"], None
        return audio * params["level"][:, None].to(audio.dtype), None


def test_declarations_are_collected_in_order() -> None:
    assert list(Tone.params) == ["cutoff_hz", "level"]
    assert list(Tone.choices) == ["kind"]
    assert Tone().num_params == 2
    assert type("ParametricEQ", (Tone,), {}).name == "parametric_eq"


@pytest.mark.parametrize(
    ("name", "unit"),
    [("cutoff_hz", "Hz"), ("gain_db", "dB"), ("attack_ms", "ms"), ("time_s", "s"), ("mix", ""),
     ("width_percent", "%"), ("delay_samples", "samples"), ("s", "")],
)  # fmt: skip
def test_the_unit_is_the_suffix_of_the_name(name: str, unit: str) -> None:
    param = Param(0.0, 1.0, default=0.5)
    param.__set_name__(Effect, name)
    assert param.unit == unit


@pytest.mark.parametrize("name", ["cutoff_hz", "level"])
def test_from_unit_inverts_to_unit(name: str) -> None:
    param = Tone.params[name]
    u = torch.linspace(0, 1, 11, dtype=torch.float64)
    physical = param.from_unit(u, 44_100)
    torch.testing.assert_close(param.to_unit(physical, 44_100), u)
    assert float(physical[0]) == pytest.approx(param.range(44_100)[0])
    assert param.to_unit(param.from_unit(0.3, 44_100), 44_100) == pytest.approx(0.3)


def test_a_log_scale_has_equal_ratios() -> None:
    values = Tone.params["cutoff_hz"].from_unit(
        torch.linspace(0, 1, 4, dtype=torch.float64), 48_000
    )
    torch.testing.assert_close(values[1:] / values[:-1], torch.full((3,), 10.0).double())


def test_frequencies_end_at_a_share_of_the_sample_rate() -> None:
    assert Tone(48_000).cutoff_hz == 18_000
    assert Tone(16_000).cutoff_hz == pytest.approx(7_200)
    assert Tone.params["cutoff_hz"].range(16_000) == (20.0, 7_200.0)
    with pytest.raises(ValueError, match=r"tone: cutoff_hz must be 20 to 7200 Hz.*16000 Hz.*lower"):
        Tone(16_000, cutoff_hz=20_000.0)
    with pytest.raises(ValueError, match="higher sample rate"):
        Tone(40)


def test_values_are_read_and_set_as_attributes() -> None:
    tone = Tone(level=1.5, kind="hard")
    assert (tone.level, tone.kind) == (1.5, "hard")
    tone.level = 0.25
    assert tone.values["level"] == 0.25
    with pytest.raises(ValueError, match="level must be 0 to 2, got 3"):
        tone.level = 3.0
    assert "level=0.25" in repr(tone)
    assert "kind=hard" in repr(tone)


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        ({"levle": 1.0}, TypeError, "unknown parameter 'levle'; did you mean 'level'"),
        ({"level": "1"}, TypeError, "level must be a number"),
        ({"level": True}, TypeError, "level must be a number"),
        ({"level": [1]}, TypeError, "level must be a number"),
        ({"level": float("nan")}, TypeError, "level must be a number"),
        ({"level": -0.1}, ValueError, "level must be 0 to 2, got -0.1"),
        ({"kind": "sotf"}, ValueError, "kind cannot be 'sotf'; did you mean 'soft'"),
        ({"kind": 3}, TypeError, "kind must be one of soft, hard"),
    ],
)
def test_wrong_settings_name_the_fix(values: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Tone(**values)


@pytest.mark.parametrize(
    "arguments",
    [{"minimum": 1.0, "maximum": 0.0, "default": 0.5}, {"minimum": 0, "maximum": 1, "default": 2},
     {"minimum": 0.0, "maximum": 1.0, "default": 0.5, "scale": "log"},
     {"minimum": 0.0, "maximum": 1.0, "default": 0.5, "scale": "cubic"}],
)  # fmt: skip
def test_wrong_declarations_are_refused(arguments: Any) -> None:
    minimum, maximum = arguments.pop("minimum"), arguments.pop("maximum")
    with pytest.raises(ValueError, match="Param"):
        Param(minimum, maximum, **arguments)


@pytest.mark.parametrize(
    ("audio", "error", "message"),
    [
        ([0.0], TypeError, "must be a tensor"),
        (torch.zeros(1, 2, 8, dtype=torch.int16), TypeError, r"float32 or float64.*\.float\(\)"),
        (torch.zeros(8), ValueError, r"must be \(b, c, t\), got \(8,\); add axes"),
        (torch.zeros(2, 8), ValueError, r"audio\[None\] for \(c, t\)"),
        (torch.zeros(1, 2, 0), ValueError, "must not be empty"),
        (torch.tensor([[[0.0, float("nan")]]]), ValueError, "1 NaN or infinite samples of 2"),
        (torch.tensor([[[0.0, float("inf")]]]), ValueError, "1 NaN or infinite samples of 2"),
    ],
)
def test_wrong_audio_names_the_fix(audio: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Gain()(audio)
    with pytest.raises(error, match=message):
        Tone()(torch.zeros(1, 1, 2), sidechain=audio)


def test_huge_but_finite_audio_is_accepted() -> None:
    assert torch.isfinite(Gain()(torch.full((1, 1, 8), 3e38))).all()


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({"level": torch.tensor([0.5, 9.0])}, ValueError, "level must be 0 to 2, got 0.5 to 9"),
        ({"level": torch.tensor(float("nan"))}, ValueError, "level must be 0 to 2, got nan"),
        ({"level": torch.ones(2, 1, 4)}, ValueError, r"must be \(\), \(b,\) or \(b, f\)"),
        ({"level": torch.ones(3)}, ValueError, "batch of 3, wanted 1 or 2"),
        ({"levl": 1.0}, TypeError, "did you mean 'level'"),
        ({"kind": "soft"}, TypeError, "chosen when the effect is made"),
    ],
)
def test_wrong_parameters_name_the_fix(params: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Tone()(torch.zeros(2, 1, 8), **params)


@pytest.mark.parametrize(
    ("p", "error", "message"),
    [
        (torch.full((1, 2), 1.5), ValueError, "p must lie in .* sigmoid"),
        (torch.full((1, 2), float("nan")), ValueError, "p must lie in"),
        (torch.zeros(1, 3), ValueError, r"p must be \(b, 2\) or \(b, 2, f\), got \(1, 3\)"),
        (torch.zeros(2), ValueError, "p must be"),
        (torch.zeros(1, 2, 0), ValueError, "p must be"),
        (torch.zeros(1, 2, dtype=torch.int64), TypeError, "floating-point"),
    ],
)
def test_wrong_normalised_parameters_name_the_fix(
    p: Tensor, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        Tone().normalized(torch.zeros(1, 1, 8), p)


def test_a_parameter_may_be_a_float_or_a_tensor_of_three_shapes() -> None:
    audio = torch.ones(2, 1, 5)
    tone = Tone()
    expected = torch.full((2, 1, 5), 0.5)
    for value in (0.5, torch.tensor(0.5), torch.full((2,), 0.5), torch.full((2, 3), 0.5)):
        torch.testing.assert_close(tone(audio, level=value), expected)
    torch.testing.assert_close(tone(audio, level=torch.full((1, 1), 0.5)), expected)


def test_automation_is_linear_from_the_first_to_the_last_sample() -> None:
    frames = torch.tensor([[0.0, 1.0, 0.5]])
    out = Tone()(torch.ones(1, 1, 5), level=frames)
    torch.testing.assert_close(out[0, 0], torch.tensor([0.0, 0.5, 1.0, 0.75, 0.5]))


def test_automation_with_a_frame_for_every_sample_passes_through() -> None:
    frames = torch.rand(2, 7)
    assert torch.equal(Tone()(torch.ones(2, 1, 7), level=frames)[:, 0], frames)


def test_one_sound_is_repeated_for_a_batch_of_parameters() -> None:
    out = Gain()(torch.ones(1, 2, 4), gain_db=torch.tensor([0.0, -20.0, 20.0]))
    torch.testing.assert_close(out[:, 0, 0], torch.tensor([1.0, 0.1, 10.0]))


@pytest.mark.parametrize("frames", [(), (3,)])
def test_normalized_is_forward_of_denormalize(frames: tuple[int, ...]) -> None:
    tone, audio = Tone(), torch.randn(2, 1, 6)
    p = torch.rand(2, 2, *frames)
    assert torch.equal(tone.normalized(audio, p), tone(audio, **tone.denormalize(p)))
    torch.testing.assert_close(tone.normalize(**tone.denormalize(p)), p.double())


def test_normalize_fills_in_the_effect_s_own_values() -> None:
    p = Tone(level=0.5).normalize(cutoff_hz=torch.tensor([20.0, 20_000.0]))
    torch.testing.assert_close(p, torch.tensor([[0.0, 0.25], [1.0, 0.25]]).double())
    assert Tone().normalize(level=torch.ones(2, 5)).shape == (2, 2, 5)
    assert Tone().normalize().shape == (1, 2)


def test_random_settings_are_within_the_range_and_follow_the_generator() -> None:
    first, second = (Tone().random(100, torch.Generator().manual_seed(1)) for _ in range(2))
    assert torch.equal(first, second)
    assert first.shape == (100, 2)
    Tone()(torch.zeros(100, 1, 1), **Tone().denormalize(first))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("effect", [Gain(), Panner(), Widener()])
def test_the_dtype_of_the_audio_is_kept(effect: Effect, dtype: torch.dtype) -> None:
    assert effect(torch.zeros(1, 2, 4, dtype=dtype)).dtype == dtype
    assert effect.normalized(torch.zeros(1, 2, 4, dtype=dtype), effect.random(1)).dtype == dtype


# torch's own forward-mode rules still go through torch.jit.
@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")
@pytest.mark.parametrize("frames", [(), (4,)])
@pytest.mark.parametrize("effect", [Gain(), Panner(), Widener()])
def test_gradients_are_exact(effect: Effect, frames: tuple[int, ...]) -> None:
    audio = torch.randn(2, 2, 7, dtype=torch.float64, requires_grad=True)
    p = torch.rand(2, 1, *frames, dtype=torch.float64, requires_grad=True)
    assert gradcheck(effect.normalized, (audio, p), check_forward_ad=True, check_batched_grad=True)
    assert gradgradcheck(effect.normalized, (audio, p))


def test_effects_work_under_functorch() -> None:
    gain, audio, p = Gain(), torch.randn(2, 1, 8), torch.rand(3, 2, 1)
    many = torch.func.vmap(lambda q: gain.normalized(audio, q))(p)
    torch.testing.assert_close(many, torch.stack([gain.normalized(audio, q) for q in p]))
    grad = torch.func.grad(lambda q: gain.normalized(audio, q).square().sum())(p[0])
    assert grad.shape == p[0].shape
    assert (grad > 0).all()


@pytest.mark.parametrize("frames", [(), (5,)])
def test_effects_compile_in_one_graph(frames: tuple[int, ...]) -> None:
    panner, audio, p = Panner(), torch.randn(2, 1, 8), torch.rand(2, 1, *frames)
    compiled = torch.compile(panner.normalized, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(audio, p), panner.normalized(audio, p))
    torch._dynamo.reset()


def test_a_further_input_reaches_process() -> None:
    audio, side = torch.ones(2, 1, 3), torch.rand(1, 1, 3)
    assert torch.equal(Tone()(audio, sidechain=side), side.expand(2, 1, 3))
    assert torch.equal(Tone().normalized(audio, torch.rand(1, 2), sidechain=side)[0], side[0])


def test_gain_of_six_db_doubles() -> None:
    out = Gain(gain_db=6.0206)(torch.ones(1, 3, 4))
    torch.testing.assert_close(out, torch.full((1, 3, 4), 2.0))


def test_panner_keeps_the_power_and_the_centre() -> None:
    pan = torch.linspace(-1, 1, 9)
    out = Panner()(torch.ones(1, 1, 1), pan=pan)[..., 0]
    torch.testing.assert_close(out.square().sum(1), torch.full((9,), 2.0))
    torch.testing.assert_close(out[4], torch.ones(2))
    torch.testing.assert_close(out[0], torch.tensor([2.0**0.5, 0.0]), atol=1e-6, rtol=0)


def test_widener_scales_the_side_alone() -> None:
    audio = torch.tensor([[[1.0], [0.5]]])
    torch.testing.assert_close(Widener(width=0.0)(audio), torch.full((1, 2, 1), 0.75))
    torch.testing.assert_close(Widener(width=1.0)(audio), audio)
    torch.testing.assert_close(Widener(width=2.0)(audio), torch.tensor([[[1.25], [0.25]]]))


@pytest.mark.parametrize("effect", [Panner(), Widener()])
def test_stereo_effects_take_mono_and_refuse_surround(effect: Effect) -> None:
    mono = torch.randn(1, 1, 4)
    torch.testing.assert_close(effect(mono), mono.expand(1, 2, 4))
    with pytest.raises(ValueError, match="mono or stereo, got 6 channels"):
        effect(torch.zeros(1, 6, 4))


@pytest.mark.parametrize("block", [1, 7, 64, 480])
def test_a_stream_of_blocks_is_one_long_block(echo: type[Effect], block: int) -> None:
    audio = torch.randn(2, 2, 1_000)
    effect = echo(feedback=0.7)
    stream = effect.stream()
    parts = [stream(part) for part in torch.split(audio, block, dim=-1)]
    assert torch.equal(torch.cat(parts, dim=-1), effect(audio))


def test_parameters_of_a_stream_may_change_with_every_block(echo: type[Effect]) -> None:
    audio = torch.randn(1, 1, 200)
    stream = echo().stream(glide_ms=0)
    parts = [stream(audio[..., :150], feedback=0.2), stream(audio[..., 150:], feedback=0.8)]
    frames = torch.cat([torch.full((1, 150), 0.2), torch.full((1, 50), 0.8)], dim=1)
    torch.testing.assert_close(torch.cat(parts, dim=-1), echo()(audio, feedback=frames))


def test_a_stream_forgets_on_reset_and_detaches_on_demand(echo: type[Effect]) -> None:
    audio = torch.randn(1, 1, 150, requires_grad=True)
    stream = echo().stream()
    first = stream(audio)
    stream.detach()
    assert not stream.state.requires_grad
    with pytest.raises(ValueError, match=r"began with \(b, c\) = \(1, 1\), got \(1, 2\)"):
        stream(torch.zeros(1, 2, 4))
    stream.reset()
    assert torch.equal(stream(audio), first)


def test_effects_are_found_by_name_and_alias(echo: type[Effect]) -> None:
    assert names()["gain"] is Gain
    assert by_name("echo") is by_name("repeat") is echo
    with pytest.raises(UserError, match="unknown effect 'gian'; did you mean 'gain'"):
        by_name("gian")


def test_with_values_is_a_copy(echo: type[Effect]) -> None:
    tone = Tone(44_100, level=0.5, kind="hard")
    other = tone.with_values(level=0.75)
    assert (tone.level, other.level, other.kind, other.sample_rate) == (0.5, 0.75, "hard", 44_100)
