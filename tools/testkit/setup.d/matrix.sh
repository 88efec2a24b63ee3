# shellcheck shell=bash
# The other hosts of `make matrix`, in .hosts/matrix/.

# asked NAME: one of the words is in it, or there are none.
asked() {
    local word
    [[ -z $words ]] && return
    for word in ${words//,/ }; do [[ $1 == *"$word"* ]] && return; done
    return 1
}

# matrix_host FLAVOUR REQUIREMENT MINOR WHY: one more host, in a folder of its own, if it is asked for; if it
# cannot be had, a note there says why.
matrix_host() {
    local name python dir command why=$4 make=venv how=(--no-cache-dir --no-binary uwsgi)
    name=$(host_name "$1" "$2" "$3")
    asked "$name" && python=$(python_for "$3") || return 0
    [[ $2 == *-static ]] && make=static_venv
    [[ $1 == pyuwsgi ]] && how=(--only-binary pyuwsgi)
    mkdir -p "$HOSTS/matrix"
    rm -f "$HOSTS/matrix/$name.skipped"
    if (HOSTS=$HOSTS/matrix && "$make" "$name" "$python" "${how[@]}" "${2%-static}"); then
        dir=$HOSTS/matrix/$name
        [[ $dir/.answered -nt $dir/.stamp ]] && return
        command=$dir/bin/uwsgi
        [[ $1 == pyuwsgi ]] && command=$dir/bin/pyuwsgi
        if answers "$command"; then
            touch "$dir/.answered"
            return
        fi
        rm "$dir/.stamp"
        why='uWSGI alone does not serve on this CPython'
    fi
    say "skipped $name: $why"
    echo "$why" >"$HOSTS/matrix/$name.skipped"
}

# static_venv NAME PYTHON PIP-ARGUMENT...: as venv, of a uWSGI that has CPython's code in its own file, as it is built
# where there is no shared libpython. A CPython that has both says so: it is made to say no while uWSGI is built.
static_venv() {
    local name=$1 python=$2 dir=$HOSTS/$1 says=$HOSTS/$1/says stamp
    shift 2
    stamp="$dir $("$python" -V) $python static $*"
    is_made "$name" "$stamp" && return
    quietly "$python" -m venv "$dir" && mkdir "$says" &&
        cat >"$says/sitecustomize.py" <<'PY' &&
import sysconfig

modules = [sysconfig]
try:
    from distutils import sysconfig as older
    modules.append(older)
except ImportError:
    pass
for module in modules:
    said = module.get_config_vars()
    said.update(Py_ENABLE_SHARED=0, LDLIBRARY=said["LIBRARY"])
PY
        quietly "$dir/bin/python" -m pip install --quiet setuptools wheel &&
        PYTHONPATH=$says quietly "$dir/bin/python" -m pip install --quiet --no-build-isolation "$@" &&
        [[ $(ldd "$dir/bin/uwsgi") != *libpython* ]] && printf '%s\n' "$stamp" >"$dir/.stamp" && return
    rm -rf "$dir"
    return 1
}

# matrix WORDS: those hosts. Each release on a CPython of its time, so that old ones meet old ones.
matrix() {
    local words=$1 release minor
    packages 'with it, uWSGI up to 2.0.21 has request routing' libpcre3-dev
    for release in 2.0.18.post0:8 2.0.19.1.post0:9 2.0.20:10 2.0.21:8 2.0.22:10 2.0.22:12 2.0.23.post0:11 2.0.24:11 2.0.25.1:11 2.0.26:9 \
        2.0.27.post1:13 2.0.28.post1:12 2.0.29:13 2.0.31:11; do
        matrix_host pyuwsgi "pyuwsgi==${release%:*}" "${release#*:}" 'PyPI has no such wheel'
    done
    for release in 2.0.18:8 2.0.19.1:8 2.0.20:9 2.0.21:8 2.0.22:10 2.0.23:11 2.0.24:12 2.0.25.1:11 2.0.26:10 2.0.27:13 2.0.28:12 \
        2.0.29:11 2.0.30:13; do
        matrix_host pypi "uwsgi==${release%:*}" "${release#*:}" 'it does not compile here'
    done
    for minor in "${MINORS[@]}"; do
        [[ " $default 12 13 " == *" $minor "* ]] || matrix_host pypi "$UWSGI" "$minor" 'it does not compile here'
    done
    for release in 2.0.31:12 2.0.24:10 2.0.21:8; do
        matrix_host pypi "uwsgi==${release%:*}-static" "${release#*:}" 'no static libpython, or it does not compile here'
    done
    for release in focal:8 jammy:10; do
        matrix_ubuntu "${release%:*}" "${release#*:}"
    done
}

# matrix_ubuntu SUITE MINOR: Ubuntu's uWSGI, whose packages are Debian's of their time.
matrix_ubuntu() {
    local name=debian-$1-py3.$2 keys=$HOSTS/matrix/ubuntu-archive-keyring.gpg
    asked "$name" || return 0
    mkdir -p "$HOSTS/matrix"
    rm -f "$HOSTS/matrix/$name.skipped"
    ubuntu_keys "$keys" && (HOSTS=$HOSTS/matrix && debian "$1" "$2") && return
    say "skipped $name: no archive of Ubuntu, or its keys"
    echo 'no archive of Ubuntu, or its keys' >"$HOSTS/matrix/$name.skipped"
}

# ubuntu_keys FILE: what Ubuntu signs its archive with, of which Debian has a package.
ubuntu_keys() {
    [[ -s $1 ]] && return
    package "$HOSTS/debian-sid-py3.14/root" ubuntu-keyring |
        tar --extract --to-stdout ./usr/share/keyrings/ubuntu-archive-keyring.gpg >"$1.new" && mv "$1.new" "$1"
}
