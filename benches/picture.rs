//! The picture of the README: what pycow's own metrics say while a worker serves, by policy.
//!
//! Writes `docs/shared.svg`. The requests are those of the hot tenth, see `heap.rs`.

mod common;

use std::{
    error::Error,
    fs, thread,
    time::{Duration, Instant},
};

use common::{pythons, say_where, step, workload};
use plotters::prelude::*;
use pycow_testkit::{load, Host, Uwsgi};

const PICTURE: &str = "docs/shared.svg";
const POLICIES: [(&str, RGBColor); 3] = [
    ("keep", RGBColor(200, 60, 60)),
    ("freeze", RGBColor(60, 110, 200)),
    ("immortal", RGBColor(40, 150, 80)),
];
const WORKERS: usize = 4;
const REQUESTS: usize = 60_000;
const MEGABYTE: f64 = 1_048_576.0;

/// Seconds since the start of the load, and the mean of `uwsgi_worker_shared_bytes` in megabytes.
type Curve = Vec<(f64, f64)>;

fn main() -> Result<(), Box<dyn Error>> {
    let start = Instant::now();
    let Some(host) = pythons("3.12,3.13,3.14").into_iter().next() else {
        println!("skipped: no CPython 3.12 or newer here");
        return Ok(());
    };
    say_where(&host);
    let curves: Vec<Curve> = POLICIES
        .iter()
        .map(|(policy, _)| {
            step(start, &format!("pycow-gc = {policy}"));
            watch(&host, policy)
        })
        .collect();
    fs::create_dir_all("docs")?;
    draw(&curves)?;
    step(start, PICTURE);
    Ok(())
}

/// Serves the load and asks for the metrics every second, as Prometheus would.
fn watch(host: &Host, policy: &str) -> Curve {
    let uwsgi = Uwsgi::on(host)
        .app(workload::APP)
        .with_pycow()
        .set("pycow-gc", policy)
        .set("pycow-sample", 1)
        .set("processes", WORKERS)
        .set("route", "^/metrics$ rpc:pycow.prometheus")
        .flag("disable-logging")
        .env("OBJECTS", "250000")
        .env("PART", "10")
        .start();
    let port = uwsgi.port();
    thread::scope(|scope| {
        let serving = scope
            .spawn(move || load::run(port, |i| format!("/?{i}"), REQUESTS, WORKERS - 1).errors);
        let begin = Instant::now();
        let mut curve = vec![(0.0, shared(&uwsgi.get("/metrics").body))];
        while !serving.is_finished() {
            thread::sleep(Duration::from_secs(1));
            let seconds = begin.elapsed().as_secs_f64();
            curve.push((seconds, shared(&uwsgi.get("/metrics").body)));
        }
        curve
    })
}

fn shared(metrics: &str) -> f64 {
    let lines = metrics.lines();
    let values: Vec<f64> = lines
        .filter(|line| line.starts_with("uwsgi_worker_shared_bytes{"))
        .filter_map(|line| line.rsplit(' ').next()?.parse().ok())
        .collect();
    values.iter().sum::<f64>() / values.len().max(1) as f64 / MEGABYTE
}

fn draw(curves: &[Curve]) -> Result<(), Box<dyn Error>> {
    let seconds = curves
        .iter()
        .flatten()
        .map(|point| point.0)
        .fold(0.0, f64::max);
    let highest = curves
        .iter()
        .flatten()
        .map(|point| point.1)
        .fold(0.0, f64::max);
    let area = SVGBackend::new(PICTURE, (760, 380)).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption("Memory that a worker still shares", ("sans-serif", 20))
        .margin(12)
        .x_label_area_size(42)
        .y_label_area_size(56)
        .build_cartesian_2d(0.0..seconds, 0.0..highest * 1.1)?;
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .x_desc("seconds of serving")
        .y_desc("MB per worker")
        .draw()?;
    for (curve, (policy, color)) in curves.iter().zip(POLICIES) {
        chart
            .draw_series(LineSeries::new(
                curve.iter().copied(),
                color.stroke_width(3),
            ))?
            .label(format!("pycow-gc = {policy}"))
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 24, y)], color.stroke_width(3)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerLeft)
        .background_style(WHITE.mix(0.9))
        .border_style(BLACK.mix(0.2))
        .draw()?;
    area.present()?;
    Ok(())
}
