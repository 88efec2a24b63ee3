//! The check that marks stay where they were put, for as long as a worker lives.
//!
//! The interpreter leaves a marked count alone, but an extension may not: one that was built for the stable
//! ABI of a CPython before 3.12 adds and takes references itself. On 3.14 that moves the mark by one a
//! call, and after 2^30 of them an object in use would be freed. So a worker reads the words of
//! marked objects, a slice after a request, and writes back what moved. Reading copies no page.
//!
//! A round over all objects takes some 10 ns for each, of at most [`SHARE`] of the worker's CPU time. A call
//! from Python into an extension takes 40 ns or more, so 2^30 of them more than 40 s, in which some 2,000,000
//! objects are read. So that a larger heap is safe, too, part of the time goes to objects that were shared when
//! they were marked, and classes: what an extension touches over and over, and few. What moved
//! once is looked at in each slice from then on.

use std::{
    sync::{Mutex, OnceLock, TryLockError},
    time::{Duration, Instant},
};

use crate::{
    linux::mmap_vec::{MmapVec, OutOfMemory},
    python::{
        interpreter::{Gil, Python},
        marked::Marked,
        object::Ref,
        refcount::RefcountLayout,
    },
};

/// At most this part of the CPU time: 1 / 2000 is 0.05%.
const SHARE: u32 = 2000;
/// No more often than this.
const PACE: Duration = Duration::from_millis(20);
/// A slice is not worth beginning below this, and ends above that.
const SHORTEST: Duration = Duration::from_micros(25);
const LONGEST: Duration = Duration::from_millis(1);
/// Groups of [`GROUP`] bytes, and shared objects, between two looks at the clock: some 10 us.
const GROUP_STRIDE: usize = 96;
const SHARED_STRIDE: usize = 128;

/// Objects lie at multiples of this.
const ALIGNMENT: usize = 16;
/// The memory that one word of bits stands for, and that one segment does.
const GROUP: usize = 64 * ALIGNMENT;
const SEGMENT: usize = 1 << 20;
const GROUPS: usize = SEGMENT / GROUP;
/// Places for segments while objects are noted down: enough for 64 GB.
const PLACES: usize = 1 << 17;

/// Objects with so many references are shared, up to so many of them.
const SHARED: u32 = 16;
const MOST_SHARED: usize = 1 << 18;

/// Which objects were marked: a bit for every 16 bytes of the segments in which some lie.
pub struct Marks {
    /// The number of each segment (its address / [`SEGMENT`]), in the order in which they were met.
    segments: MmapVec<usize>,
    /// Its [`GROUPS`] words of bits.
    bits: MmapVec<u64>,
    /// Shared objects and classes, and those of C code that lie between two multiples of 16.
    shared: MmapVec<usize>,
    /// Which segment stands where, plus one, by a hash of its number.
    places: MmapVec<u32>,
    /// The last one that was asked for.
    last: (usize, usize),
}

impl Marks {
    /// None yet.
    pub fn new() -> Result<Self, OutOfMemory> {
        Ok(Self {
            segments: MmapVec::new(),
            bits: MmapVec::new(),
            shared: MmapVec::new(),
            places: MmapVec::filled(0, PLACES)?,
            last: (usize::MAX, 0),
        })
    }

    /// Notes down an object that is marked, with the references that it had before.
    pub fn add(&mut self, object: Ref<'_>, references: u32) -> Result<(), OutOfMemory> {
        let address = object.address();
        let shared = references >= SHARED && self.shared.as_slice().len() < MOST_SHARED;
        if shared || address & (ALIGNMENT - 1) != 0 {
            return self.shared.push(address);
        }
        let number = address / SEGMENT;
        if self.last.0 != number {
            let Some(segment) = self.segment(number)? else {
                return Ok(());
            };
            self.last = (number, segment);
        }
        let group = self.last.1 * GROUPS + address % SEGMENT / GROUP;
        self.bits.as_mut_slice()[group] |= 1 << (address % GROUP / ALIGNMENT);
        Ok(())
    }

    /// The place of a segment; `None` where there are too many.
    fn segment(&mut self, number: usize) -> Result<Option<usize>, OutOfMemory> {
        let hash = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - PLACES.ilog2());
        for place in (0..PLACES).map(|step| (hash + step) % PLACES) {
            match self.places.as_slice()[place] {
                0 if self.segments.as_slice().len() >= PLACES / 2 => return Ok(None),
                0 => {
                    self.segments.push(number)?;
                    for _ in 0..GROUPS {
                        self.bits.push(0)?;
                    }
                    let count = self.segments.as_slice().len();
                    self.places.as_mut_slice()[place] = count as u32;
                    return Ok(Some(count - 1));
                }
                taken if self.segments.as_slice()[taken as usize - 1] == number => {
                    return Ok(Some(taken as usize - 1))
                }
                _ => {}
            }
        }
        Ok(None)
    }

    /// The addresses that a word of bits stands for.
    fn group(&self, group: usize) -> impl Iterator<Item = usize> {
        let start = self.segments.as_slice()[group / GROUPS] * SEGMENT + group % GROUPS * GROUP;
        let mut bits = self.bits.as_slice()[group];
        std::iter::from_fn(move || {
            let bit = (bits != 0).then(|| bits.trailing_zeros() as usize)?;
            bits &= bits - 1;
            Some(start + bit * ALIGNMENT)
        })
    }
}

/// Static, since it is made before the fork, and checks in all that is forked.
static AUDIT: OnceLock<Audit> = OnceLock::new();

/// These marks are to be checked from now on.
pub fn begin(marks: Marks, layout: RefcountLayout) {
    let _ = AUDIT.set(Audit::new(marks, layout));
}

/// Checks some more marks, if there are any and it is time to. Answers how many were out of place, and are back.
///
/// To be called in a worker after a request, with or without the GIL. `cpu_time`: what this process has
/// used since it was forked. Between two slices it costs a look at the clock.
pub fn step(python: &Python, cpu_time: fn() -> Duration) -> u64 {
    AUDIT.get().map_or(0, |audit| audit.step(python, cpu_time))
}

/// Checks marks, a slice at a time.
struct Audit {
    marks: Marks,
    layout: RefcountLayout,
    progress: Mutex<Progress>,
}

#[derive(Default)]
struct Progress {
    /// The next word of bits, and the next shared object.
    group: usize,
    shared: usize,
    last: Option<Instant>,
    /// CPU time that checks took.
    spent: Duration,
    /// Objects whose mark moved before.
    hot: Vec<usize>,
    /// What was named in the log.
    named: Vec<(String, bool)>,
}

/// The most objects that are kept under observation.
const HOT: usize = 256;

impl Audit {
    fn new(marks: Marks, layout: RefcountLayout) -> Self {
        let marks = Marks {
            places: MmapVec::new(),
            ..marks
        };
        Self {
            marks,
            layout,
            progress: Mutex::default(),
        }
    }

    fn step(&self, python: &Python, cpu_time: fn() -> Duration) -> u64 {
        let mut progress = match self.progress.try_lock() {
            Ok(progress) => progress,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return 0, // another thread is at it
        };
        let now = Instant::now();
        if progress.last.is_some_and(|last| now - last < PACE) {
            return 0;
        }
        progress.last = Some(now);
        let begin = cpu_time();
        let allowed = (begin / SHARE).saturating_sub(progress.spent);
        if allowed < SHORTEST {
            return 0;
        }
        let moved = self.slice(&mut progress, now + allowed.min(LONGEST));
        if !moved.is_empty() {
            python.with_gil(|gil| self.put_back(gil, &mut progress, &moved));
        }
        // The end of a slice is told by the cheaper clock, its cost by that of the CPU: the process may
        // have had to wait.
        progress.spent += cpu_time() - begin;
        moved.len() as u64
    }

    /// Objects whose mark is out of place, until the time is up.
    fn slice(&self, progress: &mut Progress, end: Instant) -> Vec<usize> {
        let mut moved = progress.hot.clone();
        moved.retain(|&address| self.is_moved(address));
        let (shared, groups) = (
            self.marks.shared.as_slice(),
            self.marks.bits.as_slice().len(),
        );
        loop {
            let stride = shared.iter().skip(progress.shared).take(SHARED_STRIDE);
            moved.extend(stride.filter(|&&address| self.is_moved(address)));
            progress.shared += SHARED_STRIDE;
            if progress.shared >= shared.len() {
                progress.shared = 0;
            }
            for group in (progress.group..groups).take(GROUP_STRIDE) {
                let all = self.marks.group(group);
                moved.extend(all.filter(|&address| self.is_moved(address)));
            }
            progress.group += GROUP_STRIDE;
            if progress.group >= groups {
                progress.group = 0;
            }
            if Instant::now() >= end {
                return moved;
            }
        }
    }

    fn is_moved(&self, address: usize) -> bool {
        !self.layout.is_in_place(self.marked(address).word())
    }

    fn marked(&self, address: usize) -> Marked {
        // SAFETY: the address of an object that was marked. It is there for ever, as nothing frees it
        // before its count has run out, which is what this prevents.
        unsafe { Marked::at(address) }
    }

    fn put_back(&self, gil: &Gil<'_>, progress: &mut Progress, moved: &[usize]) {
        for &address in moved {
            let by = self.marked(address).put_back(gil, self.layout);
            if !progress.hot.contains(&address) {
                if progress.hot.len() == HOT {
                    progress.hot.remove(0);
                }
                progress.hot.push(address);
            }
            let class = self.marked(address).class_name(gil);
            if progress.named.contains(&(class.clone(), by > 0)) {
                continue;
            }
            let gains = if by > 0 { "gained" } else { "lost" };
            log::warn!(
                "an immortal object of the class {class} {gains} {} references that should not have \
                 been counted, and was put right: an extension module counts by itself, as those do \
                 that were built for the stable ABI of a CPython before 3.12",
                by.unsigned_abs()
            );
            progress.named.push((class, by > 0));
        }
    }
}
