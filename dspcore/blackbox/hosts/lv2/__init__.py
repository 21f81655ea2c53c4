"""LV2 plug-ins through liblilv."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from dspcore.blackbox.hosts import _binary, _places
from dspcore.blackbox.hosts.lv2 import _lilv, _ports
from dspcore.blackbox.hosts.lv2._features import Features, Urids
from dspcore.blackbox.hosts.lv2._instance import CAPACITY, LV2Instance
from dspcore.blackbox.hosts.lv2._ports import Ports
from dspcore.blackbox.plugin import Found, PluginInfo
from dspcore.errors import UserError, nearest

__all__ = ["LV2", "LV2Instance"]


class LV2:
    """LV2 by URI, `LV2_PATH` or the usual folders; ports, units and ranges as the bundles say."""

    name: ClassVar[str] = "lv2"
    extra: ClassVar[str] = "plugins"

    def __init__(self) -> None:
        self._world: _lilv.World | None = None
        self._urids: Urids | None = None
        self._known: dict[tuple[str, int, int], tuple[PluginInfo, Ports]] = {}
        #: The first instance of each plug-in stays until the process ends: it keeps the library
        #: and what its instances share, so that the next one is made in a tenth of a millisecond.
        self._held: dict[str, tuple[Any, Features]] = {}

    def missing(self) -> str:
        """Why LV2 plug-ins cannot be used here; "" when they can."""
        try:
            _lilv.library()
        except UserError as error:
            return str(error)
        return ""

    def installed(self) -> list[Path]:
        """The manifests, by whose sizes and times an index is kept."""
        bundles = _places.files("LV2_PATH", "lv2", ".lv2")
        return [path for bundle in bundles for path in sorted(bundle.glob("*.ttl"))]

    def find(self) -> Iterator[Found]:
        """The plug-ins of all bundles; their code is not loaded."""
        world = self._opened()
        for plugin in world.each():
            uri = world.text(world.lilv.lilv_plugin_get_uri(plugin))
            yield Found(uri, world.text(world.lilv.lilv_plugin_get_name(plugin), owned=True))

    def bundle(self, identity: str) -> str:
        """The library of a plug-in, for names and error messages."""
        world = self._opened()
        return world.path(world.lilv.lilv_plugin_get_library_uri(self._plugin(identity)))

    def info(self, identity: str) -> PluginInfo:
        """Ports, parameters at 48 kHz, and the latency after a block at the defaults."""
        instance = self.open(identity, 48_000)
        instance.close()
        return instance.info

    def open(self, identity: str, sample_rate: int, block: int = 512) -> LV2Instance:
        """A fresh instance."""
        key = (identity, sample_rate, block)
        if key not in self._known:
            self._known[key] = self._described(*key)
            if self._known[key][1].latency is not None:
                scout = self._instance(*key)
                scout.warm()
                info, ports = self._known[key]
                self._known[key] = (replace(info, latency=scout.latency()), ports)
                scout.close()
        return self._instance(*key)

    def _instance(self, identity: str, sample_rate: int, block: int) -> LV2Instance:
        info, ports = self._known[identity, sample_rate, block]
        world = self._opened()
        assert self._urids is not None
        plugin = self._plugin(identity)
        features = Features(self._urids, sample_rate, block, CAPACITY)
        needed = world.words(world.lilv.lilv_plugin_get_required_features(plugin))
        lacking = [uri for uri in needed if uri not in features.names]
        if lacking:
            raise UserError(
                f"{identity}: needs {', '.join(lacking)}, which this host does not have; "
                "use another build of the plug-in (VST3, CLAP, LADSPA)"
            )
        raw = world.lilv.lilv_plugin_instantiate(plugin, float(sample_rate), features.array)
        if not raw:
            library = world.path(world.lilv.lilv_plugin_get_library_uri(plugin))
            why = _binary.explain(library)
            refusal = (
                f"{library}: loads, but refuses to make an instance of {identity} at "
                f"{sample_rate} Hz in blocks of {block}; try another sample rate"
            )
            loads = str(why) == f"{library}: cannot be loaded"
            raise UserError(refusal) if loads else why
        features.connect(raw)
        self._restore(world, plugin, raw, features)

        def release(instance: Any, features: Features) -> None:
            if identity in self._held:
                world.lilv.lilv_instance_free(instance)
            else:
                self._held[identity] = (instance, features)

        return LV2Instance(info, ports, raw, features, self._urids, sample_rate, block, release)

    def _restore(self, world: _lilv.World, plugin: Any, raw: Any, features: Features) -> None:
        """Give a plug-in that asks for it the state that its bundle describes."""
        wanted = world.uri(f"{_lilv.STATE}loadDefaultState")
        if not world.lilv.lilv_plugin_has_feature(plugin, wanted):
            return
        assert self._urids is not None
        uri = world.lilv.lilv_plugin_get_uri(plugin)
        state = world.lilv.lilv_state_new_from_world(world.world, self._urids.map, uri)
        if state:
            null = world.ffi.NULL
            world.lilv.lilv_state_restore(state, raw, null, null, 0, features.array)
            world.lilv.lilv_state_free(state)

    def _described(self, identity: str, sample_rate: int, block: int) -> tuple[PluginInfo, Ports]:
        world = self._opened()
        plugin = self._plugin(identity)
        ports = _ports.read(world, plugin, sample_rate)
        info = PluginInfo(
            host=self.name,
            identity=identity,
            name=world.text(world.lilv.lilv_plugin_get_name(plugin), owned=True),
            maker=world.text(world.lilv.lilv_plugin_get_author_name(plugin), owned=True),
            params=ports.params,
            inputs=len(ports.audio_in),
            outputs=len(ports.audio_out),
            notes=ports.notes is not None,
        )
        return info, ports

    def _plugin(self, identity: str) -> Any:
        world = self._opened()
        if os.path.exists(identity):
            raise UserError(
                f"{identity}: LV2 plug-ins are opened by their URI, not by a path; "
                "dspcore plugins scan lists the URIs"
            )
        uri = world.uri(identity)
        plugin = world.lilv.lilv_plugins_get_by_uri(world.plugins, uri) if uri else None
        if not plugin:
            hint = nearest(identity, [found.identity for found in self.find()])
            hint = hint if hint.startswith("did you mean") else "dspcore plugins scan lists them"
            raise UserError(f"{identity}: no LV2 plug-in with this URI is installed; {hint}")
        return plugin

    def _opened(self) -> _lilv.World:
        if self._world is None:
            folders = _places.folders("LV2_PATH", "lv2")
            self._world = _lilv.World(os.pathsep.join(map(str, folders)))
            self._urids = Urids()
        return self._world
