"""What a plugin file tells of itself: its version without loading it, its options by loading it."""

import json
import struct
import subprocess
import sys

#: Owner and type of the ELF note in which the file carries its version (src/lib.rs).
NOTE_NAME = b"pycow\0\0\0"
NOTE_TYPE = 1


class PluginError(Exception):
    """The file cannot be read or loaded, or is not pycow."""


def version(path):
    """The version of a plugin file, of any architecture."""
    try:
        return version_in(path.read_bytes())
    except PluginError as error:
        raise PluginError("{}: {}".format(path, error)) from None


def version_in(content):
    """The version in the content of a plugin file: the text of its ELF note."""
    head = struct.Struct("<III")
    at = content.find(NOTE_NAME)
    while at != -1:
        if at >= head.size:
            name_size, size, kind = head.unpack_from(content, at - head.size)
            if (name_size, kind) == (len(b"pycow\0"), NOTE_TYPE) and size < 64:
                start = at + len(NOTE_NAME)
                return content[start : start + size].rstrip(b"\0").decode("ascii", "replace")
        at = content.find(NOTE_NAME, at + 1)
    raise PluginError("no plugin of pycow: it tells no version")


def options(path):
    """The names of the plugin's options. Loads it, as uWSGI would, in a process of its own."""
    # uWSGI asks the file for a symbol of its own name (core/plugins.c).
    symbol = path.name[: -len(".so")]
    done = subprocess.run(
        [sys.executable, "-c", LOADER, str(path), symbol],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        timeout=60,
    )
    if done.returncode != 0:
        raise PluginError(last_line(done.stderr) or "loading it ends with status {}".format(done.returncode))
    return json.loads(done.stdout.decode())


def last_line(output):
    """What a program said at its end."""
    lines = output.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""


# `struct uwsgi_plugin` and `struct uwsgi_option` of uWSGI 2.0 (uwsgi-headers/plugin.h), as far as needed.
LOADER = r"""
import ctypes, json, sys
from ctypes import POINTER, c_char_p, c_int, c_uint8, c_uint64, c_void_p

class Option(ctypes.Structure):
    _fields_ = [("name", c_char_p), ("type", c_int), ("shortcut", c_int), ("help", c_char_p),
                ("func", c_void_p), ("data", c_void_p), ("flags", c_uint64)]

class Plugin(ctypes.Structure):
    _fields_ = [("name", c_char_p), ("alias", c_char_p), ("modifier1", c_uint8), ("data", c_void_p),
                ("on_load", c_void_p), ("init", c_void_p), ("post_init", c_void_p), ("post_fork", c_void_p),
                ("options", POINTER(Option))]

path, symbol = sys.argv[1:]
try:
    plugin = Plugin.in_dll(ctypes.CDLL(path), symbol)
except (OSError, ValueError) as error:
    sys.exit(str(error))
names = []
if plugin.options:
    for row in plugin.options:
        if row.name is None:
            break
        names.append(row.name.decode())
print(json.dumps(names))
"""
