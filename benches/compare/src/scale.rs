//! How total PSS grows with the number of workers and with the heap, and how many workers a host takes.

use pycow_testkit::{proc, Host};

use crate::{
    args::Args,
    compare,
    figure::megabytes,
    method::Method,
    progress::Progress,
    results::{Growth, Scale},
    run,
    stats::Line,
    workload::{self, Workload},
};

const METHODS: [&str; 3] = ["stock", "freeze", "immortal"];

/// Catalogues of some 50 MB to 1 GB.
const CATALOGUES: [usize; 4] = [15_000, 60_000, 150_000, 320_000];

/// One point that is to be measured.
struct Point {
    workload: Workload,
    workers: usize,
    requests: usize,
}

/// Both parts, for that workload. Only the bundled catalogue comes in sizes.
pub fn scales(workload: &Workload, host: &Host, args: &Args, progress: &Progress) -> Vec<Scale> {
    let numbers: Vec<usize> = args.scale.iter().copied().filter(|&n| n > 0).collect();
    if numbers.is_empty() {
        return Vec::new();
    }
    let each = args.requests.div_ceil(workload.workers);
    let workers = numbers.iter().map(|&workers| Point {
        workload: workload.clone(),
        workers,
        // As many for every worker as in the comparison.
        requests: each * workers,
    });
    let mut scales = vec![Scale {
        name: "workers",
        title: format!("{}: total PSS over workers", workload.title),
        x: "workers",
        methods: grow(workers.collect(), host, args, progress, true),
    }];
    if workload.name == workload::WHOLE {
        let heaps = CATALOGUES.map(|products| Point {
            workload: workload.clone().with_products(products),
            workers: workload.workers,
            // A quarter of the requests reads every product, too.
            requests: (args.requests / 4 * products).div_ceil(workload::PRODUCTS),
        });
        scales.push(Scale {
            name: "heap",
            title: format!("{}: total PSS over the preloaded heap", workload.title),
            x: "MB preloaded",
            methods: grow(heaps.into(), host, args, progress, false),
        });
    }
    scales
}

fn grow(
    points: Vec<Point>,
    host: &Host,
    args: &Args,
    progress: &Progress,
    over_workers: bool,
) -> Vec<Growth> {
    let all = points.first().map(|point| &point.workload);
    let methods = all
        .into_iter()
        .flat_map(|workload| compare::chosen(workload, args));
    let memory = proc::mem_total() as f64 / 1_073_741_824.0;
    let host_gb = args.host_gb.unwrap_or(memory);
    let methods = methods.filter(|method| METHODS.contains(&method.name));
    methods
        .map(|method| {
            let mut growth = Growth {
                method: method.name,
                points: Vec::new(),
                line: None,
                fits: None,
                host_gb,
                obstacle: method.obstacle(host),
            };
            for point in &points {
                if growth.obstacle.is_some() {
                    break;
                }
                match measure(point, host, method, growth.points.last().copied()) {
                    Ok((heap, pss)) => {
                        let x = if over_workers {
                            point.workers as f64
                        } else {
                            heap
                        };
                        progress.say(&format!(
                            "scale: {}: {} workers with {heap:.0} MB: PSS {pss:.0} MB",
                            method.name, point.workers
                        ));
                        growth.points.push((x, pss));
                    }
                    Err(why) => {
                        progress.say(&format!("scale: {}: {why}", method.name));
                        growth.obstacle = Some(why);
                    }
                }
            }
            growth.line = Line::through(&growth.points);
            let line = growth.line.filter(|_| over_workers);
            growth.fits = line.and_then(|line| line.fits(host_gb * 1024.0));
            growth
        })
        .collect()
}

/// Megabytes preloaded, and total PSS in megabytes.
fn measure(
    point: &Point,
    host: &Host,
    method: Method,
    last: Option<(f64, f64)>,
) -> Result<(f64, f64), String> {
    // No point is more than four times the one before it.
    let wanted = last.map_or(0.0, |(_, pss)| pss * 4.0);
    let available = megabytes(proc::mem_available() as f64);
    if wanted > available {
        return Err(format!(
            "{available:.0} MB available may not be enough for more"
        ));
    }
    let running = run::start(&point.workload, host, method, point.workers)?;
    let load = running.serve(point.requests)?;
    let heap = megabytes(load.curve[0].shared);
    Ok((heap, megabytes(load.total_pss as f64)))
}
