//! Pictures with lines: what a worker still shares, over requests.

use plotters::{
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

use super::{breaks, color, in_words, Area, Drawn};
use crate::{
    results::{Compared, Results},
    stats::Spread,
};

/// What a worker shares, over requests.
pub(super) struct Curve<'a> {
    name: String,
    method: &'a str,
    points: &'a [(u64, Spread)],
}

/// The size of a picture with lines, small enough to be read on a telephone.
pub(super) const LINES: (u32, u32) = (560, 420);
/// Of that, the names.
const NAMES: u32 = 180;

/// A curve for each method.
pub(super) fn shared(compared: &Compared) -> Vec<Curve<'_>> {
    let methods = compared.methods.iter().filter(|one| !one.curve.is_empty());
    methods
        .map(|one| Curve {
            name: in_words(one.method).to_owned(),
            method: one.method,
            points: &one.curve,
        })
        .collect()
}

/// The two workloads of the bundled shop in one picture: where `freeze` depends on what requests read.
pub(super) fn overview<'a>(whole: &'a Compared, hot: &'a Compared) -> Vec<Curve<'a>> {
    let of = |compared: &'a Compared, method: &str, name: &str| {
        let found = compared.methods.iter().find(|one| one.method == method)?;
        (!found.curve.is_empty()).then(|| Curve {
            name: name.to_owned(),
            method: if name.contains("tenth") {
                "recipe"
            } else {
                found.method
            },
            points: &found.curve,
        })
    };
    let all = [
        of(whole, "stock", "stock"),
        of(whole, "freeze", "freeze"),
        of(hot, "freeze", "freeze, a tenth is read"),
        of(whole, "immortal", "immortal"),
    ];
    all.into_iter().flatten().collect()
}

/// Shared per worker over requests: the medians, and between the smallest and the largest a band.
pub(super) fn lines(
    area: &Area,
    results: &Results,
    compared: &Compared,
    curves: &[Curve<'_>],
) -> Drawn {
    let (uwsgi, _) = results.machine.uwsgi.split_once(" (").unwrap_or_default();
    let (plain, strong) = (("sans-serif", 16), ("sans-serif", 20));
    let area = area.titled("Memory that a worker still shares", strong)?;
    let area = area.titled(&format!("{} workers; {uwsgi}", compared.workers), plain)?;
    // The curves may be anywhere, so their names are beside them.
    let (area, names) = area.split_horizontally(LINES.0 - NAMES);
    let points = || curves.iter().flat_map(|curve| curve.points);
    let most = points().map(|point| point.0).max().unwrap_or(1) as f64;
    let highest = points().map(|point| point.1.max).fold(1.0, f64::max) * 1.08;
    let mut chart = ChartBuilder::on(&area)
        .margin(10)
        .margin_right(0)
        .x_label_area_size(48)
        .y_label_area_size(62)
        .build_cartesian_2d(0.0..most, 0.0..highest)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .x_labels(5)
        .x_desc("requests, all workers together")
        .y_desc("MB per worker")
        .x_label_formatter(&|x| format!("{x:.0}"))
        .y_label_formatter(&|y| format!("{y:.0}"))
        .label_style(plain)
        .draw()?;
    let ends = curves.iter().filter_map(|curve| curve.points.last());
    let ends: Vec<i32> = ends
        .map(|(_, y)| chart.backend_coord(&(most, y.median)).1)
        .collect();
    let top = names.get_base_pixel().1;
    for (curve, y) in curves.iter().zip(apart(&ends, 20)) {
        let color = color(curve.method);
        let at = |of: fn(&Spread) -> f64| curve.points.iter().map(move |(x, y)| (*x as f64, of(y)));
        let band: Vec<(f64, f64)> = at(|y| y.max).chain(at(|y| y.min).rev()).collect();
        chart.draw_series([Polygon::new(band, color.mix(0.15))])?;
        let (on, off) = breaks(curve.method);
        let style = color.stroke_width(3);
        let median = at(|y| y.median);
        match off {
            0 => chart
                .draw_series(LineSeries::new(median, style))
                .map(drop)?,
            _ => chart
                .draw_series(DashedLineSeries::new(median, on, off, style))
                .map(drop)?,
        }
        let style = plain.into_text_style(&names).color(&color);
        let style = style.pos(Pos::new(HPos::Left, VPos::Center));
        names.draw(&Text::new(curve.name.as_str(), (8, y - top), style))?;
    }
    Ok(())
}

/// The same places, moved so that two are `least` apart.
fn apart(places: &[i32], least: i32) -> Vec<i32> {
    let mut order: Vec<usize> = (0..places.len()).collect();
    order.sort_by_key(|&i| places[i]);
    let mut moved = places.to_vec();
    // Upwards from the lowest, which is the last: below it is the axis.
    for pair in order.windows(2).rev() {
        moved[pair[0]] = moved[pair[0]].min(moved[pair[1]] - least);
    }
    moved
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_do_not_lie_on_each_other() {
        assert_eq!(apart(&[100, 300], 20), [100, 300]);
        assert_eq!(apart(&[300, 295, 290], 20), [300, 280, 260]);
        assert_eq!(apart(&[], 20), [0; 0]);
    }
}
