"""Python functions, plain or compiled by numba, as plug-ins."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from dspcore.blackbox.plugin import Found, Parameter, PluginInfo
from dspcore.errors import UserError
from dspcore.notes import Note

Array = NDArray[Any]


class FunctionPlugin:
    """A function that has been declared to be a plug-in; calling it calls the function.

    Args:
        function: ``f(audio (c, t) float32, values (p,), sample_rate) -> audio``; with notes,
            ``f(audio, values, sample_rate, notes)``. Or a class: every instance of the plug-in is
            then ``Class(sample_rate)``, called with ``(audio, values)``, and may remember.
        params: What `values` holds, in order.
        inputs: Channels in; 0 for an instrument.
        outputs: Channels out.
        notes: Whether it takes notes.
        latency: In samples.
    """

    def __init__(
        self,
        function: Callable[..., Array],
        params: Sequence[Parameter],
        *,
        inputs: int = 1,
        outputs: int = 1,
        notes: bool = False,
        latency: int = 0,
    ) -> None:
        self.function = function
        plain = getattr(function, "py_func", function)  # numba keeps the Python function there
        self.info = PluginInfo(
            "function",
            _identity(plain),
            plain.__name__,
            plain.__module__,
            tuple(params),
            inputs,
            outputs,
            notes,
            latency,
        )

    def __call__(self, *arguments: Any) -> Any:
        """What the function returns."""
        return self.function(*arguments)


def function(
    *params: Parameter, inputs: int = 1, outputs: int = 1, notes: bool = False, latency: int = 0
) -> Callable[[Callable[..., Array]], FunctionPlugin]:
    """Declare the function or class below as a plug-in; see `FunctionPlugin`."""

    def declared(given: Callable[..., Array]) -> FunctionPlugin:
        return FunctionPlugin(
            given, params, inputs=inputs, outputs=outputs, notes=notes, latency=latency
        )

    return declared


class Functions:
    """Host of declared functions; an identity is ``module:name`` or ``path/to/file.py:name``."""

    name: ClassVar[str] = "function"
    extra: ClassVar[str] = ""

    def missing(self) -> str:
        """Nothing: it needs numpy alone."""
        return ""

    def find(self) -> Iterable[Found]:
        """None: functions are not installed anywhere."""
        return ()

    def info(self, identity: str) -> PluginInfo:
        """What was declared."""
        return replace(_declared(identity).info, identity=identity)

    def sources(self, identity: str) -> list[str]:
        """Whose change makes it another plug-in."""
        plain = _declared(identity).function
        module = sys.modules.get(getattr(plain, "py_func", plain).__module__)
        path = getattr(module, "__file__", None)
        return [path] if path else []

    def open(self, identity: str, sample_rate: int, block: int = 512) -> FunctionInstance:
        """A new instance; blocks mean nothing to a function but for moving parameters."""
        plugin = _declared(identity)
        made = FunctionInstance(plugin, sample_rate, block)
        if hasattr(plugin.function, "signatures") and not plugin.function.signatures:
            # Numba compiles at the first call, which may take longer than a render may.
            silence = np.zeros((plugin.info.inputs, 64), np.float32)
            made.render(silence, [param.default for param in plugin.info.params])
        return made


class FunctionInstance:
    """A function, or an object of a class, ready to render."""

    def __init__(self, plugin: FunctionPlugin, sample_rate: int, block: int) -> None:
        self.info, self.sample_rate, self.block = plugin.info, sample_rate, block
        self.given = plugin.function
        self.remembers = isinstance(self.given, type)
        self.call: Callable[..., Array] = self.given
        self.reset()

    def reset(self) -> None:
        """A new object of the class; a function has nothing to forget."""
        if self.remembers:
            made: Any = self.given(self.sample_rate)
            self.call = made

    def render(
        self,
        audio: NDArray[np.float32],
        values: Sequence[float] | NDArray[np.float64],
        notes: Sequence[Note] = (),
    ) -> NDArray[np.float32]:
        """The function's output; with moving values it is called block by block."""
        audio = np.array(audio, dtype=np.float32)  # the function's own, to write to and to keep
        settings = np.asarray(values, dtype=np.float64)
        rest: tuple[Any, ...] = () if self.remembers else (self.sample_rate,)
        if self.info.notes:
            rest = (*rest, tuple(notes))
        if settings.ndim == 1:
            return np.asarray(self.call(audio, settings, *rest), dtype=np.float32)
        count = settings.shape[1]
        starts = np.arange(count) * self.block
        ends = np.append(starts[1:], audio.shape[1])
        parts = [
            np.asarray(self.call(audio[:, i:j].copy(), settings[:, k].copy(), *rest))
            for k, (i, j) in enumerate(zip(starts, ends, strict=True))
        ]
        return np.concatenate(parts, axis=1).astype(np.float32, copy=False)

    def latency(self) -> int:
        """As declared."""
        return self.info.latency

    def close(self) -> None:
        """Nothing to free."""


def _identity(plain: Any) -> str:
    module = sys.modules.get(plain.__module__)
    path = getattr(module, "__file__", None)
    if plain.__module__ == "__main__" and path:
        return f"{Path(path).resolve()}:{plain.__qualname__}"
    return f"{plain.__module__}:{plain.__qualname__}"


def _declared(identity: str) -> FunctionPlugin:
    """The plug-in that an identity names, or an error that says how to make it one."""
    place, _, name = identity.rpartition(":")
    if not place:
        raise UserError(f"{identity}: wanted module:name or path/to/file.py:name of a function")
    try:
        module = _from_file(place) if place.endswith(".py") else importlib.import_module(place)
        found: Any = module
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError, OSError) as error:
        raise UserError(
            f"{identity}: cannot be imported ({error}); a plug-in function must stand at the top "
            "level of a module or script, where a worker process finds it"
        ) from error
    if not isinstance(found, FunctionPlugin):
        raise UserError(
            f"{identity}: is not declared as a plug-in; put @blackbox.function(Parameter(...)) "
            "above it"
        )
    return found


def _from_file(path: str) -> Any:
    """A script as a module, not as ``__main__``; once for each process."""
    name = f"dspcore_script_{Path(path).stem}_{abs(hash(path))}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            raise ImportError(f"{path} is not a Python file")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]
