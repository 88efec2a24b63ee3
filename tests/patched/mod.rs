//! A real uWSGI with one thing changed in its file: what no release has (yet).

use std::{
    fs,
    io::{Read, Write},
    ops::Range,
    os::unix::fs::PermissionsExt,
    process::Command,
};

use flate2::{read::ZlibDecoder, write::ZlibEncoder, Compression};
use pycow_testkit::Host;

/// A changed copy of a host, gone when dropped.
pub struct Changed {
    pub host: Host,
    _dir: tempfile::TempDir,
}

/// Copies the host's executable and changes the copy.
pub fn copy_of(host: &Host, change: impl Fn(&mut Vec<u8>)) -> Changed {
    let mut bytes = fs::read(&host.uwsgi).unwrap();
    change(&mut bytes);
    let dir = tempfile::tempdir().unwrap();
    let mut host = host.clone();
    host.uwsgi = dir.path().join("uwsgi");
    // Another program writes the executable: a process that another test forks meanwhile would
    // inherit a descriptor that is open for writing, and then nobody may execute the file.
    let plain = dir.path().join("bytes");
    fs::write(&plain, bytes).unwrap();
    fs::set_permissions(&plain, fs::Permissions::from_mode(0o755)).unwrap();
    let copied = Command::new("cp").arg(&plain).arg(&host.uwsgi).status();
    assert!(copied.unwrap().success());
    Changed { host, _dir: dir }
}

/// Where the file keeps its own header, in hexadecimal digits.
pub fn header_digits(file: &[u8]) -> Range<usize> {
    let digit = |c: &u8| c.is_ascii_hexdigit();
    // The longest run of digits: uwsgiconfig.py embeds the header, its own text and the flags.
    let packed = file.split(|c| !digit(c)).filter(|run| run.len() > 40_000);
    let run = packed
        .filter(|run| unpacked(run).contains("struct uwsgi_plugin {"))
        .max_by_key(|run| run.len())
        .expect("the header");
    let start = run.as_ptr() as usize - file.as_ptr() as usize;
    start..start + run.len()
}

/// Changes the text of the header in the file.
pub fn edit_header(file: &mut [u8], from: &str, to: &str) {
    let place = header_digits(file);
    let text = unpacked(&file[place.clone()]);
    assert_eq!(text.matches(from).count(), 1, "{from}");
    // What stands before the structs makes room for a text that packs less well.
    let text = text[text.find("struct uwsgi_option {").unwrap()..].replace(from, to);
    let is_packed = file[place.clone()].starts_with(b"78");
    let bytes = if is_packed {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    } else {
        text.into_bytes()
    };
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(digits.len() < place.len());
    file[place.start..place.start + digits.len()].copy_from_slice(digits.as_bytes());
    file[place.start + digits.len()] = 0;
}

fn unpacked(digits: &[u8]) -> String {
    let digit = |d: u8| char::from(d).to_digit(16).unwrap() as u8;
    let bytes: Vec<u8> = digits
        .chunks_exact(2)
        .map(|pair| digit(pair[0]) << 4 | digit(pair[1]))
        .collect();
    let mut text = Vec::new();
    if ZlibDecoder::new(&bytes[..]).read_to_end(&mut text).is_err() {
        text = bytes;
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// Exports a function under another name.
pub fn rename_symbol(file: &mut [u8], name: &str) {
    let entry: Vec<u8> = [b"\0", name.as_bytes(), b"\0"].concat();
    let places: Vec<usize> = file
        .windows(entry.len())
        .enumerate()
        .filter(|(_, window)| *window == entry)
        .map(|(place, _)| place)
        .collect();
    assert!(!places.is_empty(), "{name}");
    for place in places {
        file[place + name.len()] = b'_';
    }
}

/// Has the file call `other` wherever it calls `name`. It must be the end of a name that the file has.
pub fn call_instead(file: &mut [u8], name: &str, other: &str) {
    const SYMBOL: usize = 24;
    let (symbols, texts) = dynamic_symbols(file);
    let ends = |text: &[u8], what: &str| text.starts_with(&[what.as_bytes(), b"\0"].concat());
    let mut places = texts.clone();
    let place = places.find(|place| ends(&file[*place..], other)).unwrap();
    let number = u32::try_from(place - texts.start).unwrap().to_le_bytes();
    let is_it = |entry: &usize| ends(&file[texts.start + word(file, *entry)..], name);
    let entry = symbols.step_by(SYMBOL).find(is_it).unwrap();
    file[entry..entry + number.len()].copy_from_slice(&number);
}

/// Where the file has its dynamic symbols and their names (elf(5), for 64 bits).
fn dynamic_symbols(file: &[u8]) -> (Range<usize>, Range<usize>) {
    let (sections, count, header_size, dynsym) = (0x28, 0x3c, 64, 11);
    let first = word(file, sections);
    let header = |number: usize| first + header_size * number;
    let range = |header: usize| {
        let start = word(file, header + 24);
        start..start + word(file, header + 32)
    };
    let count = usize::from(u16::from_le_bytes([file[count], file[count + 1]]));
    let mut headers = (0..count).map(header);
    let symbols = headers.find(|it| word(file, it + 4) == dynsym).unwrap();
    let names = header(word(file, symbols + 40));
    (range(symbols), range(names))
}

/// The lower half is enough: no file is larger.
fn word(file: &[u8], place: usize) -> usize {
    let bytes = file[place..place + 4].try_into().unwrap();
    u32::from_le_bytes(bytes) as usize
}
