//! What a process has that its children share or miss: descriptors and threads.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

/// The descriptors and threads of this process at one moment. Empty where /proc is missing.
#[derive(Debug, Default)]
pub struct Inventory {
    /// By number, and what /proc/self/fd says of it: a path, or `socket:[inode]` and the like.
    pub descriptors: BTreeMap<i32, String>,
    /// The kernel's numbers of all threads but the first.
    pub threads: BTreeSet<i32>,
}

impl Inventory {
    /// Nothing.
    pub const fn new() -> Self {
        Self {
            descriptors: BTreeMap::new(),
            threads: BTreeSet::new(),
        }
    }

    /// As it is now.
    pub fn now() -> Self {
        let own = super::process::pid();
        Self {
            // The listing's own descriptor is closed by the time its link is read.
            descriptors: numbers("/proc/self/fd")
                .into_iter()
                .filter_map(|number| {
                    let target = fs::read_link(format!("/proc/self/fd/{number}")).ok()?;
                    Some((number, target.to_string_lossy().into_owned()))
                })
                .collect(),
            threads: numbers("/proc/self/task")
                .into_iter()
                .filter(|number| *number != own)
                .collect(),
        }
    }

    /// What is here and was not there.
    pub fn without(mut self, there: &Self) -> Self {
        let Self {
            descriptors,
            threads,
        } = &mut self;
        descriptors.retain(|number, target| there.descriptors.get(number) != Some(target));
        threads.retain(|number| !there.threads.contains(number));
        self
    }

    /// What is here and there.
    pub fn also_in(mut self, there: &Self) -> Self {
        let Self {
            descriptors,
            threads,
        } = &mut self;
        descriptors.retain(|number, target| there.descriptors.get(number) == Some(target));
        threads.retain(|number| there.threads.contains(number));
        self
    }
}

/// How many threads this process has; 0 where /proc is missing.
pub fn threads() -> usize {
    numbers("/proc/self/task").len()
}

fn numbers(folder: &str) -> Vec<i32> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsRawFd;

    #[test]
    fn a_file_and_a_thread_come_and_go() {
        let before = Inventory::now();
        let file = tempfile::tempfile().unwrap();
        let (hold, held) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || held.recv());
        let during = Inventory::now();
        let came = Inventory::now().without(&before);
        assert!(came.descriptors.contains_key(&file.as_raw_fd()));
        assert!(!came.threads.is_empty());
        let number = file.as_raw_fd();
        drop((file, hold));
        let _ = thread.join();
        let left = came.also_in(&during).also_in(&Inventory::now());
        assert!(!left.descriptors.contains_key(&number));
    }
}
