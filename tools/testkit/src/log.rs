//! What uWSGI writes, read as it comes.

use crate::patience::patient;
use rustix::{
    event::{poll, PollFd, PollFlags},
    io::ioctl_fionread,
};
use std::{
    io::{PipeReader, Read},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// The output of one uWSGI and all its children, growing while they live.
#[derive(Debug)]
pub(crate) struct Log {
    /// What is written and not read yet waits here.
    pipe: PipeReader,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    bytes: Vec<u8>,
    /// Nobody holds the writing end any more.
    ended: bool,
}

impl State {
    /// The text up to the last whole line.
    fn text(&self) -> String {
        let whole = match self.bytes.iter().rposition(|&byte| byte == b'\n') {
            _ if self.ended => self.bytes.len(),
            Some(newline) => newline + 1,
            None => 0,
        };
        String::from_utf8_lossy(&self.bytes[..whole]).into_owned()
    }
}

/// Why a wait for something in the log was in vain.
#[derive(Debug)]
pub(crate) enum InVain {
    /// All writers are gone.
    Ended,
    /// The deadline passed.
    TimedOut,
}

impl Log {
    /// Reads the pipe in a thread of its own until its last writer is gone.
    pub(crate) fn follow(mut pipe: PipeReader) -> Arc<Self> {
        let log = Arc::new(Self {
            pipe: pipe.try_clone().expect("a second descriptor of the pipe"),
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let ours = Arc::clone(&log);
        thread::spawn(move || {
            let mut chunk = [0; 16384];
            loop {
                // Read under the lock only: then an empty pipe means that all is in the text.
                let mut readable = [PollFd::new(&ours.pipe, PollFlags::IN)];
                let _ = poll(&mut readable, None);
                let mut state = ours.lock();
                let count = pipe.read(&mut chunk).unwrap_or(0);
                state.bytes.extend_from_slice(&chunk[..count]);
                state.ended = count == 0;
                ours.changed.notify_all();
                if state.ended {
                    return;
                }
            }
        });
        log
    }

    /// All whole lines that were written so far, be it a moment ago.
    pub(crate) fn text(&self) -> String {
        let mut state = self.lock();
        while !state.ended && ioctl_fionread(&self.pipe).is_ok_and(|waiting| waiting > 0) {
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        state.text()
    }

    /// Asks `found` about the text, again whenever it has grown.
    pub(crate) fn wait<T>(
        &self,
        limit: Duration,
        mut found: impl FnMut(&str) -> Option<T>,
    ) -> Result<T, InVain> {
        let deadline = Instant::now() + patient(limit);
        let mut state = self.lock();
        loop {
            if let Some(answer) = found(&state.text()) {
                return Ok(answer);
            }
            if state.ended {
                return Err(InVain::Ended);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(InVain::TimedOut);
            }
            state = self
                .changed
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic in `found` leaves the text as good as it was.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
