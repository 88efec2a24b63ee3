"""The uWSGI of this machine, asked by its command line."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

#: pyuwsgi's wheel calls its command so; Debian's is `uwsgi-core` until an alternative is chosen.
COMMANDS = ("uwsgi", "pyuwsgi", "uwsgi-core")
TIMEOUT = 60


class HostError(Exception):
    """No uWSGI was found, or it does not answer."""


class Host:
    """One uWSGI."""

    def __init__(self, command, python_plugin=None, folders=()):
        self.command = command
        #: What brings Python, as the configuration names it, where it is not built in.
        self.python_plugin = python_plugin
        #: `plugins-dir` of the configuration.
        self.folders = tuple(folders)

    @classmethod
    def find(cls, named=None, python_plugin=None, folders=()):
        """The one that was named, the one beside this Python, or the one on the `PATH`."""
        if named:
            command = shutil.which(named)
            if command is None:
                raise HostError(f"{named}: no such command")
            return cls(command, python_plugin, folders)
        beside = str(Path(sys.executable).parent)
        for path in (beside, os.environ.get("PATH", os.defpath)):
            for name in COMMANDS:
                command = shutil.which(name, path=path)
                if command:
                    return cls(command, python_plugin, folders)
        raise HostError("no uwsgi or pyuwsgi beside this Python or on the PATH: name one with --uwsgi")

    def version(self):
        """Such as `2.0.31`."""
        found = re.search(r"^\d+\.\d\S*$", self.said("--version"), re.MULTILINE)
        if not found:
            raise HostError(f"{self.command} tells no version of uWSGI: is it one?")
        return found.group()

    def python_version(self):
        """Such as `3.11.7`; asks the plugin that brings Python, where it is not built in."""
        wanted = [self.python_plugin] if self.python_plugin else []
        for plugin in [*wanted, None, "python3", "python"]:
            arguments = ["--plugin", plugin] if plugin else []
            found = re.search(r"^\d+\.\d+\.\d+\S*$", self.said(*arguments, "--python-version"), re.MULTILINE)
            if found:
                return found.group()
        raise HostError(f"{self.command} tells no version of Python: is its plugin for Python installed?")

    def has_python(self, plugins):
        """Whether Python is there once these plugins are loaded, or is built in."""
        arguments = [argument for plugin in plugins for argument in ("--plugin", plugin)]
        said = self.said(*arguments, "--python-version")
        return re.search(r"^\d+\.\d+\.\d+\S*$", said, re.MULTILINE) is not None

    def plugin_folder(self):
        """Where it looks for plugins that are named without a path, if that is one place for all."""
        # In the text that --cflags prints: -DUWSGI_PLUGIN_DIR="\"/usr/lib/uwsgi/plugins\""
        found = re.search(r'UWSGI_PLUGIN_DIR=[\\"]*(/[^\\" ]*)', self.said("--cflags"))
        return Path(found.group(1)) if found else None

    def refusal(self, plugin, key, value):
        """The line with which the plugin refuses that value, or `None`.

        Ends before uWSGI opens anything: at a clock that it does not know.
        """
        said = self.said("--need-plugin", plugin, f"--{key}={value}", "--clock", "none")
        refused = re.search(r"\[pycow\] ERROR: (invalid value .*)", said)
        return refused.group(1) if refused else None

    def said(self, *arguments):
        """All that it writes when started so."""
        for folder in reversed(self.folders):
            arguments = ("--plugins-dir", folder, *arguments)
        # Not a configuration that the environment may bring.
        environment = {key: value for key, value in os.environ.items() if not key.startswith("UWSGI_")}
        done = subprocess.run(
            [self.command, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            timeout=TIMEOUT,
        )
        return done.stdout.decode(errors="replace").strip()
