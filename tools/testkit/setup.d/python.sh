# shellcheck shell=bash
# The CPythons of this machine, and what PyPI has for them: in a venv, or as a folder for a path.
#
# default         minor version of the python3 on PATH
# default_python  its real path

# Prints the real path of a usable CPython 3.$1, or fails. pyenv's own come
# first, called directly: its shims on PATH refuse versions that are not global.
python_for() {
    local candidate real
    while read -r candidate; do
        # Free-threaded builds share a version's name but run no uWSGI.
        real=$("$candidate" - "$1" 2>/dev/null <<'PY'
import os, sys, sysconfig
usable = sys.version_info[:2] == (3, int(sys.argv[1])) and sys.implementation.name == "cpython"
if not usable or sysconfig.get_config_var("Py_GIL_DISABLED"):
    sys.exit(1)
print(os.path.realpath(sys.executable))
PY
        ) && printf '%s\n' "$real" && return
    done < <(
        printf '%s\n' "$HOME"/.pyenv/versions/3."$1".*/bin/python3."$1" | sort -rV
        type -ap "python3.$1" || true
        echo "/usr/bin/python3.$1"
    )
    return 1
}

# venv NAME PYTHON PIP-ARGUMENT...: makes .hosts/NAME and installs into it.
venv() {
    local name=$1 python=$2 dir=$HOSTS/$1
    shift 2
    local stamp
    stamp="$dir $("$python" -V) $python $*"
    is_made "$name" "$stamp" && return
    quietly "$python" -m venv "$dir" &&
        quietly "$dir/bin/python" -m pip install --quiet "$@" &&
        printf '%s\n' "$stamp" >"$dir/.stamp" && return
    rm -rf "$dir"
    return 1
}

# foreign NAME MINOR PIP-ARGUMENT...: wheels for CPython 3.MINOR, which need not be here itself, in .hosts/NAME.
foreign() {
    local dir=$HOSTS/$1 minor=$2 machine
    shift 2
    is_made "${dir##*/}" "$*" && return
    machine=$(uname -m)
    quietly "$HOSTS/default/bin/python" -m pip install --quiet --target "$dir" --only-binary :all: \
        --python-version "3.$minor" --platform "manylinux_2_28_$machine" --platform "manylinux2014_$machine" "$@" &&
        echo "$*" >"$dir/.stamp" && return
    rm -rf "$dir"
    return 1
}

default=$(python3 -c 'import sys; print(sys.version_info[1])') || die 'no python3 on PATH'
default_python=$(python_for "$default") || die "python3 is 3.$default, which is of no use here"
