# What Py_FinalizeEx saves by destroying objects: the text in open files, and what tempfile unlinks.
# Runs in each interpreter; `known` are the files that the collector does not show once they are frozen.
import _io
import _weakref
import gc

known = []


def matters(kind):
    if kind.__module__ == "tempfile":
        return kind.__name__ in ("_TemporaryFileCloser", "_TemporaryFileWrapper")
    return _io._IOBase in kind.__mro__


def remember():
    known[:] = [_weakref.ref(one) for one in gc.get_objects() if matters(type(one))]


def save(found=None):
    if found is None:
        found = [one for one in gc.get_objects() if matters(type(one))]
    found += [one for one in (reference() for reference in known) if one is not None]
    # From the outside in: a text file writes into a compressed one, that into a buffer. Those written
    # in Python end with a trailer, which only close() writes. Twice does no harm.
    texts = [one for one in found if isinstance(one, _io._TextIOBase)]
    of_python = [one for one in found if type(one).__module__ != "_io"]
    for files, method in ((texts, "flush"), (of_python, "close"), (found, "flush")):
        for one in files:
            attempt(one, method)


def attempt(file, method):
    # As where a destructor fails: nobody is there to be told.
    try:
        if not getattr(file, "closed", False):
            getattr(file, method)()
    except Exception:
        pass
