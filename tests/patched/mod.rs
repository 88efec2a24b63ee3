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
