//! The text of `/proc/PID/smaps` by mapping (proc(5)). No I/O, no allocation.

/// One mapping of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapping<'a> {
    /// Its first byte.
    pub start: u64,
    /// The byte behind its last.
    pub end: u64,
    /// The process may write there.
    pub is_writable: bool,
    /// What is written there is seen by all that map it: nothing is ever copied.
    pub is_shared: bool,
    /// A path, a name in brackets, or nothing.
    pub name: &'a [u8],
    /// `Private_Clean` + `Private_Dirty`, in bytes.
    pub private: u64,
    /// `Rss`, in bytes.
    pub resident: u64,
}

impl Mapping<'_> {
    /// It shows a file.
    pub fn is_file(&self) -> bool {
        self.name.starts_with(b"/")
    }

    /// Memory without a name, or with one that is no more than a label (`[anon:..]`).
    pub fn is_anonymous(&self) -> bool {
        self.name.is_empty() || self.name.starts_with(b"[anon")
    }
}

/// Every mapping that the text lists, in its order, which is that of addresses.
pub fn each(smaps: &[u8]) -> impl Iterator<Item = Mapping<'_>> {
    let mut lines = smaps.split(|&c| c == b'\n').peekable();
    std::iter::from_fn(move || loop {
        let Some(mut mapping) = header(lines.next()?) else {
            continue;
        };
        while let Some(line) = lines.next_if(|line| header(line).is_none()) {
            let (name, rest) = split(line, b':').unwrap_or((line, b""));
            let sum = match name {
                b"Private_Clean" | b"Private_Dirty" => &mut mapping.private,
                b"Rss" => &mut mapping.resident,
                _ => continue,
            };
            *sum = sum.wrapping_add(number(rest, 10).wrapping_mul(1024));
        }
        return Some(mapping);
    })
}

/// `7f12a000-7f12c000 rw-p 00000000 00:00 0    [heap]`
fn header(line: &[u8]) -> Option<Mapping<'_>> {
    let (range, rest) = split(line, b' ')?;
    let (start, end) = split(range, b'-')?;
    let is_hex = |text: &[u8]| !text.is_empty() && text.iter().all(u8::is_ascii_hexdigit);
    if !is_hex(start) || !is_hex(end) {
        return None;
    }
    let mut name = rest;
    // Permissions, offset, device and inode stand before it.
    for _ in 0..4 {
        name = split(name, b' ').map_or(&b""[..], |(_, rest)| rest);
    }
    let (start, end) = (number(start, 16), number(end, 16));
    (start <= end).then_some(Mapping {
        start,
        end,
        is_writable: rest.get(1) == Some(&b'w'),
        is_shared: rest.get(3) == Some(&b's'),
        name: name.trim_ascii(),
        private: 0,
        resident: 0,
    })
}

fn split(text: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let position = text.iter().position(|&c| c == at)?;
    Some((&text[..position], &text[position + 1..]))
}

/// The number that a text begins with, behind blanks; 0 if there is none.
fn number(text: &[u8], radix: u32) -> u64 {
    text.trim_ascii_start()
        .iter()
        .map_while(|&c| char::from(c).to_digit(radix))
        .fold(0u64, |number, digit| {
            number.wrapping_mul(radix.into()).wrapping_add(digit.into())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Linux 6.1, shortened.
    const RECORDED: &[u8] = b"\
00400000-00420000 r--p 00000000 08:01 523  /usr/bin/python3.11\n\
Size:                128 kB\n\
Rss:                 128 kB\n\
Private_Clean:         0 kB\n\
Private_Dirty:         0 kB\n\
VmFlags: rd mr mw me dw sd \n\
00d1a000-00f2b000 rw-p 00000000 00:00 0                                  [heap]\n\
Private_Clean:         4 kB\n\
Private_Dirty:      1860 kB\n\
7f0e4c000000-7f0e4c021000 rw-p 00000000 00:00 0 \n\
Private_Dirty:         8 kB\n\
7f0e50000000-7f0e50001000 rw-s 00000000 00:01 99 /dev/zero (deleted)\n\
Private_Dirty:         4 kB\n\
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n";

    #[test]
    fn mappings_have_names_and_what_is_private() {
        let all: Vec<_> = each(RECORDED).collect();
        let names: Vec<_> = all
            .iter()
            .map(|it| String::from_utf8_lossy(it.name))
            .collect();
        let expected = [
            "/usr/bin/python3.11",
            "[heap]",
            "",
            "/dev/zero (deleted)",
            "[vsyscall]",
        ];
        assert_eq!(names, expected);
        let private: Vec<_> = all.iter().map(|it| it.private >> 10).collect();
        assert_eq!(private, [0, 1864, 8, 4, 0]);
        assert_eq!(all[0].resident, 128 << 10);
        assert_eq!((all[1].start, all[1].end), (0xd1_a000, 0xf2_b000));
        assert!(all[1].is_writable && !all[0].is_writable);
        assert!(all[3].is_shared && !all[2].is_shared);
        assert!(all[0].is_file() && all[2].is_anonymous() && !all[1].is_anonymous());
    }

    #[test]
    fn strange_text_is_no_mapping() {
        for text in [
            "",
            "\n\n",
            "Size: 4 kB",
            "-",
            "zz-1 rw-p",
            "2000-1000 rw-p",
            "Private_Dirty: 4 kB",
        ] {
            assert_eq!(each(text.as_bytes()).count(), 0, "{text}");
        }
        // Cut off in the middle.
        let cut = &RECORDED[..RECORDED.len() - 120];
        assert_eq!(each(cut).count(), 4);
    }
}
