//! Who reads which memory when, within 0.4% of a core and 20 ms at a time: a part for samples, a part for what
//! takes longer, so that neither waits for the other.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    time::Duration,
};

use super::{budget::Budget, copied::Listed, slot::Slot};
use crate::{
    linux::{
        channel::{Channel, MESSAGE},
        clock,
        pagemap::Pages,
        smaps::Usage,
        usage,
    },
    plugin::Role,
};

/// Hands the master what it reads this process's memory through; whether it can. Without the second
/// descriptor, nothing is told of what this process has copied.
pub fn hand_over(channel: Option<&Channel>, role: Role, pid: i32) -> bool {
    let (Some(channel), Ok(usage)) = (channel, usage::descriptor()) else {
        return false;
    };
    let message = encode(role, pid);
    let sent = match Pages::own() {
        Ok(pages) => channel.send(&message, &[usage.as_fd(), pages.as_fd()]),
        Err(_) => channel.send(&message, &[usage.as_fd()]),
    };
    sent.is_ok()
}

/// Who hands a descriptor over, as a message.
fn encode(role: Role, pid: i32) -> [u8; MESSAGE] {
    let mut message = [0; MESSAGE];
    message[0] = match role {
        Role::Master => 0,
        Role::Worker(_) => 1,
        Role::Mule(_) => 2,
        Role::Spooler(_) => 3,
    };
    message[4..8].copy_from_slice(&role.number().to_ne_bytes());
    message[8..12].copy_from_slice(&pid.to_ne_bytes());
    message
}

fn decode(message: &[u8; MESSAGE]) -> Option<(Role, i32)> {
    let number = |at: usize| {
        Some(i32::from_ne_bytes(
            message.get(at..at + 4)?.try_into().ok()?,
        ))
    };
    let role = match (message[0], number(4)?) {
        (1, number) => Role::Worker(number),
        (2, number) => Role::Mule(number),
        (3, number) => Role::Spooler(number),
        _ => return None,
    };
    Some((role, number(8)?))
}

/// Memory that is read: of another process, or of this one.
struct Source {
    /// None: this process.
    role: Option<Role>,
    pid: i32,
    descriptor: Option<OwnedFd>,
    /// Its pages, if it handed them over.
    pages: Option<Pages>,
    /// When it is to be read next, on [`clock::now`].
    due: i64,
}

/// What is read, and what reading may still cost.
pub struct Sampler {
    sources: Vec<Source>,
    period: i64,
    samples: Budget,
    /// For looks at what was copied.
    looks: Budget,
    original: Listed,
}

/// 0.3% of a core, in nanoseconds a millisecond.
const SAMPLES: i64 = 3_000;
/// 0.1% of a core.
const LOOKS: i64 = 1_000;
/// Nanoseconds that are spent on either at one time at most, give or take one read.
const AT_ONCE: i64 = 10_000_000;

impl Sampler {
    /// Reads this process, and every one that is [added](Self::add).
    pub fn new(period: Duration) -> Self {
        let (now, period) = (clock::now(), period.as_millis() as i64);
        Self {
            sources: vec![Source {
                role: None,
                pid: crate::linux::process::pid(),
                descriptor: None,
                pages: None,
                due: now + period,
            }],
            period,
            samples: Budget::new(SAMPLES, AT_ONCE, now),
            looks: Budget::new(LOOKS, AT_ONCE, now),
            original: Listed::default(),
        }
    }

    /// A process has handed itself over; whoever had its place before is gone.
    pub fn add(&mut self, message: &[u8; MESSAGE], descriptors: Vec<OwnedFd>, now: i64) {
        let mut descriptors = descriptors.into_iter();
        let (Some((role, pid)), Some(descriptor)) = (decode(message), descriptors.next()) else {
            return;
        };
        self.sources.retain(|source| source.role != Some(role));
        self.sources.push(Source {
            role: Some(role),
            pid,
            descriptor: Some(descriptor),
            pages: descriptors.next().map(Pages::from),
            due: now + self.first(role.number()),
        });
    }

    /// Processes are forked together, but are not to be read all at once: the golden ratio spreads any
    /// number of them.
    fn first(&self, number: i32) -> i64 {
        const GOLDEN: f64 = 0.618_033_988_749_895;
        (self.period as f64 * (f64::from(number) * GOLDEN).fract()) as i64
    }

    /// Reads what is due, as far as the budget goes, into the slot of its place; whether anything was.
    pub fn read_due(&mut self, now: i64, slot: impl Fn(Option<Role>) -> Option<Slot>) -> bool {
        let mut read = false;
        while self.samples.allows(now) {
            let Some(next) = self.next_due(now) else {
                break;
            };
            let source = &mut self.sources[next];
            source.due = now + self.period;
            let before = clock::own_cpu();
            let usage = source.read();
            let between = clock::own_cpu();
            self.samples.spend(between.saturating_sub(before));
            let pages = source.pages.as_ref();
            let copied = pages.filter(|_| self.looks.allows(now));
            let copied = copied.and_then(|pages| self.original.copied_by(pages, now));
            self.looks.spend(clock::own_cpu().saturating_sub(between));
            read = true;
            let (role, pid) = (source.role, source.pid);
            match usage {
                Ok(usage) => {
                    if let Some(slot) = slot(role) {
                        slot.measured(pid, &usage, now);
                        if let Some(bytes) = copied {
                            slot.looked_at(pid, bytes);
                        }
                    }
                }
                Err(_) if role.is_some() => drop(self.sources.swap_remove(next)),
                Err(_) => {}
            }
        }
        read
    }

    /// The source that has waited longest.
    fn next_due(&self, now: i64) -> Option<usize> {
        let due = self
            .sources
            .iter()
            .enumerate()
            .filter(|(_, it)| it.due <= now);
        due.min_by_key(|(_, it)| it.due).map(|(index, _)| index)
    }
}

impl Source {
    fn read(&self) -> io::Result<Usage> {
        match &self.descriptor {
            Some(descriptor) => usage::of(descriptor),
            None => usage::own().map_err(io::Error::other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sharing::slots::empty;

    fn message(number: i32) -> [u8; MESSAGE] {
        encode(Role::Worker(number), 100 + number)
    }

    #[test]
    fn a_message_says_who_sent_it() {
        for role in [Role::Worker(7), Role::Mule(1), Role::Spooler(64)] {
            assert_eq!(decode(&encode(role, 1234)), Some((role, 1234)));
        }
        assert_eq!(decode(&[9; MESSAGE]), None);
    }

    #[test]
    fn what_is_due_is_read_once_a_period() {
        let mut sampler = Sampler::new(Duration::from_secs(10));
        let now = clock::now();
        sampler.add(&message(1), vec![usage::descriptor().unwrap()], now);
        let slots = empty(1);
        let slot = |role: Option<Role>| role.and_then(|role| slots.slot(role));
        assert!(!sampler.read_due(now, slot));
        assert!(sampler.read_due(now + 10_000, slot));
        let sample = slots.slot(Role::Worker(1)).unwrap().read();
        // Nobody has begun to sit there.
        assert!(sample.is_none());
        assert!(!sampler.read_due(now + 10_001, slot));
    }

    #[test]
    fn a_place_is_one_process_and_reads_are_spread() {
        let mut sampler = Sampler::new(Duration::from_secs(10));
        for number in [1, 2, 2, 3] {
            sampler.add(&message(number), vec![usage::descriptor().unwrap()], 0);
        }
        let dues: std::collections::BTreeSet<i64> = sampler
            .sources
            .iter()
            .skip(1)
            .map(|it| it.due / 100)
            .collect();
        assert_eq!(dues.len(), 3);
    }

    #[test]
    fn reading_stops_where_the_budget_ends() {
        let mut sampler = Sampler::new(Duration::from_secs(1));
        let now = clock::now();
        for number in 1..500 {
            sampler.add(&message(number), vec![usage::descriptor().unwrap()], now);
        }
        sampler.samples = Budget::new(SAMPLES, 1_000_000, now + 1000);
        assert!(sampler.read_due(now + 1000, |_| None));
        let waiting = sampler.sources.iter().filter(|it| it.due <= now + 1000);
        assert!(waiting.count() > 100 && !sampler.samples.allows(now + 1000));
        // 250 times what was spent passes before more is read.
        assert!(!sampler.read_due(now + 1000, |_| None));
    }
}
