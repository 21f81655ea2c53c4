"""Parameter spaces: three views that agree, names, fingerprints, gates, groups."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dspcore.errors import UserError
from dspcore.patches import (
    Bool,
    Categorical,
    Condition,
    Continuous,
    Fixed,
    Ordered,
    ParamSpace,
    PatchParam,
    Symmetry,
    overlaid,
)

numbers = st.floats(-1e4, 1e4, allow_nan=False, width=32)
names = st.text("abcdefghij_", min_size=1, max_size=8)


@st.composite
def continuous(draw: Any) -> Continuous:
    scale = draw(st.sampled_from(["lin", "log", "pow", "db", "semitone"]))
    low = draw(st.floats(2**-10, 100, width=32) if scale == "log" else st.floats(-90, 90, width=32))
    high = low + draw(st.floats(0.5, 200 if scale != "log" else 2e4, width=32))
    power = draw(st.floats(0.25, 4)) if scale == "pow" else 1.0
    return Continuous(name="c", low=low, high=high, scale=scale, power=power)


ordered = st.builds(
    Ordered,
    name=st.just("o"),
    count=st.integers(1, 130),
    low=st.integers(-64, 64).map(float),
    step=st.sampled_from([1.0, 0.5, 12.0]),
)
categorical = st.builds(
    Categorical,
    name=st.just("w"),
    values=st.lists(st.text(min_size=1, max_size=6), min_size=1, max_size=9, unique=True).map(
        tuple
    ),
)
kinds = st.one_of(continuous(), ordered, categorical, st.just(Bool(name="b")))


@settings(max_examples=150, deadline=None)
@given(kinds, st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_every_kind_decodes_what_it_encoded(param: PatchParam, u: list[float]) -> None:
    space = ParamSpace("any", (param,))
    encoded = space.snap(np.array(u)[:, None])
    patches = space.decode(encoded)
    again = space.encode(patches)
    if isinstance(param, Continuous):
        low, high = np.float32(param.low), np.float32(param.high)
        for patch, other in zip(patches, space.decode(again), strict=True):
            assert abs(np.float32(patch["c"]) - np.float32(other["c"])) <= np.spacing(
                max(abs(low), abs(high))
            )
    else:
        assert space.decode(again) == patches
        np.testing.assert_array_equal(again, encoded)
    raw = space.raw(encoded)
    np.testing.assert_allclose(space.raw(space.from_raw(raw)), raw, rtol=1e-9, atol=1e-9)


@settings(max_examples=150, deadline=None)
@given(continuous(), st.floats(0, 1))
def test_a_float32_value_comes_back_as_it_was(param: Continuous, u: float) -> None:
    space = ParamSpace("any", (param,))
    value = np.float32(space.decode([u])["c"])
    inside = float(min(max(float(value), param.low), param.high))
    back = space.decode(space.encode({"c": inside}))["c"]
    assert np.float32(back) == np.float32(inside)


@settings(max_examples=100, deadline=None)
@given(ordered | categorical, st.floats(0, 1))
def test_decoding_takes_the_nearest_value(param: Ordered | Categorical, u: float) -> None:
    centres = (np.arange(param.n) + 0.5) / param.n
    index = int(param.index(np.array([u]))[0])
    assert abs(centres[index] - u) <= np.abs(centres - u).min() + 1e-12


def voice() -> ParamSpace:
    heard = ((Condition("mix", ">", 0.1),),)
    return ParamSpace(
        "voice",
        (
            Continuous(name="cutoff", low=40, high=16_000, scale="log", unit="Hz", default=800),
            Continuous(name="level", low=-60, high=6, scale="db", default=0),
            Continuous(name="mix", low=0, high=1, default=0, atoms=((0.0, 0.25),)),
            Categorical(name="wave_1", values=("sine", "saw"), symmetry=Symmetry("osc", 0, "wave")),
            Categorical(
                name="wave_2",
                values=("sine", "saw"),
                weights=(1, 3),
                gate=heard,
                symmetry=Symmetry("osc", 1, "wave"),
            ),
            Ordered(name="octave", count=5, low=-2, default=0),
            Bool(name="sync", gate=((Condition("wave_2", "==", "saw"),),)),
            Fixed(name="tune", value=440.0),
        ),
    )


def test_raw_is_what_the_synth_gets() -> None:
    space = voice()
    raw = space.raw(space.encode({"level": -20.0, "wave_2": "saw", "octave": -1, "sync": True}))
    np.testing.assert_allclose(raw, [800, 0.1, 0, 0, 1, -1, 1, 440])


def test_gates_follow_each_other() -> None:
    space = voice()
    active = space.active(space.encode([{}, {"mix": 0.5}, {"mix": 0.5, "wave_2": "saw"}]))
    assert active[:, space.column("wave_2")].tolist() == [False, True, True]
    assert active[:, space.column("sync")].tolist() == [False, False, True]


def test_groups_are_aligned_by_role() -> None:
    assert voice().groups()["osc"].tolist() == [[3], [4]]


def test_atoms_and_weights_have_their_share() -> None:
    space = voice()
    drawn = space.drawn(np.random.default_rng(0).random((20_000, space.size)))
    assert abs((drawn[:, space.column("mix")] == 0).mean() - 0.25) < 0.02
    assert abs((drawn[:, space.column("wave_2")] > 0.5).mean() - 0.75) < 0.02


def test_json_gives_the_same_space_and_fingerprint() -> None:
    space = voice()
    again = ParamSpace.from_json(space.to_json())
    assert again == space
    assert again.fingerprint == space.fingerprint
    told = json.loads(space.to_json())
    told["params"][0]["doc"] = "Another sentence."
    assert ParamSpace.from_json(json.dumps(told)).fingerprint == space.fingerprint


def test_a_mismatch_refuses_and_says_what_differs() -> None:
    space = voice()
    other = overlaid(space, {"cutoff": {"high": 20_000.0}}, "test")
    with pytest.raises(UserError, match=r"(?s)model: .*high is 20000.0 there, 16000.0 here"):
        space.check(other, "model")
    with pytest.raises(UserError, match="belongs to another parameter space"):
        space.check("f" * 64, "model")
    space.check(voice().fingerprint, "model")


@pytest.mark.parametrize(
    ("patch", "words"),
    [
        ({"cutof": 1.0}, "did you mean 'cutoff'"),
        ({"cutoff": 5.0}, "must be 40 to 16000 Hz, got 5.0"),
        ({"wave_1": "swa"}, "did you mean 'saw'"),
        ({"octave": 0.5}, "must be -2 to 2"),
        ({"mix": "much"}, "must be a number, got 'much'"),
    ],
)
def test_wrong_patches_say_what_to_do(patch: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        voice().encode(patch)


def test_fixed_parameters_leave_the_columns_and_keep_their_raw_value() -> None:
    space = voice().fixed({"wave_2": "saw", "level": -20.0})
    assert "wave_2" not in space.names
    np.testing.assert_allclose(space.raw(space.default)[[1, 4]], [0.1, 1.0])
    assert space.active(space.default)[space.column("sync")] is np.False_  # mix is 0
    assert voice().only(["cutoff"]).names == ("cutoff",)


def test_what_draws_random_numbers_can_be_put_out() -> None:
    space = ParamSpace(
        "x",
        (
            Continuous(name="phase", low=0.0, high=1.0, default=1.0, chance=True),
            Categorical(name="lfo", values=("off", "hold"), default="hold", chance=True),
            Continuous(name="level", low=0.0, high=1.0, default=0.5),
        ),
    )
    still = space.without_chance()
    assert still.names == ("level",)
    assert still.decode([0.2]) == {"phase": 0.0, "lfo": 0.0, "level": 0.2}
    assert ParamSpace.from_json(space.to_json()) == space
    plain = space.replaced(replace(space["phase"], chance=False))
    assert plain.fingerprint != space.fingerprint
    assert "chance" not in plain["phase"].to_dict()


def test_names_are_unique_and_gates_known() -> None:
    with pytest.raises(UserError, match="two parameters"):
        ParamSpace("x", (Bool(name="a"), Bool(name="a")))
    with pytest.raises(UserError, match="its gate asks for 'b'"):
        ParamSpace("x", (Bool(name="a", gate=((Condition("b", "==", 1.0),),)),))
