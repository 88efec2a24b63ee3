"""The command `pycow`. Errors are one line, and exit status 1."""

import argparse
import subprocess
import sys
from pathlib import Path

from . import PLUGIN, check, install, plugin
from .host import Host, HostError


def main(arguments=None):
    """Runs one command and returns its exit status."""
    options = parser().parse_args(arguments)
    try:
        return options.run(options)
    except (HostError, plugin.PluginError, install.InstallError, OSError) as error:
        print("pycow: " + str(error), file=sys.stderr)
        return 1
    except subprocess.TimeoutExpired as error:
        print("pycow: no answer within {:.0f} s: {}".format(error.timeout, error.cmd[0]), file=sys.stderr)
        return 1


def parser():
    """What the command line may say."""
    top = argparse.ArgumentParser(
        prog="pycow",
        description="Without a command: print the path of the plugin, for need-plugin = ..",
    )
    top.set_defaults(run=print_path)
    commands = top.add_subparsers(title="commands", metavar="command")

    command = commands.add_parser("install", help="put the plugin into a folder, at once and beside an older one")
    command.add_argument("folder", nargs="?", type=Path, help="default: the plugin folder of uWSGI, where it has one")
    command.set_defaults(run=run_install)
    add_uwsgi(command)

    command = commands.add_parser("check", help="say what is wrong with a configuration, before a restart does")
    command.add_argument("ini", help="as uWSGI takes it: FILE or FILE:SECTION")
    command.set_defaults(run=run_check)
    add_uwsgi(command)

    command = commands.add_parser("version", help="versions of the plugin, of uWSGI and of its CPython")
    command.add_argument("file", nargs="?", type=Path, default=PLUGIN, help="default: the plugin of this package")
    command.set_defaults(run=run_version)
    add_uwsgi(command)
    return top


def add_uwsgi(command):
    """The option that all commands share."""
    command.add_argument("--uwsgi", metavar="FILE", help="default: the one beside this Python, or on the PATH")


def print_path(_options):
    """`pycow`"""
    print(PLUGIN)
    return 0


def run_install(options):
    """`pycow install`"""
    folder = options.folder
    if folder is None:
        host = Host.find(options.uwsgi)
        folder = host.plugin_folder()
        if folder is None:
            raise HostError("{} has no plugin folder of its own: name one".format(host.command))
    print(install.install(PLUGIN, folder))
    return 0


def run_check(options):
    """`pycow check`"""
    findings = check.check(options.ini, options.uwsgi)
    for finding in findings:
        print(finding)
    errors = sum(finding.kind == "error" for finding in findings)
    others = len(findings) - errors
    if findings:
        print("{}: {} and {}".format(options.ini, counted(errors, "error"), counted(others, "remark")))
    else:
        print("{}: nothing to report".format(options.ini))
    return 1 if errors else 0


def run_version(options):
    """`pycow version`"""
    print("pycow {} ({})".format(plugin.version(options.file), options.file))
    host = Host.find(options.uwsgi)
    print("uWSGI {} ({})".format(host.version(), host.command))
    print("CPython {}".format(host.python_version()))
    return 0


def counted(number, thing):
    """`2 errors`"""
    return "{} {}{}".format(number, thing, "" if number == 1 else "s")
