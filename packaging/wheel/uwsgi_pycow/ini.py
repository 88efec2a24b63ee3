"""Reads an ini file as uWSGI does (core/ini.c), as far as a reader can who does not start it."""

import os
import platform
import re
from pathlib import Path
from typing import NamedTuple, Optional

#: Options whose value is another ini file, read in their place.
INCLUDES = ("ini", "include", "inherit", "ini-paste", "ini-paste-logged")
#: How files of uWSGI's other formats are named.
OTHERS = (".yaml", ".yml", ".json", ".js", ".xml")
#: More than anybody nests; a file that includes itself ends here.
DEPTH = 32


class Setting(NamedTuple):
    """One line: a key may come again, and keeps its place."""

    key: str
    #: `None` for a key alone, which uWSGI takes for one with an empty value.
    value: Optional[str]
    file: str
    line: int


class IniError(Exception):
    """A file cannot be read, or has not the section."""


def read(name):
    """All settings of `FILE` or `FILE:SECTION`, those of included files in their place, placeholders filled in."""
    settings = read_file(name, DEPTH)
    first = {}
    for setting in settings:
        first.setdefault(setting.key, setting.value or "")
    return [setting._replace(value=filled(setting.value, first)) for setting in settings]


def read_file(name, depth):
    """The settings of one file and of those that it includes."""
    path, section = split(name)
    try:
        text = Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise IniError(f"{path}: {error.strerror}") from None
    settings, here, sections = [], "", set()
    for number, line in enumerate(text.split("\n"), 1):
        line = line.strip(" \t\r")
        if not line or line[0] in ";#":
            continue
        if line[0] == "[":
            here = line[1:-1]
            continue
        sections.add(here)
        if here != section:
            continue
        key, equals, value = line.partition("=")
        key = magic(key.rstrip(" \t\r"), path)
        value = magic(value.strip(" \t\r"), path) if equals else None
        settings.append(Setting(key, value, path, number))
        if key in INCLUDES and value and depth:
            inner = path + value if value.startswith(":") else value
            if "://" not in inner:
                settings += read_file(inner, depth - 1)
    if section not in sections:
        if path.endswith(OTHERS):
            raise IniError(f"{path}: only ini files are read")
        raise IniError(f"{path}: no section [{section}]: uWSGI would read nothing from it")
    return settings


def split(name):
    """`FILE:SECTION`; the section is `uwsgi` unless it is named."""
    path, colon, section = name.rpartition(":")
    return (path, section or "uwsgi") if colon else (name, "uwsgi")


def magic(text, path):
    """What uWSGI fills in for `%d`, `%n` and the like (core/uwsgi.c); the rarer ones stay."""
    full = os.path.abspath(path) if os.path.islink(path) else os.path.realpath(path)
    folder, name = os.path.split(full)
    stem, dot, ending = name.rpartition(".")
    table = {
        "%": "%",
        "(": "%(",
        "o": path,
        "p": full,
        "s": name,
        "d": folder if folder.endswith("/") else folder + "/",
        "c": os.path.basename(folder),
        "n": stem if dot else name,
        "e": ending if dot else "",
        "h": platform.node(),
    }
    return re.sub(r"%([%(opsdcneh])", lambda found: table[found.group(1)], text)


def filled(value, settings):
    """`%(key)` and `$(VARIABLE)` replaced; what is not known stays as it is."""
    if value is None:
        return None
    value = re.sub(r"%\(([^()]*)\)", lambda found: settings.get(found.group(1), found.group()), value)
    return re.sub(r"\$\(([^()]*)\)", lambda found: os.environ.get(found.group(1), found.group()), value)


def is_filled(value):
    """Nothing is left for uWSGI itself to fill in."""
    return not re.search(r"%|[$@]\(", value)
