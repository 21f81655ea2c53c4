"""The pair encoder, a latent tied to what is heard, and weights that are taken from elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from dspcore import style, train
from dspcore.errors import UserError
from dspcore.style import Budget, Clips, PairSource, load_encoder, make_controller, make_encoder
from dspcore.style.perceptual import unlikeness
from dspcore.style.pretraining import Pretraining, pretrain
from dspcore.style.rendering import effect_named

RATE = 16_000
pytestmark = pytest.mark.usefixtures("native")


@pytest.fixture(scope="module")
def clips() -> Clips:
    """Noise and tones that swell."""
    generator = torch.Generator().manual_seed(1)
    t = torch.arange(RATE) / RATE
    noise = 0.3 * torch.randn(16, RATE, generator=generator)
    tones = torch.stack([torch.sin(2 * torch.pi * (120 + 60 * i) * t) for i in range(16)])
    sound = (noise + tones) * (0.05 + torch.sin(2 * torch.pi * 3 * t).clamp(min=0))
    return Clips(0.25 * (sound / sound.abs().amax(1, keepdim=True))[:, None], RATE)


@pytest.mark.slow
def test_a_pair_encoder_learns_from_several_effects_and_heads_hear_through_it(
    clips: Clips, tmp_path: Path
) -> None:
    effects = [effect_named(name, RATE) for name in ("tilt_eq", "ladder_filter")]
    training, held = clips.split(12, 4)
    config = Pretraining(
        kind="logmel", pairing="vae", latent=12, pair_steps=160, pairs=48, validation=6
    )
    done = pretrain(effects, training, held, config)
    assert done.epochs == 0  # of an encoder without weights
    assert min(done.pair_history) < 0.7 * done.pair_history[0]
    ears, plain = done.encoder, make_encoder("logmel", RATE)
    assert ears.digest() != plain.digest()  # both parts have one hash
    before = ears.digest()
    torch.nn.Sequential(ears, torch.nn.BatchNorm1d(3)).train(True)
    assert ears.pair_encoder is not None
    assert not ears.pair_encoder.training
    assert not any(p.requires_grad for p in ears.parameters())
    ears.save(tmp_path / "ears.safetensors")
    again = load_encoder(tmp_path / "ears.safetensors")
    assert again.digest() == before

    effect = effect_named("tilt_eq", RATE)
    sources = [
        PairSource(effect, training, seed=i, count=count) for i, count in enumerate((40, 8, 12))
    ]
    made = make_controller("regress", pairing="vae")
    made.prepare(effect, sources[0], sources[1], encoder=again, budget=Budget(steps=160))
    assert again.digest() == before
    pairs = sources[2].all()
    rows = [make_controller("nothing").prepare(effect), made]
    assert style.evaluate(rows, pairs).row("regress").share[1] < 0.8
    style.save_head(made, tmp_path)
    back = style.load_head(tmp_path, effect)
    wanted = made.params(pairs.dry, pairs.reference)
    assert torch.equal(back.params(pairs.dry, pairs.reference), wanted)
    with pytest.raises(UserError, match="dspcore style pretrain --pairing vae"):
        make_controller("regress", pairing="vae").prepare(
            effect, sources[0], sources[1], encoder=plain.freeze()
        )


def test_a_pair_encoder_goes_on_where_it_was_stopped(
    clips: Clips, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    effects = [effect_named("tilt_eq", RATE)]

    def run(folder: Path) -> str:
        config = Pretraining(
            kind="conv", pairing="vae", latent=4, pair_steps=20, pairs=8, validation=2, epochs=2,
            batch=4, folder=str(folder),
        )  # fmt: skip
        return pretrain(effects, *clips.split(12, 4), config).encoder.digest()

    wanted = run(tmp_path / "whole")
    save, count = train.Checkpoint.save, 0

    def killed(self: train.Checkpoint, path: str | Path) -> None:
        nonlocal count
        save(self, path)
        count += 1
        if count == 7:  # the encoder is there, its pair encoder is on the way
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(train.Checkpoint, "save", killed)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / "broken")
    assert (tmp_path / "broken" / "pairs").exists()
    assert run(tmp_path / "broken") == wanted


def test_unlikeness_asks_for_shapes_not_sizes() -> None:
    z = torch.randn(10, 3, generator=torch.Generator().manual_seed(2))
    z = (z - z.mean(0)) / z.std(0)
    assert float(unlikeness(5 * z, z)) == pytest.approx(0.0, abs=1e-9)
    other = z.roll(1, 0).requires_grad_()
    far = unlikeness(other, z)
    far.backward()
    assert other.grad is not None
    nearer = (other - 0.5 * other.grad / other.grad.norm()).detach()
    assert float(unlikeness(nearer, z)) < float(far.detach())
    with pytest.raises(ValueError, match="3 at least"):
        unlikeness(z[:2], z[:2])


@pytest.mark.slow
def test_a_vae_can_be_tied_to_what_is_heard(clips: Clips) -> None:
    effects = [effect_named("tilt_eq", RATE)]
    found = []
    for weight in (0.0, 3.0):
        config = Pretraining(
            kind="vae", perceptual=weight, pairs=16, validation=2, epochs=4, batch=8
        )
        done = pretrain(effects, *clips.split(12, 4), config)
        heard = style.timbre(clips.audio, RATE)
        found.append(float(unlikeness(done.encoder.embed(clips.audio), heard)))
    assert found[1] < 0.8 * found[0]
    with pytest.raises(UserError, match="perceptual ties the latent of a vae, got kind 'conv'"):
        pretrain(effects, *clips.split(12, 4), Pretraining(perceptual=1.0))


def test_weights_for_another_model_are_counted(clips: Clips, tmp_path: Path) -> None:
    torch.manual_seed(1)
    path = tmp_path / "vae.safetensors"
    vae = make_encoder("vae", RATE)
    vae.save(path)
    whole = torch.nn.ModuleDict({"ears": make_encoder("conv", RATE)})
    found = train.load_matching(whole, path, into="ears.")
    assert len(found.taken) == len(whole.state_dict())
    assert all(name.startswith("ears.") for name in found.unused)
    assert "30 of 30 loaded; 12 in the file alone" in str(found)
    assert torch.equal(whole.state_dict()["ears.out.weight"], vae.state_dict()["out.weight"])
    narrow = make_encoder("conv", RATE, dims=8)
    before = narrow.state_dict()["out.weight"].clone()
    found = train.load_matching(narrow, path)
    assert found.unlike == ["out.bias", "out.weight"]
    assert torch.equal(narrow.state_dict()["out.weight"], before)
    with pytest.raises(UserError, match=r"none of its weights fits: 0 of 2 loaded"):
        train.load_matching(torch.nn.Linear(2, 2), path)
    config = Pretraining(start=str(path), pairs=8, validation=2, epochs=1, batch=4)
    done = pretrain([effect_named("tilt_eq", RATE)], *clips.split(12, 4), config)
    assert done.loaded is not None
    assert len(done.loaded.taken) == 30
