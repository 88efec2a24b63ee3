"""What is wrong with a configuration, as far as it concerns pycow: said before a restart, not by one."""

import difflib
import re
from pathlib import Path
from typing import NamedTuple

from . import PLUGIN, ini, plugin
from .host import Host, HostError

#: Options that load plugins; the value may be a list.
OPTIONAL = ("plugin", "plugins")
NEEDED = ("need-plugin", "need-plugins")
#: The common ones of those that bring a master with them (`UWSGI_OPT_MASTER`).
IMPLY_MASTER = ("cheaper", "mule", "mules", "spooler", "stats", "cron", "enable-metrics", "touch-reload", "master-fifo")
FOLDERS = ("plugins-dir", "plugin-dir")
#: The plugin looks at its folder later than at its value: when plugins are up.
TEXTFILE = "pycow-textfile"
#: CPython's minor versions that pycow knows, and the first that has immortal objects.
KNOWN = range(8, 16)
IMMORTAL = 12
#: From this uWSGI on, `enable-threads` is on by itself.
THREADED = (2, 0, 27)
#: Files by which uWSGI can know pycow: it asks each for a symbol of its name.
FILES = ("pycow_plugin.so", "libpycow_plugin.so")


class Finding(NamedTuple):
    """One line of the answer."""

    #: `error`: it will not do what it says; `warning`: it will, but not as hoped; `note`: advice.
    kind: str
    place: str
    text: str

    def __str__(self):
        return f"{self.place}: {self.kind}: {self.text}"


def check(name, uwsgi=None):
    """All findings, in the order of the file."""
    try:
        return Check(name, uwsgi).run()
    except ini.IniError as error:
        return [Finding("error", name, str(error))]


class Check:
    """One configuration, and the uWSGI that is to run it."""

    def __init__(self, name, uwsgi):
        self.name = name
        self.uwsgi = uwsgi
        self.settings = ini.read(name)
        self.findings = []
        self.folders = [setting.value for setting in self.all(*FOLDERS) if setting.value]

    def run(self):
        """Every check, and what they found."""
        named = [line for line in self.loads() if is_pycow(line.plugin)]
        host = self.find_host()
        path = PLUGIN
        if named:
            path = self.check_file(named[-1], host) or PLUGIN
            self.check_needed(named)
            self.check_twice(named)
        options = self.check_names(path, named)
        if not named and not options:
            self.add("error", None, f"pycow is not loaded: add need-plugin = {PLUGIN}")
        if host:
            self.check_python(host)
            self.check_versions(host)
            self.check_values(host, path, options)
        self.check_settings(host)
        return sorted(self.findings, key=self.order)

    # What the file says.

    def all(self, *keys):
        """The settings with one of these keys."""
        return [setting for setting in self.settings if setting.key in keys]

    def last(self, *keys):
        """The one that counts."""
        return (self.all(*keys) or [None])[-1]

    def is_on(self, *keys):
        """A switch; uWSGI takes a key alone for true (`uwsgi_opt_true`)."""
        last = [setting for setting in map(self.last, keys) if setting]
        return any((setting.value or "true").lower() not in ("false", "off", "no", "0") for setting in last)

    def loads(self):
        """Every plugin that is named, one by one."""
        for setting in self.all(*OPTIONAL, *NEEDED):
            for part in (setting.value or "").split(","):
                # `12:name` sets a modifier, `name|function` calls a function first.
                part = part.strip().split("|")[0].rpartition(":")[2]
                if part:
                    yield Load(part, setting)

    # What is wrong with it.

    def add(self, kind, setting, text):
        """Remembers a finding."""
        place = f"{setting.file}:{setting.line}" if setting else self.name
        self.findings.append(Finding(kind, place, text))

    def order(self, finding):
        """By place; what has no line comes last."""
        file, _, line = finding.place.rpartition(":")
        known = [setting.file for setting in self.settings]
        return (known.index(file), int(line)) if file in known else (len(known), 0)

    def find_host(self):
        """The uWSGI that is to run it, if there is one."""
        pythons = [load.plugin for load in self.loads() if load.plugin.startswith("python")]
        try:
            host = Host.find(self.uwsgi, pythons[0] if pythons else None, self.folders)
            self.version = host.version()
            return host
        except (HostError, OSError) as error:
            self.add("warning", None, f"versions are not checked: {error}")
            return None

    def check_file(self, load, host):
        """The plugin's file is there and can be loaded. Returns it."""
        name = load.plugin if load.plugin.endswith("_plugin.so") else load.plugin + "_plugin.so"
        if not ini.is_filled(name):
            self.add("note", load.setting, f"{name} is not looked at: only uWSGI can fill that in")
            return None
        if "/" in name:
            tried = [Path(name)]
        else:
            folders = [Path(folder) for folder in self.folders]
            own = host.plugin_folder() if host else None
            # Without a folder of its own, uWSGI looks where it is started.
            tried = [folder / name for folder in [*folders, own or Path(".")]]
        found = [path for path in tried if path.exists()]
        if not found:
            places = ", ".join(str(path) for path in tried)
            self.add("error", load.setting, f"no such file: {places}: write {load.setting.key} = {PLUGIN}")
            return None
        try:
            plugin.options(found[0].absolute())
        except plugin.PluginError as error:
            self.add("error", load.setting, f"uWSGI cannot load {found[0]}: {error}")
            return None
        if not found[0].is_absolute():
            self.add("warning", load.setting, f"{load.plugin} is found only if uWSGI is started in {Path.cwd()}")
        return found[0].absolute()

    def check_needed(self, named):
        """uWSGI goes on without a plugin that it cannot load, unless it needs it."""
        if not any(load.setting.key in NEEDED for load in named):
            line = named[-1].setting
            self.add(
                "warning", line, f"if it cannot be loaded, uWSGI goes on without it: write need-plugin = {line.value}"
            )

    def check_twice(self, named):
        """uWSGI loads a plugin once; for `need-plugin` the second time is a failure."""
        for load in named[1:]:
            if load.setting.key in NEEDED:
                first = named[0].setting
                self.add(
                    "error",
                    load.setting,
                    f"pycow is loaded already ({first.file}:{first.line}), and uWSGI ends at a second {load.setting.key}",
                )

    def check_order(self, setting, named):
        """What a `strict` uWSGI meets before the line that loads pycow is unknown to it."""
        at = self.settings.index
        strict = self.all("strict")
        if named and strict and at(strict[0]) < at(setting) < at(named[0].setting):
            self.add("error", setting, f"{setting.key} stands before the line that loads pycow: strict refuses it")

    def check_names(self, path, named):
        """uWSGI ignores options that it does not know. Returns those that pycow knows."""
        try:
            known = plugin.options(path)
        except plugin.PluginError as error:
            self.add("warning", None, f"names of options are not checked: {path}: {error}")
            return []
        options = []
        for setting in self.settings:
            if not setting.key.startswith(("pycow-", "pycow_")) and setting.key != "pycow":
                continue
            if setting.key in known:
                options.append(setting)
                self.check_order(setting, named)
                if not named:
                    self.add("error", setting, f"{setting.key} is ignored: pycow is not loaded: add need-plugin = {PLUGIN}")
                continue
            near = difflib.get_close_matches(setting.key.replace("_", "-"), known, 1, 0.7)
            hint = f": did you mean {near[0]}?" if near else f": there are {', '.join(known)}"
            self.add("error", setting, f"pycow has no option {setting.key}{hint}")
        return options

    def check_python(self, host):
        """Where Python is not built in, a plugin has to bring it: without it pycow turns itself off."""
        plugins = [load.plugin for load in self.loads() if not is_pycow(load.plugin)]
        if self.is_on("autoload") or not all(map(ini.is_filled, plugins)):
            return
        if not host.has_python(plugins):
            self.add("error", None, "no Python plugin is loaded, and pycow is off without one: add plugin = python3")

    def check_versions(self, host):
        """uWSGI and CPython are of a kind that pycow knows."""
        if not self.version.startswith("2.0."):
            self.add("error", None, f"{host.command} is uWSGI {self.version}: pycow knows 2.0")
        try:
            version = host.python_version()
        except HostError as error:
            self.add("error", None, str(error))
            return
        major, minor = (int(number) for number in version.split(".")[:2])
        if major != 3 or minor not in KNOWN:
            self.add("error", None, f"CPython {version}: pycow knows 3.{KNOWN[0]} to 3.{KNOWN[-1]}")
        policy = self.last("pycow-gc")
        if policy and policy.value == "immortal" and minor < IMMORTAL:
            self.add(
                "warning", policy, f"CPython {version} has no immortal objects (3.{IMMORTAL} and newer): freeze will be in force"
            )

    def check_values(self, host, path, options):
        """Asks the plugin itself what it takes, in a uWSGI that opens nothing."""
        for setting in options:
            value = setting.value or ""
            if not ini.is_filled(value):
                continue
            refused = host.refusal(str(path), setting.key, value)
            if refused:
                self.add("error", setting, refused)
            elif setting.key == TEXTFILE and not Path(value).parent.is_dir():
                self.add("error", setting, f"{TEXTFILE}: no such folder: {Path(value).parent}")

    def version_numbers(self):
        """`(2, 0, 31)`"""
        return tuple(int(number) for number in re.findall(r"\d+", self.version)[:3])

    def check_settings(self, host):
        """Options of uWSGI's own that take away what pycow gives."""
        lazy = self.last("lazy-apps", "lazy")
        if lazy and self.is_on("lazy-apps", "lazy"):
            self.add("warning", lazy, f"{lazy.key}: every worker loads a heap of its own, there is nothing to share")
        if not self.is_on("master", *IMPLY_MASTER):
            self.add("warning", None, "no master: there is nothing to share memory with")
        if not self.is_on("strict"):
            self.add("note", None, "with strict = true uWSGI refuses options that it does not know")
        if host and self.version_numbers() >= THREADED:
            return
        if not self.is_on("enable-threads") and not self.last("threads"):
            self.add(
                "note",
                None,
                "before uWSGI 2.0.27, no thread of the application runs without enable-threads = true, agents and exporters included",
            )


class Load(NamedTuple):
    """A plugin that a line names."""

    plugin: str
    setting: ini.Setting


def is_pycow(name):
    """A plugin's name or path means pycow."""
    file = name.rpartition("/")[2]
    return file == "pycow" or file in FILES or file + "_plugin.so" in FILES
