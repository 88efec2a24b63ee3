//! Memory that the process holds, cheap enough to ask often.

use std::{fs::File, io::Read};

/// Memory of the calling process that is resident, in bytes (the second number of /proc/self/statm,
/// about 5 us); `None` where /proc cannot be read.
pub fn resident() -> Option<u64> {
    let mut buffer = [0; 128];
    let got = File::open("/proc/self/statm")
        .ok()?
        .read(&mut buffer)
        .ok()?;
    second_number(&buffer[..got])?.checked_mul(rustix::param::page_size() as u64)
}

fn second_number(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?;
    text.split_ascii_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_number_counts_pages() {
        assert_eq!(second_number(b"100 42 7 1 0 2 0\n"), Some(42));
        assert_eq!(second_number(b"100"), None);
        assert_eq!(second_number(b"x y"), None);
        assert!(resident().unwrap() > 1 << 20);
    }
}
