//! How total PSS grows with the number of workers and with the heap, and how many workers a host takes.

use pycow_testkit::{proc, Host};

use crate::{
    args::Args,
    compare,
    figure::megabytes,
    method::Method,
    progress::Progress,
    results::{Grown, Growth, Over, Scale},
    run,
    stats::Line,
    workload::{bundled, Workload},
};

const METHODS: [&str; 3] = ["stock", "freeze", "immortal"];

/// Catalogues of some 50 MB to 1 GB.
const CATALOGUES: [usize; 4] = [7_000, 60_000, 180_000, 500_000];

/// One size that is to be measured.
struct Size {
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
    let workers = numbers.iter().map(|&workers| Size {
        workload: workload.clone(),
        workers,
        // As many for every worker as in the comparison.
        requests: each * workers,
    });
    let mut scales = vec![Scale {
        over: Over::Workers,
        title: format!("{}: how it grows with workers", workload.title),
        methods: grow(Over::Workers, workers.collect(), host, args, progress),
    }];
    if workload.name == bundled::WHOLE {
        let heaps = CATALOGUES.map(|products| Size {
            workload: workload.clone().with_products(products),
            workers: workload.workers,
            // A quarter of the requests reads every product, too.
            requests: (args.requests / 4 * products).div_ceil(bundled::PRODUCTS),
        });
        scales.push(Scale {
            over: Over::Heap,
            title: format!("{}: how it grows with the heap", workload.title),
            methods: grow(Over::Heap, heaps.into(), host, args, progress),
        });
    }
    scales
}

/// Measures every size by every method, the methods in turns.
fn grow(
    over: Over,
    sizes: Vec<Size>,
    host: &Host,
    args: &Args,
    progress: &Progress,
) -> Vec<Growth> {
    let Some(first) = sizes.first() else {
        return Vec::new();
    };
    let host_gb = args
        .host_gb
        .unwrap_or_else(|| megabytes(proc::mem_total() as f64) / 1024.0);
    let methods = compare::chosen(&first.workload, args);
    let methods = methods.filter(|method| METHODS.contains(&method.name));
    let mut all: Vec<(Method, Growth)> = methods
        .map(|method| {
            let growth = Growth {
                method: method.name,
                points: Vec::new(),
                line: None,
                fits: None,
                host_gb,
                obstacle: method.obstacle(host),
            };
            (method, growth)
        })
        .collect();
    for size in &sizes {
        let possible = all.iter_mut().filter(|(_, one)| one.obstacle.is_none());
        for (method, growth) in possible {
            let place = format!("scale: {}", method.name);
            match measure(size, host, *method, growth.points.last()) {
                Ok(point) => {
                    progress.say(&format!("{place}: {}", in_short(&point)));
                    growth.points.push(point);
                }
                Err(why) => {
                    progress.say(&format!("{place}: {why}"));
                    growth.obstacle = Some(why);
                }
            }
        }
    }
    let fitted = all.into_iter().map(|(_, mut growth)| {
        let points = growth.points.iter();
        let points: Vec<_> = points
            .map(|point| (over.of(point), point.total_pss))
            .collect();
        growth.line = Line::through(&points);
        let line = growth.line.filter(|_| over == Over::Workers);
        growth.fits = line.and_then(|line| line.fits(host_gb * 1024.0));
        growth
    });
    fitted.collect()
}

fn measure(
    size: &Size,
    host: &Host,
    method: Method,
    last: Option<&Grown>,
) -> Result<Grown, String> {
    // No size is more than four times the one before it.
    let wanted = last.map_or(0.0, |last| last.total_pss * 4.0);
    let available = megabytes(proc::mem_available() as f64);
    if wanted > available {
        return Err(format!(
            "{available:.0} MB available may not be enough for more"
        ));
    }
    let running = run::start(&size.workload, host, method, size.workers)?;
    let load = running.serve(size.requests)?;
    let left = running.leave()?;
    Ok(Grown {
        workers: size.workers,
        heap: megabytes(load.curve[0].shared),
        total_pss: megabytes(load.total_pss as f64),
        leaving: left.seconds,
        dip: megabytes(left.dip as f64),
    })
}

fn in_short(point: &Grown) -> String {
    let Grown {
        workers,
        heap,
        total_pss,
        leaving,
        ..
    } = point;
    format!(
        "{workers} workers, {heap:.0} MB preloaded: PSS {total_pss:.0} MB, gone in {leaving:.2} s"
    )
}
