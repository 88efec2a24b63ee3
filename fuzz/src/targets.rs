//! What is fed, and what must hold of the answer.

use std::{
    cell::RefCell,
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    ops::Range,
    path::PathBuf,
};

use crate::{
    config::{options::OPTIONS, unknown, Config},
    elf::{Memory, Object},
    header,
    labels::{with_instance, Label},
    mappings,
    pagemap::{Entry, Pages},
    smaps::Usage,
};

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
        corpus: || {
            texts(
                &include_str!("../corpus/options")
                    .lines()
                    .collect::<Vec<_>>(),
            )
        },
        feed: options,
    },
    Target {
        name: "unknown-options",
        corpus: || {
            texts(
                &include_str!("../corpus/options")
                    .lines()
                    .collect::<Vec<_>>(),
            )
        },
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

const OUR_HEADER: &str = include_str!("../../uwsgi-headers/plugin.h");

fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

fn smaps_texts() -> Vec<Vec<u8>> {
    texts(&[
        include_str!("../corpus/smaps/rollup-linux-6.18"),
        include_str!("../corpus/smaps/mappings-linux-6.18"),
        include_str!("../corpus/smaps/rollup-linux-4.19"),
    ])
}

fn shape(of: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}

/// Sums only grow, whatever a line says.
fn smaps(input: &[u8]) -> u64 {
    let mut usage = Usage::default();
    for line in input.split(|&c| c == b'\n') {
        let before = usage;
        usage.add_line(line);
        let grew = [
            before.shared <= usage.shared,
            before.private <= usage.private,
            before.pss <= usage.pss,
            before.ksm <= usage.ksm,
        ];
        assert_eq!(grew, [true; 4], "{before:?} {usage:?}");
    }
    let Usage {
        shared,
        private,
        pss,
        ksm,
    } = usage;
    shape([shared, private, pss, ksm].map(|sum| sum.checked_ilog2()))
}

/// A mapping has a line of its own, does not end before it begins, and its name is within that line.
fn mappings(input: &[u8]) -> u64 {
    let (lines, mut found) = (input.split(|&c| c == b'\n').count(), 0);
    let mut kinds = 0u8;
    for mapping in mappings::each(input) {
        found += 1;
        assert!(mapping.start <= mapping.end, "{mapping:?}");
        assert!(!mapping.name.contains(&b'\n'), "{mapping:?}");
        assert!(
            !(mapping.is_file() && mapping.is_anonymous()),
            "{mapping:?}"
        );
        kinds |= u8::from(mapping.is_file()) | u8::from(mapping.is_shared) << 1;
    }
    assert!(found <= lines);
    shape((found.checked_ilog2(), kinds))
}

/// Every kind of page that Linux tells of (Documentation/admin-guide/mm/pagemap.rst).
fn pagemap_entries() -> Vec<u8> {
    let entries = [
        0x8080_0000_0000_0000u64,
        0x8180_0000_0000_0000,
        0xa000_0000_0000_0000,
        0,
        0x4000_0000_0000_0c02,
    ];
    entries.into_iter().flat_map(u64::to_ne_bytes).collect()
}

/// What is read are the words of the file, whole ones, as many as there are; a private page is there.
fn pagemap(input: &[u8]) -> u64 {
    let file = scratch(input);
    let pages = Pages::from(std::os::fd::OwnedFd::from(
        fs::File::open(file).expect("it is there"),
    ));
    let whole: Vec<u64> = input
        .chunks_exact(8)
        .map(|word| u64::from_ne_bytes(word.try_into().expect("8 bytes")))
        .collect();
    let mut read = [0; 64];
    // Page numbers from anywhere in the file, behind its end, and the last that an address can have.
    let last = whole.len() as u64;
    for page in [0, 1, last / 2, last, last + 1, u64::MAX >> 12] {
        for room in [0, 1, read.len()] {
            let count = pages.entries(page, &mut read[..room]);
            let there = whole.get(page as usize..).unwrap_or_default();
            assert_eq!(read[..count], there[..room.min(there.len())]);
        }
    }
    let told = |entry: &u64| (Entry(*entry).is_there(), Entry(*entry).is_private());
    assert!(whole
        .iter()
        .map(told)
        .all(|(there, private)| there || !private));
    let private = whole.iter().filter(|entry| told(entry).1).count();
    shape((whole.len().checked_ilog2(), private.checked_ilog2()))
}

/// The label and the rest of a line that begins with one.
fn label_of(text: &str) -> Option<(String, &str)> {
    let (_, rest) = text.split_once("=\"")?;
    let (mut value, mut characters) = (String::new(), rest.char_indices());
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return Some((value, &rest[at + 1..])),
            '\\' => value.push(match characters.next()?.1 {
                'n' => '\n',
                c @ ('"' | '\\') => c,
                _ => return None,
            }),
            c => value.push(c),
        }
    }
    None
}

/// A report stays one line a number, and whoever reads its labels gets what was written.
fn textfile(input: &[u8]) -> u64 {
    let value = String::from_utf8_lossy(input);
    let report = format!(
        "# TYPE a gauge\na{{version=\"{}\"}} 1\nb 0\n",
        Label(&value)
    );
    let labelled = with_instance(&report, &value).expect("a text takes all");
    let lines: Vec<&str> = labelled.split('\n').collect();
    assert_eq!(lines.len(), 4, "{labelled:?}");
    assert_eq!((lines[0], lines[3]), ("# TYPE a gauge", ""));
    let (instance, rest) = label_of(lines[1]).expect("a label");
    let (version, rest) = label_of(rest).expect("another");
    assert_eq!((&*instance, &*version, rest), (&*value, &*value, "} 1"));
    let (instance, rest) = label_of(lines[2]).expect("a label");
    assert_eq!((&*instance, rest), (&*value, "} 0"));
    shape(labelled.len().checked_ilog2())
}

/// A value is within its limits, or refused by one line that names the option.
fn options(input: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(input);
    let (name, value) = text.split_once('=').unwrap_or(("", &text));
    // A file may be anything of this machine's: that is the target of its own.
    if value.trim_start().starts_with('@') {
        return 0;
    }
    let mut outcomes = Vec::new();
    for option in OPTIONS.iter().filter(|option| {
        let known = OPTIONS
            .iter()
            .any(|known| known.name.to_bytes() == name.as_bytes());
        !known || option.name.to_bytes() == name.as_bytes()
    }) {
        let mut config = Config::default();
        let applied = option.apply(&mut config, value);
        if let Err(error) = &applied {
            let line = error.to_string();
            assert!(line.contains(&*option.name.to_string_lossy()), "{line:?}");
            assert!(!line.chars().any(char::is_control), "{line:?}");
            assert!(line.len() < 3000, "{} bytes", line.len());
            assert_eq!(config, Config::default(), "half of a refused value stays");
        }
        check(&config);
        outcomes.push(applied.is_ok());
    }
    shape((outcomes, value.len().checked_ilog2()))
}

/// Whatever was given, the configuration is one that the rest can work with.
fn check(config: &Config) {
    assert!(config.exit_grace <= 86_400);
    assert!(config.exit_timeout <= 86_400);
    assert!(config.sample <= 86_400);
    assert!((1..=86_400).contains(&config.warmup_timeout));
    assert!((1..=1000).contains(&config.warmup_rounds));
    let path = config.textfile.as_deref().unwrap_or("/file");
    assert!(path.starts_with('/') && !path.ends_with('/'));
    for class in &config.mortal {
        assert!(class.contains('.') && !class.contains(char::is_whitespace));
    }
    for target in &config.warmup {
        assert!(!target.is_empty() && !target.contains(char::is_whitespace));
    }
}

/// At most one warning a key.
fn unknown_options(input: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(input);
    let keys: Vec<&str> = text.split('\n').collect();
    let warnings = unknown::warnings(keys.iter().copied());
    assert!(warnings.len() <= keys.len());
    shape(&warnings)
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

/// Every line of a file is a target, or the whole file is refused.
fn warmup_file(input: &[u8]) -> u64 {
    let path = scratch(input);
    let warmup = OPTIONS.iter().find(|option| option.name == c"pycow-warmup");
    let mut config = Config::default();
    let applied = warmup
        .expect("the option")
        .apply(&mut config, &format!("@{}", path.display()));
    check(&config);
    let lines = input.split(|&c| c == b'\n').count();
    assert!(config.warmup.len() <= lines);
    shape((applied.is_ok(), config.warmup.len()))
}

/// What is taken for compatible has our members, in our order.
fn header(input: &[u8]) -> u64 {
    let theirs = String::from_utf8_lossy(input);
    let answer = header::compatible(OUR_HEADER, &theirs);
    if let Ok(members) = &answer {
        let ours = header::members(OUR_HEADER, "uwsgi_plugin").expect("ours");
        let hosts = header::members(&theirs, "uwsgi_plugin").expect("theirs");
        assert_eq!(*members, hosts.len());
        let common = ours.len().min(hosts.len());
        assert_eq!(ours[..common], hosts[..common]);
        let through = ours.iter().position(|member| member.contains("(*atexit)"));
        assert!(through.is_some_and(|last| last < common));
        let row = |text| header::members(text, "uwsgi_option");
        assert_eq!(row(OUR_HEADER), row(&theirs));
    }
    // The name of a member is no new path.
    let kind = answer.map_err(|error| std::mem::discriminant(&error));
    shape(format!("{kind:?}"))
}

/// Where the object of the next target would have been loaded.
const BASE: usize = 0x10_0000;
/// Its dynamic section.
const DYNAMIC: Range<usize> = BASE..BASE + 8 * 16;

struct Bytes<'a>(&'a [u8]);

impl Memory for Bytes<'_> {
    fn read<const N: usize>(&self, address: usize) -> Option<[u8; N]> {
        let start = address.checked_sub(BASE)?;
        self.0.get(start..start.checked_add(N)?)?.try_into().ok()
    }
}

/// A dynamic section, two tables of relocations, symbols and their names.
fn loaded_object() -> Vec<u8> {
    let at = |word: u64| BASE as u64 + word * 8;
    let kind = u64::from(crate::elf::KINDS[0]);
    let mut words = Vec::new();
    for [tag, value] in [
        [23, at(16)],
        [2, 48],
        [7, at(22)],
        [8, 24],
        [6, at(25)],
        [5, at(31)],
        [0, 0],
        [0, 0],
    ] {
        words.extend([tag, value]);
    }
    for [offset, info] in [[8, 1 << 32 | kind], [16, kind], [24, 1 << 32 | 1]] {
        words.extend([offset, info, 0]);
    }
    words.extend([0, 0, 0, 1, 0, 0]);
    let mut bytes: Vec<u8> = words
        .iter()
        .flat_map(|word: &u64| word.to_ne_bytes())
        .collect();
    bytes.extend(b"\0exit\0abort\0");
    bytes
}

/// Slots are whole words.
fn relocations(input: &[u8]) -> u64 {
    let object = Object::new(Bytes(input), BASE, DYNAMIC);
    let mut found = 0u64;
    for slot in object.slots_of(b"exit") {
        assert_eq!(slot % size_of::<usize>(), 0);
        found += 1;
    }
    assert!(found <= 2 * input.len() as u64 / 24 + 2);
    shape(found)
}
