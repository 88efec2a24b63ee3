//! Where an input went: LLVM's counters, one for every edge of the program (SanitizerCoverage with
//! `inline-8bit-counters`), which a stable compiler can be told to put in.

#![allow(
    unsafe_code,
    reason = "the counters are memory that the compiler hands over"
)]

use std::{
    slice,
    sync::{
        atomic::{AtomicU8, Ordering::Relaxed},
        Mutex, PoisonError,
    },
};

static COUNTERS: Mutex<Vec<&'static [AtomicU8]>> = Mutex::new(Vec::new());

/// Called by every part of the program that counts, before `main`.
///
/// # Safety
/// Whoever calls has counters from `start` to `stop`, for good.
#[cfg_attr(coverage_counted, no_mangle)]
pub unsafe extern "C" fn __sanitizer_cov_8bit_counters_init(start: *mut u8, stop: *mut u8) {
    // SAFETY: the caller's promise. Others write single bytes, which cannot tear.
    let counters = unsafe {
        let length = usize::try_from(stop.offset_from(start)).unwrap_or(0);
        slice::from_raw_parts(start.cast::<AtomicU8>(), length)
    };
    let mut all = COUNTERS.lock().unwrap_or_else(PoisonError::into_inner);
    if !all.iter().any(|known| known.as_ptr() == counters.as_ptr()) {
        all.push(counters);
    }
}

/// All edges gone so far.
#[derive(Debug, Default)]
pub struct Seen {
    /// A bit for every power of two of how often an edge was gone in one run.
    edges: Vec<u8>,
}

impl Seen {
    /// Forgets where the run before went.
    pub fn start(&self) {
        let all = COUNTERS.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter()
            .copied()
            .flatten()
            .for_each(|one| one.store(0, Relaxed));
    }

    /// How many edges this run went for the first time, or so often for the first time. `None` where
    /// nothing counts.
    pub fn news(&mut self) -> Option<usize> {
        let all = COUNTERS.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = all.iter().copied().flatten().map(|one| one.load(Relaxed));
        self.edges
            .resize(all.iter().map(|some| some.len()).sum(), 0);
        let mut news = 0;
        for (seen, count) in self.edges.iter_mut().zip(counts) {
            let bit = count.checked_ilog2().map_or(0, |power| 1 << power);
            news += usize::from(*seen & bit != bit);
            *seen |= bit;
        }
        (!self.edges.is_empty()).then_some(news)
    }

    /// Edges that were gone at all.
    pub fn edges(&self) -> usize {
        self.edges.iter().filter(|&&seen| seen != 0).count()
    }
}
