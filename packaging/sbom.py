"""Prints the crates that are linked into the plugin, as CycloneDX 1.5 (https://cyclonedx.org)."""

import json
import re
import subprocess
import sys
from pathlib import Path

LOCK = Path(__file__).resolve().parent.parent / "Cargo.lock"
TARGET = "x86_64-unknown-linux-gnu"


def linked(metadata):
    """The packages that the plugin reaches by normal dependencies: no build script, no test."""
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    reached, left = set(), [metadata["resolve"]["root"]]
    while left:
        package = left.pop()
        if package in reached:
            continue
        reached.add(package)
        for dependency in nodes[package]["deps"]:
            if any(kind["kind"] is None for kind in dependency["dep_kinds"]):
                left.append(dependency["pkg"])
    return reached


def checksums():
    """What Cargo.lock pins: the SHA-256 of each crate's archive."""
    found = re.findall(r'name = "(.*)"\nversion = "(.*)"\nsource = .*\nchecksum = "(.*)"', LOCK.read_text())
    return {(name, version): checksum for name, version, checksum in found}


def component(package, pinned):
    """One crate."""
    name, version = package["name"], package["version"]
    entry = {"type": "library", "name": name, "version": version, "purl": f"pkg:cargo/{name}@{version}"}
    if package["license"]:
        entry["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
    if (name, version) in pinned:
        entry["hashes"] = [{"alg": "SHA-256", "content": pinned[name, version]}]
    return entry


def main():
    """The exit status."""
    command = ["cargo", "metadata", "--format-version=1", "--locked", "--filter-platform", TARGET]
    metadata = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    root, pinned = metadata["resolve"]["root"], checksums()
    wanted = linked(metadata)
    packages = sorted((p for p in metadata["packages"] if p["id"] in wanted), key=lambda p: p["name"])
    bill = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": component(next(p for p in packages if p["id"] == root), pinned)},
        "components": [component(p, pinned) for p in packages if p["id"] != root],
    }
    json.dump(bill, sys.stdout, indent=2)
    print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
