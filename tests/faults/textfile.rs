//! A full disk under the text file. A removed folder is tried in `report`.

use std::fs;

use pycow_testkit::{
    is_root,
    reporting::{reporting, until},
};

use super::Fault;

#[test]
fn a_full_disk() {
    let mut fault = Fault::new("a full disk under the text file");
    if !is_root() {
        return fault.skip("not root");
    }
    let uwsgi = reporting(1).set("processes", 2);
    let disk = uwsgi.dir().join("disk");
    fs::create_dir(&disk).unwrap();
    let line = format!(
        "exec unshare --mount sh -c 'mount -t tmpfs -o size=64k none {0} && exec \"$@\"' sh \"$@\"",
        disk.display()
    );
    let uwsgi = uwsgi.set("pycow-textfile", disk.join("pycow.prom").display());
    let uwsgi = uwsgi.through(&line).start();
    // Its own mounts are seen through its own root.
    let disk = format!("/proc/{}/root{}", uwsgi.pid(), disk.display());
    let read = || fs::read_to_string(format!("{disk}/pycow.prom")).ok();
    let is_whole = |text: &String| {
        text.lines().last().is_some_and(|line| line.contains("} ")) && text.ends_with('\n')
    };
    let first = until("text file", read);
    assert!(is_whole(&first));
    let filling = format!("{disk}/filling");
    assert!(fs::write(&filling, vec![1; 1 << 20]).is_err());
    let warning = "[pycow] WARNING: pycow-textfile cannot be written";
    let said = uwsgi.await_log(warning);
    assert!(said.contains("No space left on device"), "{said}");
    // What was whole stays so, and nothing is left lying about it.
    for _ in 0..20 {
        assert_eq!(uwsgi.get("/").body, "done");
    }
    assert!(is_whole(&read().unwrap()));
    let names = fs::read_dir(&disk)
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    let names: std::collections::BTreeSet<_> = names.collect();
    assert!(names.len() <= 3, "{names:?}");
    let old = read();
    fs::remove_file(&filling).unwrap();
    until("newer text file", || {
        uwsgi.get("/touch");
        (read().is_some() && read() != old).then_some(())
    });
    assert_eq!(uwsgi.log().matches(warning).count(), 1);
    assert_eq!(uwsgi.stop().status.code(), Some(0));
    fault.saw("one warning, the old file stays whole, the next one comes with the room");
}
