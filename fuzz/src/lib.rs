//! Bad input for every parser of pycow's: the plugin's own files, each with a target that feeds it.
//!
//! A stable compiler is enough. The inputs are [mutations](mutate) of recorded ones; an input that
//! went where none had gone before is kept and mutated further. `make fuzz` has the compiler count
//! where an input [went](coverage); without that it is told by the outcome.

pub mod coverage;
pub mod mutate;
pub mod run;
pub mod targets;

/// Options, from text to a configuration.
#[path = "../../src/config/mod.rs"]
pub mod config;
/// The dynamic section of a loaded object.
#[path = "../../src/uwsgi/elf.rs"]
pub mod elf;
/// Files of /proc, as they are read.
#[allow(
    unsafe_code,
    reason = "the plugin's own file, where it is allowed for the same"
)]
#[path = "../../src/linux/files.rs"]
pub mod files;
/// The text of uWSGI's header.
#[path = "../../src/uwsgi/header.rs"]
pub mod header;
/// Labels of what Prometheus reads.
#[path = "../../src/sharing/prometheus/labels.rs"]
pub mod labels;
/// The text of smaps, by mapping.
#[path = "../../src/linux/mappings.rs"]
pub mod mappings;
/// What pagemap says of pages.
#[path = "../../src/linux/pagemap.rs"]
pub mod pagemap;
/// The text of smaps.
#[path = "../../src/linux/smaps.rs"]
pub mod smaps;
