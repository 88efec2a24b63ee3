# shellcheck shell=bash
# Applications that pycow is compared, measured and explained on, and what the comparison needs beside.

DJANGO='django==5.2.19'
UWSGITOP='uwsgitop==0.12'
# How applications are made that no module names: by factories, by ini files.
FRAMEWORKS=(flask==3.1.3 pastedeploy==3.1.0 pecan==1.8.0 pyramid==2.1)
WAGTAIL='wagtail==8.0.1'
# What immortal heaps are tried with.
LIBRARIES=(numpy==2.4.6 greenlet==3.5.6)
# A service that `pycow.why` is tried on.
SCIKIT_LEARN='scikit-learn==1.9.1'

# Django alone, in a folder that any CPython can have on its path. CPython 3.10 needs typing_extensions.
django() {
    local dir=$HOSTS/django
    is_made django "$DJANGO" && return
    quietly "$HOSTS/default/bin/python" -m pip install --quiet --target "$dir" "$DJANGO" typing_extensions &&
        echo "$DJANGO" >"$dir/.stamp"
}

# CinderX's immortalize_heap(), for each CPython that PyPI has a wheel for.
cinderx() {
    local minor python=$HOSTS/default/bin/python dir wheels
    for minor in 14 15; do
        dir=$HOSTS/cinderx-3.$minor
        [[ -d $dir ]] && continue
        say "making cinderx-3.$minor"
        wheels=$(mktemp -d)
        # pip installs for its own Python only, but downloads for any.
        if "$python" -m pip download --quiet --no-deps --only-binary :all: --python-version 3.$minor \
            --platform manylinux_2_28_x86_64 --dest "$wheels" cinderx >/dev/null 2>&1; then
            "$python" -m zipfile -e "$wheels"/cinderx-*.whl "$dir"
        else
            say "skipped CinderX for CPython 3.$minor: PyPI has none"
        fi
        rm -r "$wheels"
    done
}

# The minor version of the CPython in that uWSGI, or else in the newest that is here: `make bench`
# chooses in the same way.
minor_in() {
    local version arguments
    if [[ -z $1 ]]; then
        (cd "$HOSTS" && ls -d {pyuwsgi,pypi,debian}-*-py3.*) | sed 's/.*-py3\.//' | sort -n | tail -n 1
        return
    fi
    # Python is built in, or Debian's plugin.
    for arguments in '' '--plugins-dir /usr/lib/uwsgi/plugins --plugin python3'; do
        version=$("$1" $arguments --python-version 2>/dev/null | tail -n 1) || continue
        [[ $version =~ ^3\.([0-9]+) ]] && echo "${BASH_REMATCH[1]}" && return
    done
    return 1
}

# Wagtail and what it needs, for CPython 3.$1.
wagtail_packages() { foreign "wagtail-3.$1" "$1" "$WAGTAIL" "$DJANGO"; }

# Wagtail's start project with ten pages, made once, whatever CPython serves it.
wagtail_site() {
    local dir=$HOSTS/wagtail-site python=$HOSTS/default/bin/python packages=$HOSTS/wagtail-3.$default bundled
    bundled=$PWD/tools/compare/bundled
    wagtail_packages "$default" || return
    is_made wagtail-site "$WAGTAIL $DJANGO" && return
    mkdir -p "$dir"
    (
        cd "$dir"
        export PYTHONPATH=$packages:$bundled
        quietly "$python" "$packages/bin/wagtail" start mysite . &&
            quietly "$python" -m wagtail_site.pages
    ) && echo "$WAGTAIL $DJANGO" >"$dir/.stamp"
}

# A scikit-learn service, for CPython 3.$1.
scikit_learn() { foreign "scikit-learn-3.$1" "$1" "$SCIKIT_LEARN"; }

wagtail() {
    local minor
    minor=$(minor_in "$1") && wagtail_packages "$minor" && wagtail_site
}

# What `make demo` runs on.
demo() {
    packages 'it sends the requests' wrk
    pyuwsgi "$default" "$default_python" && django ||
        die "pyuwsgi for the default CPython 3.$default, and Django, are needed"
}

# bench METHODS WORKLOADS UWSGI: the same, and what those methods and workloads need.
bench() {
    local methods=$1 workloads=$2
    asked() { [[ -z $methods || ,$methods, == *,$1,* ]]; }
    demo
    if [[ $workloads != own ]]; then
        # The bundled applications run on the newest CPython, which can play every method.
        packages "another Debian's uWSGI has the newest CPython" debootstrap
        if asked immortal || asked immortal+cpython || asked cinderx; then
            debian sid 14 || newest_pyuwsgi || say 'skipped a newer CPython'
        fi
    fi
    if asked cinderx; then cinderx; fi
    if [[ ,$workloads, == *,wagtail,* ]]; then
        wagtail "$3" || die 'Wagtail is needed: PyPI has it, for CPython 3.10 and newer'
    fi
}

# What `make why-applications` looks into.
why_applications() {
    pyuwsgi "$default" "$default_python" && django && wagtail_site && scikit_learn "$default" ||
        die 'pyuwsgi, Wagtail and scikit-learn are needed'
}

# What some tests load beside: each is skipped where it cannot be had.
for_tests() {
    local minor
    venv uwsgitop "$default_python" "$UWSGITOP" || say 'skipped uwsgitop'
    prometheus || say 'skipped prometheus'
    django || say 'skipped django'
    for minor in 12 13 14; do
        foreign "libraries-3.$minor" "$minor" "${LIBRARIES[@]}" || say "skipped ${LIBRARIES[*]} for CPython 3.$minor"
    done
    foreign "frameworks-3.$default" "$default" "${FRAMEWORKS[@]}" || say "skipped ${FRAMEWORKS[*]}"
}
