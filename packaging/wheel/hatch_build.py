"""Puts the plugin into the wheel, and the platform that it was built for into the wheel's name."""

import os
import struct

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

# e_machine of the ELF header, by the names that wheels use.
MACHINES = {62: "x86_64", 183: "aarch64"}


class PluginFile(BuildHookInterface):
    """One file, `$PYCOW_PLUGIN`, for every CPython: it is no extension module."""

    def initialize(self, version, build_data):
        plugin = os.environ["PYCOW_PLUGIN"]
        with open(plugin, "rb") as file:
            (machine,) = struct.unpack_from("<18xH", file.read(20))
        build_data["pure_python"] = False
        build_data["tag"] = "py3-none-manylinux_2_17_" + MACHINES[machine]
        build_data["force_include"][plugin] = "uwsgi_pycow/pycow_plugin.so"
