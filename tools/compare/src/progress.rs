//! What is going on, on the way.

use std::time::Instant;

/// `println!`, but a reader who has gone (`make bench | head`) is no reason to stop.
macro_rules! tell {
    ($($text:tt)*) => {{
        use std::io::Write;
        let _ = writeln!(std::io::stdout(), $($text)*);
    }};
}
pub(crate) use tell;

/// Says what is going on, with the time since the start.
#[derive(Debug)]
pub struct Progress {
    start: Instant,
}

impl Progress {
    /// Starts the clock.
    pub fn new() -> Self {
        Self {
            start: Instant::now(),
        }
    }

    /// One line.
    pub fn say(&self, what: &str) {
        let seconds = self.start.elapsed().as_secs();
        tell!("{:3}:{:02}  {what}", seconds / 60, seconds % 60);
    }
}
