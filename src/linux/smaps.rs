//! The text of `/proc/PID/smaps` and `smaps_rollup`: from lines to sums. No I/O, no allocation.

/// The memory of one process, in bytes (proc(5)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Pages that another process maps too: `Shared_Clean` + `Shared_Dirty`.
    pub shared: u64,
    /// Pages of this process alone: `Private_Clean` + `Private_Dirty`.
    pub private: u64,
    /// Proportional set size: every page divided by the number of its users.
    pub pss: u64,
    /// Pages that ksmd merged with equal ones: `KSM`; 0 on a kernel that has no such line.
    pub ksm: u64,
}

impl Usage {
    /// Adds what one line says; lines of smaps repeat for every mapping, those of the rollup do not.
    pub fn add_line(&mut self, line: &[u8]) {
        let Some(colon) = line.iter().position(|&c| c == b':') else {
            return;
        };
        let sum = match &line[..colon] {
            b"Shared_Clean" | b"Shared_Dirty" => &mut self.shared,
            b"Private_Clean" | b"Private_Dirty" => &mut self.private,
            b"Pss" => &mut self.pss,
            b"KSM" => &mut self.ksm,
            _ => return,
        };
        *sum = sum.saturating_add(kilobytes(&line[colon + 1..]).saturating_mul(1024));
    }
}

/// The number in `      1234 kB`; 0 if there is none.
fn kilobytes(text: &[u8]) -> u64 {
    text.iter()
        .skip_while(|c| c.is_ascii_whitespace())
        .take_while(|c| c.is_ascii_digit())
        .fold(0, |number: u64, digit| {
            let digit = u64::from(digit - b'0');
            number.saturating_mul(10).saturating_add(digit)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(text: &str) -> Usage {
        let mut usage = Usage::default();
        text.lines()
            .for_each(|line| usage.add_line(line.as_bytes()));
        usage
    }

    #[test]
    fn a_rollup_of_linux_6() {
        let text = "55d0c0a00000-7ffc3b5ff000 ---p 00000000 00:00 0    [rollup]\n\
                    Rss:              204712 kB\n\
                    Pss:               61520 kB\n\
                    Pss_Dirty:         50000 kB\n\
                    Pss_Anon:          49000 kB\n\
                    Shared_Clean:       7000 kB\n\
                    Shared_Dirty:     180000 kB\n\
                    Private_Clean:       712 kB\n\
                    Private_Dirty:     17000 kB\n\
                    KSM:                 512 kB\n";
        let expected = Usage {
            shared: 187_000 * 1024,
            private: 17_712 * 1024,
            pss: 61_520 * 1024,
            ksm: 512 * 1024,
        };
        assert_eq!(sum(text), expected);
    }

    #[test]
    fn mappings_of_linux_4_add_up() {
        let mapping = "00400000-00452000 r-xp 00000000 08:02 173521 /usr/bin/python3\n\
                       Size:                328 kB\n\
                       Pss:                  10 kB\n\
                       Shared_Clean:          8 kB\n\
                       Shared_Dirty:          4 kB\n\
                       Private_Clean:         2 kB\n\
                       Private_Dirty:         1 kB\n\
                       VmFlags: rd ex mr mw me dw sd\n";
        let expected = Usage {
            shared: 24 * 1024,
            private: 6 * 1024,
            pss: 20 * 1024,
            ksm: 0,
        };
        assert_eq!(sum(&mapping.repeat(2)), expected);
    }

    #[test]
    fn no_number_is_too_large() {
        let huge = "Pss: 99999999999999999999999 kB\n".repeat(2);
        assert_eq!(sum(&huge).pss, u64::MAX);
    }

    #[test]
    fn strange_lines_count_nothing() {
        assert_eq!(
            sum("\n:\nPss:\nPss: kB\nShared_Clean\nPss_Anon: 5 kB\n"),
            Usage::default()
        );
    }
}
