"""Puts the plugin into a folder while a uWSGI that runs has an older one mapped."""

import os
import tempfile

from . import plugin


class InstallError(Exception):
    """The plugin could not be put there. What stood there still stands."""


def install(source, folder):
    """Copies the file beside its place and renames it: processes that run keep the file that they have.

    A copy over a file that is mapped would change the code of running processes under their feet.
    Returns what happened, in one line.
    """
    if not folder.is_dir():
        raise InstallError("{} is not a folder".format(folder))
    target = folder / "pycow_plugin.so"
    content = source.read_bytes()
    before = target.read_bytes() if target.exists() else None
    if before == content:
        return "{} is there already: pycow {}".format(target, plugin.version(target))
    replaced = "" if before is None else ", instead of " + named(before)
    write_beside(content, target)
    return "{}: pycow {}{}; running instances have it after a reload".format(
        target, plugin.version(target), replaced
    )


def write_beside(content, target):
    """All of the content under that name, or nothing: also if the machine stops here."""
    descriptor, beside = tempfile.mkstemp(dir=str(target.parent), prefix="." + target.name + ".")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            os.fchmod(file.fileno(), 0o644)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, str(target))
    except BaseException:
        os.unlink(beside)
        raise
    folder = os.open(str(target.parent), os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def named(content):
    """The version of the file that was there, if it tells one."""
    try:
        return plugin.version_in(content)
    except plugin.PluginError:
        return "another file"
