//! What the Python text of this room answers: lines for the log.

/// Logs lines of a level (`I` or `W`), a tab and a text, each behind the name of the option that
/// they are about.
pub fn log(option: &str, lines: &str) {
    for line in lines.lines() {
        match line.split_once('\t') {
            Some(("I", text)) => log::info!("{option}: {text}"),
            Some((_, text)) => log::warn!("{option}: {text}"),
            None => {}
        }
    }
}
