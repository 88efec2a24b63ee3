# shellcheck shell=bash
# Libraries of others: whether they bear a fork and an exit, and their own suites.

# What is tried in processes that forked after it was used.
FORK_LIBRARIES=(
    boto3==1.44.8 ddtrace==4.16.0 elastic-apm==6.26.2 grpcio==1.85.3 httpx==0.28.1 lmdb==3.0.0
    newrelic==14.1.0 numpy==2.4.6 opentelemetry-exporter-otlp-proto-http==1.45.2
    opentelemetry-sdk==1.45.2 prometheus_client==0.26.0 'psycopg[binary]==3.3.9' psycopg-pool==3.3.3
    psycopg2-binary==2.9.13 pymongo==4.20.1 pymysql==1.2.4 redis requests sentry-sdk sqlalchemy
)
MYSQLCLIENT='mysqlclient==2.3.2'
# What is tried at the exit of a worker, besides these.
EXIT_LIBRARIES=(pyarrow==26.0.1)
# Suites of others, and what they need beside.
SUITES=("$DJANGO" sqlalchemy==2.0.45)
SUITES_NEED=(
    sqlalchemy==2.0.45 pandas==2.3.3 numpy==2.4.6 greenlet==3.5.6 pytest==8.4.2 hypothesis==6.170.17
    asgiref==3.13.0 sqlparse==0.6.1 jinja2==3.1.6
)

exit_libraries() {
    local dir=$HOSTS/exit-libraries
    is_made exit-libraries "${EXIT_LIBRARIES[*]}" && return
    quietly "$HOSTS/default/bin/python" -m pip install --quiet --only-binary :all: --target "$dir" "${EXIT_LIBRARIES[@]}" &&
        echo "${EXIT_LIBRARIES[*]}" >"$dir/.stamp"
}

# The libraries of docs/fork.md, for the default CPython, and the servers that they talk to.
libraries_and_servers() {
    local dir=$HOSTS/fork-libraries usr=$HOSTS/fork-servers/usr
    unpacked fork-servers redis-server postgresql mariadb-server-core mariadb-client-core libmariadb-dev
    is_made fork-libraries "${FORK_LIBRARIES[*]} $MYSQLCLIENT" && return
    quietly "$HOSTS/default/bin/python" -m pip install --quiet --only-binary :all: --target "$dir" "${FORK_LIBRARIES[@]}" &&
        MYSQLCLIENT_CFLAGS="-I$usr/include/mariadb" MYSQLCLIENT_LDFLAGS="-L$usr/lib/$(gcc -print-multiarch) -lmariadb" \
            quietly "$HOSTS/default/bin/python" -m pip install --quiet --target "$dir" "$MYSQLCLIENT" &&
        echo "${FORK_LIBRARIES[*]} $MYSQLCLIENT" >"$dir/.stamp"
}

# What `make fork-libraries` tries.
fork_libraries() {
    pyuwsgi "$default" "$default_python" && exit_libraries && libraries_and_servers ||
        die 'pyuwsgi, the libraries and their servers are needed'
}

# What PyPI has as sources, unpacked: Django's and SQLAlchemy's tests are in no wheel.
sources() {
    local dir=$HOSTS/suites-sources archive names
    is_made suites-sources "${SUITES[*]}" && return
    # Of these alone: what pip needs to look into them comes as wheels.
    names=$(printf '%s,' "${SUITES[@]%%==*}")
    quietly "$HOSTS/default/bin/python" -m pip download --quiet --no-deps --no-binary "${names%,}" --dest "$dir" "${SUITES[@]}" || return 1
    for archive in "$dir"/*.tar.gz; do tar --extract --file "$archive" --directory "$dir"; done
    rm "$dir"/*.tar.gz
    echo "${SUITES[*]}" >"$dir/.stamp"
}

# What `make suites` runs.
suites() {
    local minor=12 python
    pyuwsgi "$default" "$default_python" || die 'pyuwsgi for the default CPython is needed'
    if python=$(python_for 12); then
        pyuwsgi 12 "$python"
    else
        minor=13
        packages "another Debian's uWSGI has a CPython with immortal objects" debootstrap
        debian trixie 13
    fi || die "a uWSGI with CPython 3.$minor is needed"
    foreign "suites-3.$minor" "$minor" "${SUITES_NEED[@]}" && sources || die 'the suites are needed: PyPI has them'
}
