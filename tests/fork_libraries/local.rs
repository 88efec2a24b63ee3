//! Libraries that talk to nobody.

use crate::{check, Library, Ports};

#[test]
#[ignore = "make fork-libraries"]
fn local() {
    check(
        &Ports::default(),
        &[
            Library {
                name: "numpy",
                at_load: &[],
                in_warmup: &[],
                survives: true,
            },
            Library {
                name: "numpy_random",
                at_load: &[
                    "a random generator (numpy.Generator)",
                    "a random generator (numpy.RandomState)",
                ],
                in_warmup: &[
                    "a random generator (numpy.Generator)",
                    "a random generator (numpy.RandomState)",
                ],
                survives: true,
            },
            Library {
                name: "asyncio",
                at_load: &["an event loop (_UnixSelectorEventLoop)"],
                in_warmup: &["an event loop (_UnixSelectorEventLoop)"],
                survives: true,
            },
            Library {
                name: "lmdb",
                at_load: &["the LMDB environment "],
                in_warmup: &["the LMDB environment "],
                survives: true,
            },
            Library {
                name: "sqlite3",
                at_load: &["the SQLite database "],
                in_warmup: &["the SQLite database "],
                survives: true,
            },
        ],
    );
}
