"""An exported codec is the autoencoder, at any length, and along axes that are worth keeping."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import onnxruntime
import pytest
import torch
from click.testing import CliRunner

from dspcore import latent, train
from dspcore.cli import main
from dspcore.errors import UserError
from dspcore.latent import BandVAE, Codec, export_codec, export_onnx, principal_axes

# TorchScript is what hosts load, though torch would rather have another format.
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")

TINY: dict[str, Any] = {"size": "nano", "dims": 8, "ratios": (4, 2)}


@pytest.mark.parametrize(
    "options",
    [
        {"causal": True},
        {"channels": "ms"},
        {"channels": "dual", "bottleneck": "rvq"},
    ],
    ids=["causal", "ms", "dual-rvq"],
)
def test_what_is_exported_says_what_the_model_says(options: Any, tmp_path: Path) -> None:
    model = BandVAE(8_000, **TINY, **options).eval()
    codec = Codec(model)
    export_codec(codec, tmp_path / "codec.ts")
    extra = {"codec.json": ""}
    played = torch.jit.load(str(tmp_path / "codec.ts"), _extra_files=extra)
    about = json.loads(extra["codec.json"])
    assert (about["hop"], about["dims"]) == (model.hop, 8)
    assert about["encoder"] == model.encoder_hash()
    sound = torch.randn(3, model.audio_channels, 5_001)
    with torch.no_grad():
        torch.testing.assert_close(played(sound), model(sound)[0], rtol=0, atol=1e-5)
        z = played.encode(sound)
        torch.testing.assert_close(z, model.encode(sound).mean, rtol=0, atol=1e-5)
        torch.testing.assert_close(played.decode(z), model.decode(z), rtol=0, atol=1e-5)
        assert torch.equal(played(sound), played(sound))  # noise and all


@pytest.mark.parametrize(
    "options",
    [{"causal": True}, {"channels": "ms"}, {"channels": "dual", "bottleneck": "rvq"}],
    ids=["causal", "ms", "dual-rvq"],
)
def test_onnx_says_what_the_model_says(options: Any, tmp_path: Path) -> None:
    model = BandVAE(8_000, **TINY, **options).eval()
    codec = Codec(model)
    encode, decode = (
        onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        for path in export_onnx(codec, tmp_path / "codec.onnx")
    )
    about = json.loads(encode.get_modelmeta().custom_metadata_map["codec.json"])
    assert (about["hop"], about["dims"], about["encoder"]) == (model.hop, 8, model.encoder_hash())
    sound = torch.randn(3, model.audio_channels, 39 * model.hop)
    (z,) = encode.run(None, {"audio": sound.numpy()})
    (made,) = decode.run(None, {"latent": z})
    with torch.no_grad():
        wanted = model.encode(sound).mean
        torch.testing.assert_close(torch.from_numpy(z), wanted, rtol=0, atol=1e-5)
        torch.testing.assert_close(torch.from_numpy(made), codec.decode(wanted), rtol=0, atol=1e-4)


def test_the_original_stays_as_it_was() -> None:
    model = BandVAE(8_000, **TINY).eval()
    codec = Codec(model)
    assert model.loop is None
    assert all(p.requires_grad for p in model.parameters())
    assert not any(p.requires_grad for p in codec.parameters())


def test_axes_hold_the_variance_they_are_asked_for() -> None:
    wide = torch.tensor([4.0, 2.0, 1.0, 0.01])
    turn = torch.linalg.qr(torch.randn(4, 4))[0]
    means = [turn @ (wide[:, None] * torch.randn(4, 500)) + 3.0 for _ in range(4)]
    axes, centre = principal_axes(means, 0.99)
    assert axes.shape == (4, 3)
    torch.testing.assert_close(axes.T @ axes, torch.eye(3), rtol=0, atol=1e-5)
    assert abs(float((axes[:, 0] * turn[:, 0]).sum())) > 0.99
    rows = torch.cat(means, 1)
    torch.testing.assert_close(centre, rows.mean(1))
    assert principal_axes(means, 2)[0].shape == (4, 2)
    with pytest.raises(UserError, match="keep must be 1 to 4 axes, got 5"):
        principal_axes(means, 5)


def test_all_axes_are_the_whole_latent_and_few_are_less() -> None:
    model = BandVAE(8_000, **TINY).eval()
    sound = torch.randn(4, 1, 4_096)
    with torch.no_grad():
        means = list(model.encode(sound).mean)
        plain = Codec(model)(sound)
        torch.testing.assert_close(
            Codec(model, *principal_axes(means, 8))(sound), plain, rtol=0, atol=1e-4
        )
        few = Codec(model, *principal_axes(means, 1))
        assert few.encode(sound).shape[1] == 1
        assert not torch.allclose(few(sound), plain, atol=1e-4)
    with pytest.raises(ValueError, match=r"axes must be \(8, k\) and centre \(8,\)"):
        Codec(model, torch.eye(4))


def test_a_model_that_cannot_be_traced_is_refused(tmp_path: Path) -> None:
    class Short(BandVAE):
        def traceable(self) -> Any:  # its noise is drawn for the length it was traced at
            return copy.deepcopy(self)

    with pytest.raises(RuntimeError, match="is not that of the autoencoder at another length"):
        export_codec(Codec(Short(8_000, **TINY)), tmp_path / "codec.ts")
    assert not (tmp_path / "codec.ts").exists()
    with pytest.raises(RuntimeError, match="band autoencoder cannot be written as ONNX"):
        export_onnx(Codec(Short(8_000, **TINY)), tmp_path / "codec.onnx")
    assert not list(tmp_path.glob("*.onnx"))
    with pytest.raises(UserError, match=r"must end in \.onnx"):
        export_onnx(Codec(BandVAE(8_000, **TINY)), tmp_path / "codec.pt")


def test_the_command_writes_a_codec_along_axes(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    model = BandVAE(8_000, **TINY)
    about = {"autoencoder": "band", "sample_rate": 8_000, "options": TINY, "left_out": {}}
    (run / "autoencoder.json").write_text(json.dumps(about))
    kept = train.Checkpoint()
    kept.put_modules({"model": model})
    kept.save(run / "best.safetensors")
    sounds = [(torch.randn(1, 3_000), {"path": f"{i}.wav"}) for i in range(3)]
    latent.write_latents(tmp_path / "latents", latent.encoded(model.eval(), sounds))
    words = f"latent export {run} -o {tmp_path / 'c.ts'} --axes {tmp_path / 'latents'} --keep 3"
    done = CliRunner().invoke(main, words.split())
    assert done.exit_code == 0, done.output
    assert "3 of 8 dimensions, a frame of 128 samples at 8000 Hz" in done.output
    played = torch.jit.load(str(tmp_path / "c.ts"))
    assert played.encode(torch.randn(1, 1, 1_000)).shape == (1, 3, 8)
