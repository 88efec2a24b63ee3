//! Something over what grows.

use plotters::prelude::*;

use super::{color, ticks, Area, Drawn};
use crate::results::{Grown, Scale};

/// What of a growth is drawn.
pub struct Drawing {
    /// Its caption.
    pub what: &'static str,
    /// Of the axis.
    pub unit: &'static str,
    /// Its value.
    pub of: fn(&Grown) -> f64,
    /// The line is the fitted one, not one from point to point.
    pub fitted: bool,
}

/// Something over what grows.
pub fn growth(area: &Area, scale: &Scale, drawing: &Drawing) -> Drawn {
    let x = |point: &Grown| scale.over.of(point);
    let points = || scale.methods.iter().flat_map(|growth| &growth.points);
    let furthest = points().map(x).fold(1.0, f64::max);
    let highest = points().map(drawing.of).fold(1e-3, f64::max);
    let mut chart = ChartBuilder::on(area)
        .caption(drawing.what, ("sans-serif", 19))
        .margin(12)
        .x_label_area_size(42)
        .y_label_area_size(60)
        .build_cartesian_2d(0.0..furthest * 1.05, 0.0..highest * 1.08)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .x_desc(scale.over.unit())
        .y_desc(drawing.unit)
        .x_label_formatter(&|x| format!("{x:.0}"))
        .y_label_formatter(&ticks(highest))
        .label_style(("sans-serif", 14))
        .draw()?;
    for growth in scale
        .methods
        .iter()
        .filter(|growth| !growth.points.is_empty())
    {
        let color = color(growth.method);
        let at = |point: &Grown| (x(point), (drawing.of)(point));
        let line: Vec<(f64, f64)> = match growth.line.filter(|_| drawing.fitted) {
            Some(line) => [0.0, furthest]
                .map(|x| (x, (line.base + line.slope * x).max(0.0)))
                .into(),
            None => growth.points.iter().map(at).collect(),
        };
        chart.draw_series(LineSeries::new(line, color.mix(0.6)))?;
        let dots = growth.points.iter();
        let dots = dots.map(|point| Circle::new(at(point), 4, color.filled()));
        chart
            .draw_series(dots)?
            .label(growth.method)
            .legend(move |(x, y)| Circle::new((x + 11, y), 4, color.filled()));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.85))
        .border_style(BLACK.mix(0.2))
        .draw()?;
    Ok(())
}
