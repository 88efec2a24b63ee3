//! Databases and their clients, and what else has threads of its own.

use crate::{check, named, servers::Server, start, used, Library, Ports, Use};

#[test]
#[ignore = "make fork-libraries"]
fn postgres() {
    let server = Server::postgres();
    check(
        &Ports {
            postgres: server.port,
            ..Ports::default()
        },
        &[
            Library {
                name: "psycopg2",
                at_load: &["a connection to 127.0.0.1:"],
                in_warmup: &["a connection to 127.0.0.1:"],
                survives: false,
            },
            Library {
                name: "psycopg2_pool",
                at_load: &["a connection to 127.0.0.1:"],
                in_warmup: &[],
                survives: false,
            },
            Library {
                name: "psycopg",
                at_load: &["a connection to 127.0.0.1:"],
                in_warmup: &["a connection to 127.0.0.1:"],
                survives: false,
            },
            Library {
                name: "sqlalchemy",
                at_load: &["a connection to 127.0.0.1:"],
                in_warmup: &[],
                survives: false,
            },
        ],
    );
}

#[test]
#[ignore = "make fork-libraries"]
fn mysql() {
    let server = Server::mariadb();
    check(
        &Ports {
            mysql: server.port,
            ..Ports::default()
        },
        &[
            Library {
                name: "MySQLdb",
                at_load: &["a connection to 127.0.0.1:"],
                in_warmup: &["a connection to 127.0.0.1:"],
                survives: false,
            },
            Library {
                name: "pymysql",
                at_load: &["a connection to 127.0.0.1:"],
                in_warmup: &["a connection to 127.0.0.1:"],
                survives: false,
            },
        ],
    );
}

#[test]
#[ignore = "make fork-libraries"]
fn redis() {
    let server = Server::redis();
    check(
        &Ports {
            redis: server.port,
            ..Ports::default()
        },
        &[Library {
            name: "redis",
            at_load: &[],
            in_warmup: &[],
            survives: true,
        }],
    );
}

#[test]
#[ignore = "make fork-libraries"]
fn mongo() {
    let server = Server::played("mongo");
    check(
        &Ports {
            mongo: server.port,
            ..Ports::default()
        },
        &[Library {
            name: "pymongo",
            at_load: &[],
            in_warmup: &[],
            survives: true,
        }],
    );
}

/// A pool with threads, and a library of C that has threads: how many lines there are depends on how
/// far they are.
#[test]
#[ignore = "make fork-libraries"]
fn with_threads_of_their_own() {
    let (postgres, grpc) = (Server::postgres(), Server::played("grpc"));
    let ports = Ports {
        postgres: postgres.port,
        grpc: grpc.port,
        ..Ports::default()
    };
    for (library, line) in [
        (
            "psycopg_pool",
            "pycow-fork-check: the thread pool-1-worker-0 of psycopg_pool, in ",
        ),
        (
            "grpc",
            "pycow-fork-check: 1 thread named grpc_global_tim of grpc: ",
        ),
    ] {
        for when in [Use::AtLoad, Use::InWarmup] {
            println!("{library} {when:?}");
            let lines = named(&start(library, when, &ports));
            assert!(
                lines.iter().any(|named| named.starts_with(line)),
                "{lines:#?}"
            );
        }
        let uwsgi = start(library, Use::InWorkers, &ports);
        assert_eq!(named(&uwsgi), Vec::<String>::new());
        used(&uwsgi).unwrap();
    }
}
