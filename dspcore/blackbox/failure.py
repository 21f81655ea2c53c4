"""What can go wrong with foreign code, as errors that name the plug-in and its parameters."""

from __future__ import annotations

from collections.abc import Mapping


class PluginError(RuntimeError):
    """A plug-in did not give a usable sound.

    Args:
        plugin: Its identity.
        what: What happened and, where there is one, the fix.
        params: The settings that it happened with.
        noise: The last that the plug-in printed.
    """

    kind = "failed"

    def __init__(
        self, plugin: str, what: str, params: Mapping[str, float] | None = None, noise: str = ""
    ) -> None:
        self.plugin, self.what = plugin, what
        self.params, self.noise = dict(params or {}), noise
        settings = ", ".join(f"{name}={value:.6g}" for name, value in self.params.items())
        text = f"{plugin}: {what}" + (f"; with {settings}" if settings else "")
        super().__init__(text + (f"; it printed: {noise}" if noise else ""))


class PluginCrash(PluginError):  # noqa: N818
    """Its process ended: a signal, abort() or exit()."""

    kind = "crash"


class PluginHang(PluginError):  # noqa: N818
    """It took longer than its deadline."""

    kind = "hang"


class PluginMemory(PluginError):  # noqa: N818
    """It took more memory than it may."""

    kind = "memory"


class PluginOutput(PluginError):  # noqa: N818
    """Its output has NaN or infinite samples, an absurd level or a wrong shape."""

    kind = "output"


class PluginQuarantined(PluginError):  # noqa: N818
    """It failed so often in a row that it is not asked any more."""

    kind = "quarantine"


#: The errors by the word that a worker sends.
KINDS: dict[str, type[PluginError]] = {
    item.kind: item
    for item in (
        PluginError,
        PluginCrash,
        PluginHang,
        PluginMemory,
        PluginOutput,
        PluginQuarantined,
    )
}
