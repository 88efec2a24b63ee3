//! Inputs that are nearly right: a few changes to one that was recorded.

/// Numbers that look like chance and are the same for the same seed (xorshift64*).
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    /// A sequence of its own for each seed.
    pub fn new(seed: u64) -> Self {
        // The state must not be 0.
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// One below `end`; 0 if that is 0.
    pub fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.number() % end).unwrap_or(0)
    }
}

/// What parsers stumble over.
const TROUBLE: [&[u8]; 24] = [
    b"",
    b"\0",
    b"\n",
    b"\r\n",
    b" ",
    b":",
    b",",
    b"/",
    b"/*",
    b"//",
    b"*/",
    b"{",
    b"}",
    b";",
    b"-1",
    b"0",
    b"99999999999999999999999",
    b"18446744073709551615",
    b"\xff\xfe",
    b"\xc3\xa9",
    b"\xf0\x9f\x90\x8d",
    b"\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\0\0\0\0\0\0\0\x80",
    b"%n%s",
];

/// No input gets longer than that.
pub const LONGEST: usize = 16 << 10;

/// One to eight changes to `input`, with pieces of `other`.
pub fn mutate(chance: &mut Chance, input: &[u8], other: &[u8]) -> Vec<u8> {
    let mut out = input.to_vec();
    for _ in 0..=chance.below(8) {
        let at = chance.below(out.len() + 1);
        let end = (at + 1 + chance.below(8)).min(out.len());
        match chance.below(8) {
            0 if at < out.len() => out[at] ^= 1 << chance.below(8),
            1 if at < out.len() => out[at] = chance.number() as u8,
            2 if at < end => drop(out.drain(at..end)),
            3 => out.truncate(at),
            4 => {
                let long = chance.below(40) == 0;
                let times = if long { 1000 } else { 1 };
                let piece = TROUBLE[chance.below(TROUBLE.len())].repeat(times);
                out.splice(at..at, piece);
            }
            5 => {
                let start = chance.below(other.len() + 1);
                let length = chance.below(64).min(other.len() - start);
                out.splice(at..at, other[start..start + length].iter().copied());
            }
            6 => {
                let piece = out[at..end].to_vec();
                out.splice(at..at, piece);
            }
            _ if at < out.len() => {
                // Near the numbers where something overflows.
                let word = 1u64 << chance.below(64);
                let bytes = word.wrapping_sub(chance.number() & 1).to_ne_bytes();
                let room = out[at..].len().min(8);
                out[at..at + room].copy_from_slice(&bytes[..room]);
            }
            _ => {}
        }
    }
    out.truncate(LONGEST);
    out
}
