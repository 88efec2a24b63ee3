//! The version, readable in a file that nobody loads: `pycow version FILE`, or `readelf --notes FILE`.

/// An ELF note (elf(5)): sizes of owner and text, a type, the owner, the text, both padded to 4 bytes.
#[repr(C)]
struct Note {
    owner_size: u32,
    text_size: u32,
    kind: u32,
    owner: [u8; 8],
    text: [u8; 32],
}

/// Linkers keep a note that nothing refers to.
#[used]
#[link_section = ".note.pycow"]
static VERSION: Note = Note {
    owner_size: 6,
    text_size: 32,
    kind: 1,
    owner: *b"pycow\0\0\0",
    text: {
        let version = env!("CARGO_PKG_VERSION").as_bytes();
        let mut text = [0; 32];
        let mut i = 0;
        while i < version.len() {
            text[i] = version[i];
            i += 1;
        }
        text
    },
};
