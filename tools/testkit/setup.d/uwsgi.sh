# shellcheck shell=bash
# uWSGI from PyPI, for each CPython of this machine.

PYUWSGI='pyuwsgi==2.0.30.post1'
UWSGI='uwsgi==2.0.31'
# Of CPython 3: those that pycow supports.
MINORS=({8..15})

# A host's folder is its name in the tests: flavour, uWSGI's version, CPython's.
host_name() {
    local version=${2#*==}
    echo "$1-${version%.post*}-py3.$3"
}

# pyuwsgi is a wheel or nothing: `--only-binary` skips a CPython that has none.
pyuwsgi() {
    local name extra=()
    name=$(host_name pyuwsgi "$PYUWSGI" "$1")
    [[ $1 == "$default" ]] && extra=("$DJANGO") && ln -sfn "$name" "$HOSTS/default"
    venv "$name" "$2" --only-binary pyuwsgi "$PYUWSGI" "${extra[@]}"
}

# The same for the newest CPython that there is.
newest_pyuwsgi() {
    local minor python
    for minor in $(printf '%s\n' "${MINORS[@]}" | sort -rn); do
        python=$(python_for "$minor") && pyuwsgi "$minor" "$python" && return
    done
    return 1
}

# Always compiled here: a wheel left in pip's cache may date from a time
# without PCRE. A pyenv libpython is found through the run path that uWSGI's
# own build sets.
pypi() {
    venv "$(host_name pypi "$UWSGI" "$1")" "$2" --no-cache-dir --no-binary uwsgi "$UWSGI"
}

# Those that `make test` runs on: a wheel for every CPython, and a build for three of them.
pypi_hosts() {
    local minor python flavour flavours
    for minor in "${MINORS[@]}"; do
        python=$(python_for "$minor") || continue
        flavours=(pyuwsgi)
        [[ " $default 12 13 " == *" $minor "* ]] && flavours+=(pypi)
        for flavour in "${flavours[@]}"; do
            "$flavour" "$minor" "$python" && continue
            [[ $minor == "$default" ]] && die "$flavour for the default CPython 3.$minor is needed"
            say "skipped $flavour for CPython 3.$minor"
        done
    done
}
