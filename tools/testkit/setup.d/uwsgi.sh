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

# matrix_host FLAVOUR REQUIREMENT MINOR WHY: one more host, in a folder of its own, if it is asked for; if it
# cannot be had, a note there says why.
matrix_host() {
    local name word python how=(--no-cache-dir --no-binary uwsgi) asked=
    name=$(host_name "$1" "$2" "$3")
    [[ -z $words ]] && asked=1
    for word in ${words//,/ }; do [[ $name == *"$word"* ]] && asked=1; done
    [[ -n $asked ]] && python=$(python_for "$3") || return 0
    [[ $1 == pyuwsgi ]] && how=(--only-binary pyuwsgi)
    mkdir -p "$HOSTS/matrix"
    rm -f "$HOSTS/matrix/$name.skipped"
    HOSTS=$HOSTS/matrix venv "$name" "$python" "${how[@]}" "$2" && return
    say "skipped $name: $4"
    echo "$4" >"$HOSTS/matrix/$name.skipped"
}

# matrix WORDS: those hosts. Each release on a CPython of its time, so that old ones meet old ones.
matrix() {
    local words=$1 release minor
    packages 'with it, uWSGI up to 2.0.21 has request routing' libpcre3-dev
    for release in 2.0.18.post0:8 2.0.19.1.post0:9 2.0.20:10 2.0.21:8 2.0.22:12 2.0.23.post0:11 2.0.26:9 2.0.27.post1:13 \
        2.0.28.post1:12 2.0.29:13; do
        matrix_host pyuwsgi "pyuwsgi==${release%:*}" "${release#*:}" 'PyPI has no such wheel'
    done
    for release in 2.0.18:8 2.0.19.1:8 2.0.20:9 2.0.21:8 2.0.22:10 2.0.23:11 2.0.24:12 2.0.25.1:11 2.0.26:10 2.0.27:13 2.0.28:12 \
        2.0.29:11 2.0.30:13; do
        matrix_host pypi "uwsgi==${release%:*}" "${release#*:}" 'it does not compile here'
    done
    for minor in "${MINORS[@]}"; do
        [[ " $default 12 13 " == *" $minor "* ]] || matrix_host pypi "$UWSGI" "$minor" 'it does not compile here'
    done
    mkdir -p "$HOSTS/matrix"
    echo 'no mirror of Ubuntu is set up here' >"$HOSTS/matrix/debian-ubuntu-22.04-py3.10.skipped"
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
