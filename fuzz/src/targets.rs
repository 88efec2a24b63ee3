//! What is fed, and what must hold of the answer.

mod configuration;
mod proc;
mod report;
mod uwsgi;

use std::{
    cell::RefCell,
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    path::PathBuf,
};

use configuration::{option_lines, options, unknown_options, warmup_file};
use proc::{mappings, pagemap, pagemap_entries, smaps, smaps_texts};
use report::textfile;
use uwsgi::{header, loaded_object, relocations, OUR_HEADER};

/// One parser.
pub struct Target {
    /// As `make fuzz TARGET=..` names it.
    pub name: &'static str,
    /// Recorded inputs.
    pub corpus: fn() -> Vec<Vec<u8>>,
    /// Feeds it; panics if an answer is not what it must be. Answers of one shape are alike.
    pub feed: fn(&[u8]) -> u64,
}

/// All of them.
pub const TARGETS: [Target; 9] = [
    Target {
        name: "smaps",
        corpus: smaps_texts,
        feed: smaps,
    },
    Target {
        name: "mappings",
        corpus: smaps_texts,
        feed: mappings,
    },
    Target {
        name: "pagemap",
        corpus: || vec![pagemap_entries()],
        feed: pagemap,
    },
    Target {
        name: "options",
        corpus: option_lines,
        feed: options,
    },
    Target {
        name: "unknown-options",
        corpus: option_lines,
        feed: unknown_options,
    },
    Target {
        name: "warmup-file",
        corpus: || texts(&[include_str!("../corpus/warmup")]),
        feed: warmup_file,
    },
    Target {
        name: "header",
        corpus: || texts(&[OUR_HEADER]),
        feed: header,
    },
    Target {
        name: "relocations",
        corpus: || vec![loaded_object()],
        feed: relocations,
    },
    Target {
        name: "textfile",
        corpus: || {
            texts(&[
                "web-1",
                "3.11.2 (main, \\ \"odd\")\n[GCC 12.2.0]",
                "a,b=\"c\"} 1",
            ])
        },
        feed: textfile,
    },
];

fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

fn shape(of: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}

thread_local! {
    /// The file of this thread.
    static FILE: RefCell<Option<(tempfile::TempDir, PathBuf)>> = const { RefCell::new(None) };
}

/// A file with that content, until the next is asked for.
fn scratch(content: &[u8]) -> PathBuf {
    let path = FILE.with_borrow_mut(|file| {
        let make = || {
            let dir = tempfile::tempdir().expect("a temporary folder");
            let path = dir.path().join("input");
            (dir, path)
        };
        file.get_or_insert_with(make).1.clone()
    });
    fs::write(&path, content).expect("a temporary file");
    path
}
