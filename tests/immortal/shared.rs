//! What requests read is not copied, and what only the host refers to stays as it is.

use pycow_testkit::{immortal, load, proc};

/// A heap of objects of many kinds, and requests that read all of it.
pub const HEAP: &str = r#"
class Thing:
    def __init__(self, number):
        self.name = "thing number %d" % number + 200 * "x"
        self.tags = [str(number + i) for i in range(3)]
        self.price = number * 1.5
        self.extra = {"a%d" % (number % 7): "v%d" % number, "b": (number, str(number))}

heap = [Thing(number) for number in range(40000)]

def read(thing):
    keys = [key + str(value) for key, value in thing.extra.items()]
    return len(thing.name) + len([tag for tag in thing.tags]) + len(keys) + thing.price

def application(env, start):
    total = sum(read(thing) for thing in heap)
    start("200 OK", [("Content-Type", "text/plain")])
    return [str(total).encode()]
"#;

#[test]
fn nothing_that_requests_read_is_copied() {
    for host in immortal::hosts() {
        let uwsgi = immortal::uwsgi(&host, HEAP).set("processes", 2).start();
        let workers = uwsgi.workers();
        let inherited: Vec<_> = workers
            .iter()
            .map(|pid| proc::rollup(*pid).shared())
            .collect();
        let report = load::run(uwsgi.port(), |_| "/".into(), 20, 4);
        assert_eq!(report.errors, 0);
        for (pid, inherited) in workers.iter().zip(inherited) {
            let now = proc::rollup(*pid);
            // What a worker writes by itself is some 2 MB; stock copies over 30 of these 45.
            assert!(
                now.shared() * 100 >= inherited * 98,
                "{now:?}, {inherited} inherited"
            );
            assert!(now.private() < 5 << 20, "{now:?}");
        }
        let line = uwsgi.await_log(" objects immortal; left mortal: ");
        let count = line
            .trim_start_matches("[pycow] ")
            .split(' ')
            .next()
            .unwrap();
        // Each thing is itself, five strings, a float, a list, a dict, a tuple.
        assert!(count.parse::<u32>().unwrap() > 40000 * 9, "{line}");
        assert!(line.contains(" s for a process of "), "{line}");
    }
}

#[test]
fn the_hosts_own_objects_stay_mortal_and_requests_go_on() {
    let app = "def application(env, start):\n    start('200 OK', [])\n    \
               return [env['QUERY_STRING'].encode(), env['wsgi.input'].read()]\n";
    for host in immortal::hosts() {
        let uwsgi = immortal::uwsgi(&host, app).set("threads", 3).start();
        for i in 0..50 {
            assert_eq!(uwsgi.get(&format!("/?{i}")).body, i.to_string());
        }
        let report = load::run(uwsgi.port(), |i| format!("/?{i}"), 300, 6);
        assert_eq!(report.errors, 0);
        assert!(!uwsgi.log().contains("unable to set environ"));
    }
}
