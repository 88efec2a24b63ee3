# shellcheck shell=bash
# Packages of Debian: installed for the machine, or unpacked in .hosts/ where an installed one would do more
# than we want.

installed() { dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q 'ok installed'; }

offered() { [[ $(apt-cache policy "$1" 2>/dev/null) == *Candidate:\ [0-9]* ]]; }

# packages WHY NAME...: installs those of the named packages that are missing and that
# this release of Debian has. Never fails: what is really needed is checked by its user.
packages() {
    local why=$1 name missing=() wanted=()
    shift
    if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
        say "no apt-get: skipped $*"
        return
    fi
    for name; do installed "$name" || missing+=("$name"); done
    ((${#missing[@]})) || return 0
    if [[ -n ${PYCOW_NO_APT:-} ]]; then
        say "PYCOW_NO_APT: skipped ${missing[*]} ($why)"
        return
    fi
    if ((EUID != 0)); then
        say "not root: skipped ${missing[*]} ($why; apt-get install them yourself)"
        return
    fi
    for name in "${missing[@]}"; do
        offered "$name" && continue
        say 'apt-get update'
        quietly apt-get update || true
        break
    done
    for name in "${missing[@]}"; do
        if offered "$name"; then wanted+=("$name"); else say "skipped $name: not in this Debian"; fi
    done
    ((${#wanted[@]})) || return 0
    say "apt-get install ${wanted[*]}: $why (PYCOW_NO_APT=1 says no)"
    apt_install "${wanted[@]}" && return
    # The lists may be older than the packages that they name.
    say 'apt-get update, and once more'
    quietly apt-get update || true
    apt_install "${wanted[@]}" || say "skipped ${wanted[*]}: apt-get failed"
}

apt_install() {
    DEBIAN_FRONTEND=noninteractive quietly apt-get install -y --no-install-recommends "$@"
}

# Debian's packages and what they need, unpacked only: installed, servers would start as services.
unpacked() {
    local dir=$HOSTS/$1 archives
    shift
    [[ -d $dir ]] && return
    command -v apt-get >/dev/null && ((EUID == 0)) || return 1
    offered "$1" || [[ -n ${PYCOW_NO_APT:-} ]] || quietly apt-get update
    say "unpacking $*"
    archives=$(mktemp -d)
    mkdir -p "$archives/partial"
    quietly apt-get install --download-only --no-install-recommends -y -o Dir::Cache::archives="$archives" "$@" || return 1
    mkdir -p "$dir.new"
    for archive in "$archives"/*.deb; do dpkg-deb -x "$archive" "$dir.new"; done
    rm -r "$archives"
    mv "$dir.new" "$dir"
}

# Loops of Debian's uWSGI. Installed, they would be there for all that runs on this machine.
loops() { unpacked uwsgi-loops uwsgi-plugin-asyncio-python3 uwsgi-plugin-gevent-python3; }

# Debian's Prometheus and its promtool, unpacked only: installed it would start a service.
prometheus() {
    local dir=$HOSTS/prometheus
    [[ -x $dir/usr/bin/promtool ]] && return
    command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || return 1
    offered prometheus || { [[ -z ${PYCOW_NO_APT:-} ]] && ((EUID == 0)) && quietly apt-get update; }
    say 'unpacking prometheus'
    rm -rf "$dir"
    mkdir -p "$dir"
    (cd "$dir" && quietly apt-get download prometheus) &&
        dpkg-deb -x "$dir"/prometheus_*.deb "$dir" && rm "$dir"/prometheus_*.deb
}
