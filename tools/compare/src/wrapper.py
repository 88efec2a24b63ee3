"""Stands before an application that is compared: loads it as uWSGI would, plays the methods that belong
into an application, and takes notes that only Python can take. The application itself is not touched.

The environment tells what to do. PYCOW_BENCH_MODULE: `module[:callable]`, or PYCOW_BENCH_FILE: a file.
PYCOW_BENCH_CALLABLE: its callable, where the name does not say. PYCOW_BENCH_METHOD: bootstrap, recipe, cinderx, warm, or nothing.
PYCOW_BENCH_WARMUP: a file of paths that are served twice each, before the fork.
At the query `pycow.why` the answer of that function is served instead.
PYCOW_BENCH_NOTES: a folder with two files: `numbers`, for every process its number of garbage collections, the
nanoseconds in them and those of its first request, and `hooks`, one line for every exit hook that ran.
"""

import atexit
import gc
import importlib.machinery
import importlib.util
import mmap
import os
import struct
import sys
import time

import uwsgi

NOTES = os.environ["PYCOW_BENCH_NOTES"]
METHOD = os.environ.get("PYCOW_BENCH_METHOD")
SLOT = struct.Struct("=qqq")

with open(os.path.join(NOTES, "numbers"), "r+b") as file:
    # Shared with the workers: each has the slot of its number, the master that of 0.
    numbers = mmap.mmap(file.fileno(), 0)
began = 0
asked = False


def add(collections=0, collecting=0, first=0):
    offset = uwsgi.worker_id() * SLOT.size
    if offset + SLOT.size <= len(numbers):
        noted = SLOT.unpack_from(numbers, offset)
        SLOT.pack_into(numbers, offset, noted[0] + collections, noted[1] + collecting, noted[2] + first)


def note_collection(phase, info):
    global began
    if phase == "start":
        began = time.perf_counter_ns()
    else:
        add(collections=1, collecting=time.perf_counter_ns() - began)


def note_hook(name):
    descriptor = os.open(os.path.join(NOTES, "hooks"), os.O_WRONLY | os.O_APPEND)
    os.write(descriptor, b"%s %d\n" % (name, os.getpid()))
    os.close(descriptor)


class FirstAnswer:
    """The body of a worker's first answer: the request is over when it is closed."""

    def __init__(self, body, began):
        self.body, self.began = body, began

    def __iter__(self):
        return iter(self.body)

    def close(self):
        try:
            getattr(self.body, "close", lambda: None)()
        finally:
            add(first=time.perf_counter_ns() - self.began)


def load():
    """The application that uWSGI would have found under that `module` or `wsgi-file`."""
    name = os.environ.get("PYCOW_BENCH_CALLABLE") or "application"
    path = os.environ.get("PYCOW_BENCH_FILE")
    if path:
        # The name that uWSGI gives such a module.
        module_name = "uwsgi_file_" + path.replace("/", "_").replace(".", "_")
        loader = importlib.machinery.SourceFileLoader(module_name, path)
        module = importlib.util.module_from_spec(importlib.util.spec_from_loader(module_name, loader))
        sys.modules[module_name] = module
        loader.exec_module(module)
    else:
        module_name, _, own = os.environ["PYCOW_BENCH_MODULE"].partition(":")
        name = own or name
        module = importlib.import_module(module_name)
    if name.endswith("()"):
        return getattr(module, name[:-2])()
    return getattr(module, name)


if METHOD == "bootstrap":
    gc.set_threshold(0)
    # Registered first, so it runs last.
    atexit.register(os._exit, 0)
gc.callbacks.append(note_collection)
atexit.register(note_hook, b"atexit")

loaded = load()


def application(environ, start_response):
    global asked
    if environ["QUERY_STRING"] == "pycow.why":
        start_response("200 OK", [("Content-Type", "application/json")])
        return [uwsgi.rpc(None, b"pycow.why")]
    if asked or not uwsgi.worker_id() or "pycow.warmup" in environ:
        return loaded(environ, start_response)
    asked = True
    began = time.perf_counter_ns()
    return FirstAnswer(loaded(environ, start_response), began)


applications_hook = getattr(uwsgi, "atexit", None)


def leaving():
    note_hook(b"uwsgi.atexit")
    if applications_hook:
        applications_hook()


uwsgi.atexit = leaving

if METHOD == "recipe":
    gc.collect()
    gc.freeze()
elif METHOD == "cinderx":
    import cinderx

    cinderx.immortalize_heap()
elif METHOD == "warm":
    from wsgiref.util import setup_testing_defaults

    with open(os.environ["PYCOW_BENCH_WARMUP"]) as file:
        paths = [line.strip() for line in file if line.strip()]
    start = time.perf_counter()
    for path in paths * 2:
        environ = {"HTTP_HOST": "localhost"}
        environ["PATH_INFO"], _, environ["QUERY_STRING"] = path.partition("?")
        setup_testing_defaults(environ)
        body = loaded(environ, lambda status, headers, exc_info=None: None)
        for _ in body:
            pass
        getattr(body, "close", lambda: None)()
    # In the words of pycow.
    print("warmup: served %d targets in %.3f s" % (len(paths), time.perf_counter() - start), file=sys.stderr, flush=True)
