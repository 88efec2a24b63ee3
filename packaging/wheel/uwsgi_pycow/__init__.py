"""pycow, a uWSGI plugin, as one file: where it is, and what it needs."""

from pathlib import Path

#: What uWSGI is told to load, as `need-plugin = ..`.
PLUGIN = Path(__file__).resolve().with_name("pycow_plugin.so")
