//! What the Python text of this room answers: lines for the log.

use log::Level;

/// Logs the lines of an answer, each behind the name of the option that they are about.
pub fn log(option: &str, answer: &str) {
    for (level, text) in lines(answer) {
        log::log!(level, "{option}: {text}");
    }
}

/// Lines of a level (`I` or `W`), a tab and a text.
fn lines(answer: &str) -> impl Iterator<Item = (Level, &str)> {
    let lines = answer.lines().filter_map(|line| line.split_once('\t'));
    lines.map(|(level, text)| match level {
        "I" => (Level::Info, text),
        _ => (Level::Warn, text),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_a_level_and_a_text() {
        let answer = "I\tserved\tonce\n\nno level\nW\tfailed";
        let expected = [(Level::Info, "served\tonce"), (Level::Warn, "failed")];
        assert_eq!(lines(answer).collect::<Vec<_>>(), expected);
        assert_eq!(lines("").count(), 0);
    }
}
