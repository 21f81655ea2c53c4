"""An autoencoder as two ONNX files, which any program with an ONNX runtime plays."""

from __future__ import annotations

import importlib
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, nn

from dspcore.errors import UserError
from dspcore.files import replacing
from dspcore.latent.codec import Codec, about, sample

#: Of the operators that are written.
OPSET = 17


def export_onnx(codec: Codec, path: str | Path) -> tuple[Path, Path]:
    """Write a codec as ONNX: ``name.encode.onnx`` and ``name.decode.onnx``.

    Any number of items and of whole frames may be given: ``audio`` (b, c, f * hop) to ``latent``
    (b, k, f), and back. What `about` says stands in the metadata of both under ``codec.json``.
    Both are compared with the codec at another length, by onnxruntime, before they appear.

    Args:
        codec: What to write.
        path: ``name.onnx``.

    Raises:
        UserError: The extra ``onnx`` is not installed, or the path does not end in .onnx.
        RuntimeError: The autoencoder cannot be traced, or a file says something else than it.
    """
    target = Path(path)
    if target.suffix != ".onnx":
        raise UserError(f"codec: {path} must end in .onnx")
    onnx, runtime = _needed("onnx"), _needed("onnxruntime")
    codec.eval()
    audio = sample(codec)
    other = audio[:1, :, : 17 * codec.model.hop]
    with torch.no_grad():
        z = codec.encode(audio)
        ways = {
            "encode": ("audio", "latent", codec.encode, audio, other),
            "decode": ("latent", "audio", codec.decode, z, codec.encode(other)),
        }
        made = {}
        for name, (given, found, way, traced, asked) in ways.items():
            model = onnx.load_from_string(_written(codec, way, traced, given, found))
            onnx.helper.set_model_props(model, {"codec.json": json.dumps(about(codec))})
            made[name] = model.SerializeToString()
            session = runtime.InferenceSession(made[name], providers=["CPUExecutionProvider"])
            for x in (traced, asked):
                said, wanted = torch.from_numpy(session.run(None, {given: x.numpy()})[0]), way(x)
                if said.shape != wanted.shape or not torch.allclose(said, wanted, atol=1e-4):
                    raise _refused(codec, "another length gives something else")
    files = tuple(target.with_suffix(f".{name}.onnx") for name in made)
    for file, content in zip(files, made.values(), strict=True):
        with replacing(file) as out:
            out.write(content)
    return files[0], files[1]


class _Way(nn.Module):
    """One way of a codec."""

    def __init__(self, codec: Codec, way: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.codec, self.way = codec, way

    def forward(self, x: Tensor) -> Tensor:
        return self.way(x)


def _written(
    codec: Codec, way: Callable[[Tensor], Tensor], example: Tensor, given: str, found: str
) -> bytes:
    """The graph of one way, by tracing."""
    ends = {"audio": {0: "items", 2: "samples"}, "latent": {0: "items", 2: "frames"}}
    with warnings.catch_warnings(), TemporaryDirectory() as folder:
        # Of the two exporters of torch this is the one that makes both lengths free.
        warnings.simplefilter("ignore")
        try:
            torch.onnx.export(
                _Way(codec, way).eval(),
                (example,),
                Path(folder) / "way.onnx",
                input_names=[given],
                output_names=[found],
                dynamic_axes={given: ends[given], found: ends[found]},
                opset_version=OPSET,
                dynamo=False,
            )
        except RuntimeError as error:  # torch's own errors of export among them
            raise _refused(codec, str(error).splitlines()[0]) from error
        return (Path(folder) / "way.onnx").read_bytes()


def _refused(codec: Codec, reason: str) -> RuntimeError:
    return RuntimeError(
        f"codec: the {codec.model.name} autoencoder cannot be written as ONNX ({reason}); its "
        "traceable() must return a copy that depends on no length"
    )


def _needed(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise UserError(
            f"codec: needs {module} ({error}); install it: pip install 'dspcore[onnx]'"
        ) from error
