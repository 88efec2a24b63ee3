//! Where the samples can be read: uWSGI's metrics, variables of its log format, RPC functions.

use std::{ffi::CStr, fmt};

use super::{
    instance_info::InstanceInfo, json, own_slot, prometheus, slot::Gauge, slots::SlotTable, why,
    SHARING,
};
use crate::{
    config::{ExitPolicy, Thresholds},
    linux::clock,
    plugin::{Plugin, Role},
    uwsgi::{
        abi::PluginTable,
        logvars::{self, Variable},
        metrics::{self, Metric},
        rpc,
    },
};

/// The functions that others may call: what uWSGI is told of each, and its name.
const FUNCTIONS: [(usize, &CStr); 3] = [
    (JSON, c"pycow.json"),
    (TEXT, c"pycow.prometheus"),
    (WHY, c"pycow.why"),
];
const JSON: usize = 1;
const TEXT: usize = 2;
const WHY: usize = 3;

/// uWSGI sets up metrics and log format next.
pub(super) fn register(plugin: &Plugin, slots: &'static SlotTable) {
    let workers = plugin.host.workers();
    let registered = metrics::register(&plugin.host, shown(slots, workers))
        .and_then(|()| logvars::register(&plugin.host, variable));
    if let Err(missing) = registered {
        log::warn!("{missing}: what needs it is left out");
    }
}

/// uWSGI's metrics of a worker have the numbers 3.N.1 to 3.N.14, those of the core 5.1 to 5.5 and
/// 5.100 to 5.104 (core/metrics.c of every 2.0.x).
fn shown(slots: &'static SlotTable, workers: usize) -> impl Iterator<Item = Metric> {
    const GAUGES: [(&str, u32, Gauge); 5] = [
        ("shared_size", 101, Gauge::Shared),
        ("private_size", 102, Gauge::Private),
        ("pss_size", 103, Gauge::Pss),
        ("inherited_size", 104, Gauge::Inherited),
        ("ksm_size", 105, Gauge::Ksm),
    ];
    let of_worker = move |number| {
        let slot = slots.slot(Role::Worker(number));
        slot.into_iter().flat_map(move |slot| {
            GAUGES.map(|(name, oid, gauge)| Metric {
                name: format!("worker.{number}.{name}"),
                oid: format!("3.{number}.{oid}"),
                number: slot.gauge(gauge),
            })
        })
    };
    let total = Metric {
        name: "core.total_pss".into(),
        oid: "5.110".into(),
        number: slots.total_pss(),
    };
    (1..=workers as i32).flat_map(of_worker).chain([total])
}

/// Applications are loaded next; uWSGI takes RPC functions now.
pub fn offer(plugin: &Plugin, table: &'static PluginTable) {
    for (number, name) in FUNCTIONS {
        match rpc::register(&plugin.host, table, name, number) {
            Ok(true) => {}
            Ok(false) => log::warn!("uWSGI does not take {} (rpc-max?)", name.to_string_lossy()),
            Err(missing) => return log::warn!("{missing}: no RPC functions"),
        }
    }
}

/// A variable of the log format, in bytes, as of the last sample of this process.
fn variable(variable: Variable) -> Option<u64> {
    let sample = own_slot(SHARING.get()?)?.read()?;
    Some(match variable {
        Variable::Shared => sample.shared,
        Variable::Private => sample.private,
        Variable::Pss => sample.pss,
    })
}

/// What the RPC function of that number answers to its first argument; `thresholds` are those in force in
/// workers.
pub fn answer(
    plugin: &Plugin,
    function: usize,
    argument: &[u8],
    thresholds: Option<Thresholds>,
) -> Option<String> {
    if function == WHY {
        return Some(why::answer(plugin, argument));
    }
    let slots = &SHARING.get()?.slots;
    let mut text = String::new();
    let info = instance_info(plugin, slots);
    let written = match function {
        JSON => json::write(&mut text, &info, thresholds.as_ref(), slots, clock::now()),
        TEXT => return prometheus::text(&info, slots, plugin.config.instance()).ok(),
        _ => Err(fmt::Error),
    };
    written.ok().map(|()| text)
}

/// What is true of the whole instance.
pub(super) fn instance_info<'a>(plugin: &'a Plugin, slots: &SlotTable) -> InstanceInfo<'a> {
    let config = &plugin.config;
    let [frozen, immortal] = slots.objects();
    let exit_timeout = match config.exit {
        ExitPolicy::Fast => config.exit_timeout,
        // uWSGI's own way has none.
        ExitPolicy::Full => 0,
    };
    InstanceInfo {
        pycow: env!("CARGO_PKG_VERSION"),
        uwsgi: &plugin.uwsgi_version,
        python: plugin.python.version(),
        gc: plugin.gc().name(),
        guarded: config.guarded(),
        exit: config.exit.name(),
        exit_timeout,
        ksm: config.ksm,
        sample: config.sample,
        frozen,
        immortal,
    }
}
