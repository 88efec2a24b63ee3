//! Feature: what every process shares, and where that can be read.
//!
//! Each process that serves has a slot in memory that all share. The master reads their memory through
//! descriptors that they hand to it; without a master the only process reads its own.

use std::{
    sync::{atomic::Ordering::Relaxed, Mutex, OnceLock},
    time::Duration,
};

use crate::{
    linux::{channel::Channel, clock, mapping, process, usage},
    plugin::{Plugin, Process, Role},
};

mod budget;
pub mod collections;
mod copied;
pub mod instance_info;
mod json;
pub mod private_limit;
mod prometheus;
pub mod publish;
mod sampler;
mod slot;
mod slots;
mod textfile;
pub mod waste;
pub mod why;

use collections::Collections;
use sampler::Sampler;
use slot::Slot;
use slots::SlotTable;
use textfile::TextFile;

/// What uWSGI's log variables, its RPC and its metrics read. They come without an argument to carry it.
static SHARING: OnceLock<Sharing> = OnceLock::new();

/// The table of an instance, and what this process does for it.
pub struct Sharing {
    slots: SlotTable,
    textfile: Option<TextFile>,
    /// How the master hears of processes; none in them, or where nothing is sampled.
    channel: Mutex<Option<Channel>>,
    /// Who reads memory in this process.
    sampler: Mutex<Option<Sampler>>,
    /// Where this process tells its numbers.
    own: OnceLock<(i32, Slot)>,
}

// While uWSGI starts.

/// Every plugin is up: there is room for all. Metrics and log format are set up next. Answers whether
/// the text file can be written.
pub fn prepare(plugin: &Plugin) -> Result<(), textfile::TextFileError> {
    let workers = plugin.host.workers();
    let numbers = match mapping::numbers(SlotTable::size(workers)) {
        Ok(numbers) => numbers,
        Err(error) => {
            log::error!("no memory to share what is measured: {error}");
            return Ok(());
        }
    };
    let sharing = SHARING.get_or_init(|| Sharing {
        slots: SlotTable::new(numbers, workers),
        textfile: plugin.config.textfile.as_deref().map(TextFile::new),
        channel: Mutex::new(None),
        sampler: Mutex::new(None),
        own: OnceLock::new(),
    });
    publish::register(plugin, &sharing.slots);
    sharing.textfile.as_ref().map_or(Ok(()), TextFile::check)
}

// Around the fork.

/// The master is about to fork for the first time.
pub fn before_fork(plugin: &Plugin) {
    let Some(sharing) = in_use(plugin) else {
        return;
    };
    let own = usage::own();
    if let Err(error) = &own {
        log::warn!("shared memory cannot be measured here: {error}");
    }
    if !plugin.host.has_master() {
        return;
    }
    match Channel::new() {
        Ok(channel) => set(&sharing.channel, Some(channel)),
        Err(error) => log::warn!("pycow-sample: workers are sampled after requests only: {error}"),
    }
    if let (Some(slot), Ok(usage)) = (sharing.slots.slot(Role::Master), own) {
        let _ = sharing.own.set((process::pid(), slot));
        slot.begin(process::pid(), 0, &usage, clock::now());
    }
    set(&sharing.sampler, Some(Sampler::new(period(plugin))));
}

/// What applications loaded is frozen: in the master, or with `lazy-apps` in this worker.
pub fn frozen(plugin: &Plugin) {
    if let Some(sharing) = SHARING.get() {
        let (frozen, immortal) = (plugin.frozen.load(Relaxed), plugin.immortal.load(Relaxed));
        sharing.slots.tell_objects(frozen, immortal);
    }
}

/// A spooler has no number of its own: that of a free slot; 0 if there is none.
pub fn spooler_number() -> i32 {
    let slots = SHARING.get().map(|sharing| &sharing.slots);
    slots
        .and_then(|slots| slots.claim_spooler(process::pid(), process::is_alive))
        .unwrap_or(0)
}

/// The first moment of a process that serves: its first sample, and its descriptor to the master.
/// What it inherited of the master's is closed.
pub fn in_child(plugin: &Plugin, process: &Process) {
    let Some(sharing) = in_use(plugin) else {
        return;
    };
    let channel = take(&sharing.channel);
    set(&sharing.sampler, None);
    let Some(slot) = sharing.slots.slot(process.role) else {
        return;
    };
    // Where /proc is missing there is nothing to tell.
    let Some(birth) = process.birth else {
        return;
    };
    // Without a master nobody forked it.
    let inherited = if process.has_master { birth.shared } else { 0 };
    slot.begin(process.pid, inherited, &birth, clock::now());
    if process.has_master && sampler::hand_over(channel.as_ref(), process.role, process.pid) {
        return;
    }
    set(&sharing.sampler, Some(Sampler::new(period(plugin))));
    if !process.has_master {
        sharing.aggregate(plugin);
    }
}

/// `sharing.own` of a master is inherited by all that it forks, so it names its process.
fn own_slot(sharing: &Sharing) -> Option<Slot> {
    if let Some(process) = Process::get() {
        return sharing.slots.slot(process.role);
    }
    let (pid, slot) = sharing.own.get()?;
    (*pid == process::pid()).then_some(*slot)
}

// Sampling.

/// A second has passed in the master.
pub fn master_cycle(plugin: &Plugin) {
    let Some(sharing) = in_use(plugin) else {
        return;
    };
    let Ok(mut sampler) = sharing.sampler.lock() else {
        return;
    };
    let Some(sampler) = sampler.as_mut() else {
        return;
    };
    if let Ok(channel) = sharing.channel.lock() {
        while let Some((message, descriptors)) = channel.as_ref().and_then(Channel::receive) {
            sampler.add(&message, descriptors, clock::now());
        }
    }
    if sampler.read_due(clock::now(), |role| match role {
        Some(role) => sharing.slots.slot(role),
        None => own_slot(sharing),
    }) {
        sharing.aggregate(plugin);
    }
}

/// A request is over in this process.
pub fn request_done(plugin: &Plugin, process: &Process, requests: u64) {
    let Some(sharing) = in_use(plugin) else {
        return;
    };
    let Some(slot) = sharing.slots.slot(process.role) else {
        return;
    };
    slot.count(requests);
    slot.count_moved_marks(process.moved_marks.load(Relaxed));
    // Another thread is at it already.
    let Ok(mut sampler) = sharing.sampler.try_lock() else {
        return;
    };
    let Some(sampler) = sampler.as_mut() else {
        return;
    };
    if sampler.read_due(clock::now(), |_| Some(slot)) && !process.has_master {
        sharing.aggregate(plugin);
    }
}

/// What the collector of this process has done so far.
pub fn collected(plugin: &Plugin, process: &Process, collections: &Collections) {
    let slot = in_use(plugin).and_then(|sharing| sharing.slots.slot(process.role));
    if let Some(slot) = slot {
        slot.tell_collections(collections);
    }
}

impl Sharing {
    /// Clears the slots of those that are gone, adds up, and writes the text file.
    fn aggregate(&self, plugin: &Plugin) {
        self.slots.sweep(process::is_alive);
        if let Some(file) = &self.textfile {
            let info = publish::instance_info(plugin, &self.slots);
            let instance = plugin.config.instance();
            if let Ok(text) = prometheus::text(&info, &self.slots, instance) {
                file.replace(&text);
            }
        }
    }
}

// Leaving.

/// The exit hooks of this process begin; after `limit` seconds (0: never) they are cut short.
pub fn hooks_begin(limit: u32) {
    if let Some(slot) = SHARING.get().and_then(own_slot) {
        slot.hooks_begin(u64::from(limit) * 1_000_000);
    }
}

/// This process leaves; its hooks took that long, if they ran. Async-signal-safe.
pub fn left(hooks: Option<Duration>) {
    let Some(slot) = SHARING.get().and_then(own_slot) else {
        return;
    };
    if let Some(took) = hooks {
        slot.hooks_over(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }
    slot.clear();
}

/// A process that keeps the table leaves: what the text file says is true no more.
pub fn keeper_left() {
    if let Some(file) = SHARING.get().and_then(|sharing| sharing.textfile.as_ref()) {
        file.remove();
    }
}

fn in_use(plugin: &Plugin) -> Option<&'static Sharing> {
    SHARING.get().filter(|_| plugin.config.sample > 0)
}

fn period(plugin: &Plugin) -> Duration {
    Duration::from_secs(plugin.config.sample.into())
}

fn set<T>(place: &Mutex<Option<T>>, value: Option<T>) {
    if let Ok(mut place) = place.lock() {
        *place = value;
    }
}

fn take<T>(place: &Mutex<Option<T>>) -> Option<T> {
    place.lock().ok()?.take()
}
