//! uWSGI's own metrics: in the stats server, in `metrics-dir`, through the pushers, SNMP and alarms.

use std::{
    collections::HashSet,
    fs,
    io::{BufRead, BufReader},
    net::{TcpListener, UdpSocket},
    time::Duration,
};

use pycow_testkit::{
    default_host, proc,
    reporting::{reporting, stats, until, within},
    skip, Flavour, Instance, Uwsgi,
};
use serde_json::Value;

const LIMIT: Option<Duration> = Some(Duration::from_secs(60));

fn with_metrics(period: u32) -> Uwsgi {
    let uwsgi = reporting(period).flag("enable-metrics");
    let socket = uwsgi.dir().join("stats");
    uwsgi.set("stats", socket.display())
}

fn metrics(uwsgi: &Instance) -> Value {
    stats(&uwsgi.dir().join("stats"))["metrics"].take()
}

fn size(metrics: &Value, name: &str) -> u64 {
    metrics[name]["value"]
        .as_u64()
        .unwrap_or_else(|| panic!("{name}: {metrics}"))
}

/// Shared and private of a worker are within 1% of its resident memory, PSS within 1% of /proc's.
fn agree(uwsgi: &Instance, worker: usize, pid: i32) -> bool {
    let metrics = metrics(uwsgi);
    let now = proc::rollup(pid);
    let near = |name: &str, expected: u64| {
        let got = size(&metrics, &format!("worker.{worker}.{name}_size"));
        got.abs_diff(expected) * 100 <= now.rss
    };
    near("shared", now.shared()) && near("private", now.private()) && near("pss", now.pss)
}

#[test]
fn the_stats_server_says_what_proc_says() {
    let uwsgi = with_metrics(1)
        .set("processes", 2)
        .set("mule", "true")
        .start();
    let workers = uwsgi.workers();
    for round in ["/", "/touch"] {
        uwsgi.get(round);
        for (i, pid) in workers.iter().enumerate() {
            until(round, || agree(&uwsgi, i + 1, *pid).then_some(()));
        }
    }
    let all: Vec<i32> = workers
        .into_iter()
        .chain([uwsgi.pid()])
        .chain(uwsgi.mules())
        .collect();
    assert_eq!(all.len(), 4);
    until("total", || {
        let sum = all.iter().map(|pid| proc::rollup(*pid).pss).sum();
        within(2.0, size(&metrics(&uwsgi), "core.total_pss"), sum).then_some(())
    });
    let metrics = metrics(&uwsgi);
    let inherited = size(&metrics, "worker.1.inherited_size");
    assert!(inherited > 40_000_000, "{inherited}");
    assert_eq!(size(&metrics, "worker.1.ksm_size"), 0);
    // What one of them wrote to, it does not share, as the other does.
    let shared = |n| size(&metrics, &format!("worker.{n}.shared_size"));
    assert!(shared(1).abs_diff(shared(2)) > 10_000_000);

    let ours = |name: &str| {
        let ours = ["shared", "private", "pss", "inherited", "ksm"];
        let worker = name.starts_with("worker.")
            && ours.iter().any(|it| name.ends_with(&format!("{it}_size")));
        worker || name == "core.total_pss"
    };
    let metrics = metrics.as_object().unwrap();
    let mut seen = HashSet::new();
    for (name, metric) in metrics.iter().filter(|(name, _)| !ours(name)) {
        seen.insert(metric["oid"].as_str().unwrap().to_owned());
        assert!(!name.contains("shared"), "{name}");
    }
    let mut count = 0;
    for (name, metric) in metrics.iter().filter(|(name, _)| ours(name)) {
        assert!(
            seen.insert(metric["oid"].as_str().unwrap().to_owned()),
            "{name}: {metric}"
        );
        const GAUGE: u64 = 1;
        assert_eq!(metric["type"], GAUGE, "{name}");
        count += 1;
    }
    assert_eq!(count, 2 * 5 + 1);
}

#[test]
fn metrics_dir_has_a_file_of_each() {
    let uwsgi = reporting(1).flag("enable-metrics");
    let dir = uwsgi.dir().join("metrics");
    fs::create_dir(&dir).unwrap();
    let uwsgi = uwsgi.set("metrics-dir", dir.display()).start();
    let worker = uwsgi.workers()[0];
    let read = |name: &str| {
        let text = fs::read_to_string(dir.join(name)).unwrap();
        text.trim_matches(['\0', '\n']).parse().unwrap_or(0)
    };
    until("shared_size", || {
        within(
            2.0,
            read("worker.1.shared_size"),
            proc::rollup(worker).shared(),
        )
        .then_some(())
    });
    until("total_pss", || {
        (read("core.total_pss") > read("worker.1.pss_size")).then_some(())
    });
}

#[test]
fn pushers_push_them() {
    if default_host().flavour != Flavour::Pyuwsgi {
        return skip("this uWSGI has no pusher for statsd");
    }
    let statsd = UdpSocket::bind("127.0.0.1:0").unwrap();
    let carbon = TcpListener::bind("127.0.0.1:0").unwrap();
    statsd.set_read_timeout(LIMIT).unwrap();
    let uwsgi = reporting(1)
        .flag("enable-metrics")
        .set("stats-pusher-default-freq", 1)
        .set(
            "stats-push",
            format!("statsd:{},test", statsd.local_addr().unwrap()),
        )
        .set("carbon", carbon.local_addr().unwrap())
        .set("carbon-freq", 1)
        .flag("carbon-use-metrics")
        .start();
    let shared = proc::rollup(uwsgi.workers()[0]).shared();

    let mut packet = [0; 4096];
    loop {
        let length = statsd.recv(&mut packet).unwrap();
        let text = String::from_utf8_lossy(&packet[..length]).into_owned();
        let Some(rest) = text.strip_prefix("test.worker.1.shared_size:") else {
            continue;
        };
        let value = rest.strip_suffix("|g").expect(&text).parse().unwrap();
        if within(5.0, value, shared) {
            break;
        }
    }
    loop {
        let stream = carbon.accept().unwrap().0;
        stream.set_read_timeout(LIMIT).unwrap();
        let lines = BufReader::new(stream).lines().map_while(Result::ok);
        let mut values = lines.filter_map(|line| {
            let (_, rest) = line.split_once("worker.1.shared_size ")?;
            rest.split(' ').next()?.parse().ok()
        });
        if values.any(|value| within(5.0, value, shared)) {
            break;
        }
    }
}

/// One byte of type, one of length, the rest.
fn ber(kind: u8, content: &[u8]) -> Vec<u8> {
    let length = u8::try_from(content.len()).unwrap();
    [&[kind, length][..], content].concat()
}

#[test]
fn snmp_answers_them() {
    let port = UdpSocket::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let uwsgi = reporting(1)
        .flag("enable-metrics")
        .set("snmp", format!("127.0.0.1:{port}"))
        .set("snmp-community", "public")
        .start();
    let shared = proc::rollup(uwsgi.workers()[0]).shared();
    // 1.3.6.1.4.1.35156.17.3.1.101; 35156 is 2, 18, 84 in base 128.
    let oid = ber(6, &[0x2b, 6, 1, 4, 1, 0x82, 0x92, 0x54, 17, 3, 1, 101]);
    let binding = ber(0x30, &[oid.clone(), ber(5, &[])].concat());
    let (zero, bindings) = (ber(2, &[0]), ber(0x30, &binding));
    let get = ber(
        0xa0,
        &[ber(2, &[0, 0, 0, 7]), zero.clone(), zero, bindings].concat(),
    );
    let version_2c = ber(2, &[1]);
    let request = ber(0x30, &[version_2c, ber(4, b"public"), get].concat());

    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket
        .set_read_timeout(Some(Duration::from_millis(500)))
        .unwrap();
    until("SNMP answer", || {
        socket.send_to(&request, ("127.0.0.1", port)).unwrap();
        let mut answer = [0; 512];
        let length = socket.recv(&mut answer).ok()?;
        // Behind the name stand the value's type, its length, its bytes.
        let answer = &answer[..length];
        let name = answer.windows(oid.len()).position(|bytes| bytes == oid)?;
        let value = answer.get(name + oid.len()..)?;
        let bytes = value.get(2..2 + usize::from(*value.get(1)?))?;
        let value = bytes
            .iter()
            .fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        within(5.0, value, shared).then_some(())
    });
}

#[test]
fn a_threshold_raises_an_alarm() {
    let uwsgi = reporting(1)
        .flag("enable-metrics")
        .set("alarm", "lost log:")
        .set(
            "metric-threshold",
            "key=worker.1.private_size,value=12000000,alarm=lost,rate=3600,msg=private memory",
        )
        .start();
    uwsgi.get("/");
    assert!(!uwsgi.log().contains("ALARM"), "{}", uwsgi.log());
    uwsgi.get("/touch");
    uwsgi.await_log("private memory");
}

#[test]
fn a_threshold_finds_its_metric_without_samples_too() {
    let uwsgi = reporting(0)
        .flag("enable-metrics")
        .set(
            "metric-threshold",
            "key=worker.1.private_size,value=1,alarm=none",
        )
        .start();
    assert_eq!(uwsgi.get("/").status, 200);
}
