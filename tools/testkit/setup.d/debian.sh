# shellcheck shell=bash
# Other Debians, each in a folder of its own: for their uWSGI and CPython.

# debian_root SUITE DIR PACKAGES [ARCH]: that Debian with those packages (with commas), in DIR/root.
debian_root() {
    local mirror how=()
    ((EUID == 0)) && command -v debootstrap >/dev/null || return 1
    if [[ $1 == focal || $1 == jammy ]]; then
        mirror=http://archive.ubuntu.com/ubuntu
        how=(--keyring="$HOSTS/ubuntu-archive-keyring.gpg" --components=main,universe)
    else
        # Where apt itself gets Debian from.
        # shellcheck disable=SC2016 # apt's own words
        mirror=$(apt-get indextargets --format '$(LABEL) $(REPO_URI)' | sed -n 's/^Debian //p' | head -n 1)
    fi
    say "making ${2##*/}"
    rm -rf "$2"
    mkdir -p "$2"
    quietly debootstrap ${4:+--arch="$4"} "${how[@]}" --variant=minbase --include="$3" "$1" "$2/root" ${mirror:+"$mirror"}
}

# debian SUITE MINOR [ARCH]: another Debian's uWSGI and CPython 3.MINOR, in a folder of
# its own. `uwsgi` there sees /tmp and this checkout at their own places.
debian() {
    local suite=$1 dir=$HOSTS/debian-$1-py3.$2
    [[ -f $dir/.stamp ]] && return
    debian_root "$suite" "$dir" uwsgi-core,uwsgi-plugin-python3 "${3:-}" &&
        [[ -e $dir/root/usr/lib/uwsgi/plugins/python3${2}_plugin.so ]] || return 1
    cat >"$dir/uwsgi" <<'SH'
#!/bin/sh
# uWSGI of the Debian in root/.
here=$(cd "$(dirname "$0")" && pwd)
real=$(cd "$here" && pwd -P)
exec unshare --mount --propagation private sh -c '
    root=$1 checkout=$2 hosts=$3
    shift 3
    # A checkout may share the hosts of another by a link.
    for path in /proc /sys /dev /tmp "$checkout" "$hosts"; do
        [ -d "$root$path" ] || mkdir -p "$root$path"
        mount --rbind "$path" "$root$path"
    done
    # chroot goes to the root.
    exec chroot "$root" sh -c "cd \"\$0\" 2>/dev/null; exec /usr/bin/uwsgi-core \"\$@\"" "$PWD" "$@"
' sh "$here/root" "${here%/.hosts/*}" "${real%/.hosts/*}/.hosts" "$@"
SH
    chmod +x "$dir/uwsgi"
    echo "$suite" >"$dir/.stamp"
}

# package ROOT NAME: what is in that package of the Debian there, as a tar archive; checked by its lists.
package() {
    local uri sum file status=0
    read -r uri _ _ sum < <(chroot "$1" apt-get --print-uris download "$2" | tr -d "'") || return 1
    file=$(mktemp)
    quietly curl --silent --show-error --fail --location --output "$file" "$uri" &&
        echo "${sum#SHA256:} $file" | sha256sum --quiet --check - >&2 &&
        dpkg-deb --fsys-tarfile "$file" || status=1
    rm "$file"
    return $status
}

# CPython's headers of a Debian that is here for its uWSGI only: what pycow knows of their structs is
# compared with them.
headers() {
    local root=$HOSTS/debian-$1-py3.$2/root dir=$HOSTS/headers
    [[ -f $dir/python3.$2/Python.h ]] && return
    say "fetching the headers of CPython 3.$2"
    mkdir -p "$dir"
    package "$root" "libpython3.$2-dev" |
        tar --extract --directory "$dir" --strip-components=3 ./usr/include
}

# Debians that `make test` runs on, and the headers of their CPythons.
debian_hosts() {
    local release suite minor
    for release in 'trixie 13' 'sid 14'; do
        read -r suite minor <<<"$release"
        if debian "$suite" "$minor"; then
            headers "$suite" "$minor" || say "skipped the headers of Debian $suite's CPython"
        else
            say "skipped Debian $suite"
        fi
    done
}
