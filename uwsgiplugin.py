"""uWSGI's own way to build a plugin: `uwsgi --build-plugin PATH`, where PATH is this folder.

uWSGI runs this file and then its C compiler, for which there is nothing to do: cargo builds the plugin,
and `post_build` puts it in the place of what the linker left.
"""

import json
import os
import shutil
import subprocess
import sys
import time

NAME = "pycow"
CFLAGS = []
LDFLAGS = []
# The linker must be given something.
LIBS = ["-lc"]
GCC_LIST = []


def checkout():
    """This folder: uWSGI gives no `__file__`, but it was told the path, or the URL that it has cloned here."""
    for argument in sys.argv[1:]:
        name = argument.rstrip("/").split("/")[-1]
        cloned = name[: -len(".git")] if name.endswith(".git") else name
        for folder in (argument, cloned):
            if os.path.isfile(os.path.join(folder, "uwsgi-headers", "plugin.h")):
                return os.path.abspath(folder)
    sys.exit("pycow: call this as uwsgi --build-plugin PATH")


def output_of(cargo):
    """What it prints, at its end. It says nothing while it optimizes: that it is alive is said in its place."""
    started = time.time()
    while True:
        try:
            return cargo.communicate(timeout=float(os.environ.get("ALIVE_EVERY", "15")))[0]
        except subprocess.TimeoutExpired:
            sys.stderr.write("  .. cargo, %d s since its start\n" % (time.time() - started))
            sys.stderr.flush()


def build():
    """Builds the plugin; returns the file that cargo names."""
    command = ["cargo", "build", "--release", "--lib", "--locked", "--message-format=json-render-diagnostics"]
    try:
        cargo = subprocess.Popen(command, cwd=checkout(), stdout=subprocess.PIPE)
    except OSError as error:
        sys.exit("pycow is built by cargo (https://rustup.rs): " + str(error))
    messages = output_of(cargo).decode().splitlines()
    if cargo.returncode != 0:
        sys.exit("cargo could not build pycow: it takes Rust 1.85 or newer, a C compiler and libclang (docs/install.md)")
    for message in map(json.loads, messages):
        for file in message.get("filenames", []):
            if os.path.basename(file) == "libpycow_plugin.so":
                return file
    sys.exit("cargo built no libpycow_plugin.so")


BUILT = build()


def post_build(config):
    """Replaces the linker's file, at once: it may be in use."""
    folder = "."
    if config is not None:
        folder = config.get("plugin_build_dir", config.get("plugin_dir"))
    target = os.path.join(folder, "pycow_plugin.so")
    shutil.copyfile(BUILT, target + ".new")
    os.rename(target + ".new", target)
