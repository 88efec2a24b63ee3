# shellcheck shell=bash
# Each host is asked once whether it serves.

# answers COMMAND...: that uWSGI serves an application of one line. Asked through a
# socket in /tmp, which another Debian's uWSGI sees, too.
answers() {
    local dir status=0
    dir=$(mktemp -d)
    cat >"$dir/app.py" <<'PY'
def application(environ, start_response):
    start_response("200 OK", [])
    return [b"hello"]
PY
    chmod 755 "$dir"
    "$default_python" - "$dir" "$@" <<'PY' || status=$?
import socket, subprocess, sys, time
folder, *command = sys.argv[1:]
log = open(folder + "/log", "w+b")
command += ["--http-socket", folder + "/socket", "--wsgi-file", folder + "/app.py", "--master", "--need-app", "--die-on-term"]
uwsgi = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
answer, deadline = b"", time.monotonic() + 20
while not answer and uwsgi.poll() is None and time.monotonic() < deadline:
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(10)
            client.connect(folder + "/socket")
            client.sendall(b"GET / HTTP/1.0\r\n\r\n")
            answer = client.makefile("rb").read()
    except OSError:
        time.sleep(0.05)
uwsgi.terminate()
try:
    uwsgi.wait(10)
except subprocess.TimeoutExpired:
    uwsgi.kill()
if not answer.endswith(b"hello"):
    log.seek(0)
    sys.exit(log.read()[-2000:].decode(errors="replace") + "\n")
PY
    rm -rf "$dir"
    return $status
}

# Asks every host once. One that does not answer is made anew by the next run, and
# until then no test sees it.
all_answer() {
    local dir name command
    local plugin=(--plugins-dir /usr/lib/uwsgi/plugins --plugin python3)
    for dir in "$HOSTS"/{pyuwsgi,pypi,debian}-*; do
        name=${dir##*/}
        [[ -f $dir/.stamp && ! $dir/.answered -nt $dir/.stamp ]] || continue
        case $name in
        pyuwsgi-*) command=("$dir/bin/pyuwsgi") ;;
        pypi-*) command=("$dir/bin/uwsgi") ;;
        debian-*) command=("$dir/uwsgi" "${plugin[@]}") ;;
        esac
        if answers "${command[@]}"; then
            touch "$dir/.answered"
        else
            rm "$dir/.stamp"
            say "$name does not answer: not used"
        fi
    done
    if [[ -x /usr/bin/uwsgi-core ]]; then
        answers /usr/bin/uwsgi-core "${plugin[@]}" || say "Debian's own uWSGI does not answer"
    fi
    [[ -f $HOSTS/default/.stamp ]] || die "the default host, $(readlink "$HOSTS/default"), does not answer"
}

# Says which there are.
ready() {
    local stamp names=()
    for stamp in "$HOSTS"/*-py3.*/.stamp; do
        stamp=${stamp%/.stamp}
        names+=("${stamp##*/}")
    done
    if [[ -x /usr/bin/uwsgi-core ]]; then names+=(debian); fi
    say "hosts ready, each has answered: ${names[*]}"
}
