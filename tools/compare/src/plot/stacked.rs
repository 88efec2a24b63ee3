//! What is private, a bar for each method, made of its causes.

use plotters::{
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

use super::{from_below, ticks, Area, Drawn};
use crate::why::{Answer, Why};

type Part = (&'static str, RGBColor, fn(&Answer) -> u64);

/// The parts of a bar, from left to right; they add up to what is private.
const PARTS: [Part; 5] = [
    ("new", RGBColor(150, 160, 170), |answer| answer.new_bytes()),
    (
        "copied: reference counts",
        RGBColor(60, 110, 200),
        |answer| answer.causes.reference_counts,
    ),
    ("copied: collection", RGBColor(190, 150, 20), |answer| {
        answer.causes.collection
    }),
    ("copied: writes", RGBColor(200, 60, 60), |answer| {
        answer.causes.writes
    }),
    ("copied: unknown", RGBColor(90, 90, 90), |answer| {
        answer.causes.unknown
    }),
];

const BAR: u32 = 34;
const WIDTH: u32 = 760;

/// In pixels.
pub fn size(why: &Why) -> (u32, u32) {
    (WIDTH, 120 + BAR * why.answers().count() as u32)
}

/// A bar for each method that has an answer.
pub fn stacked(area: &Area, why: &Why) -> Drawn {
    let rows: Vec<(&str, &Answer)> = why.answers().collect();
    let megabytes = |bytes: u64| bytes as f64 / 1_048_576.0;
    let all = |answer: &Answer| megabytes(answer.private);
    let most = rows.iter().map(|row| all(row.1)).fold(1e-3, f64::max);
    let names: Vec<&str> = rows.iter().map(|row| row.0).collect();
    let mut chart = ChartBuilder::on(area)
        .caption(
            "Private memory of one worker, by what made it so",
            ("sans-serif", 16),
        )
        .margin(8)
        .x_label_area_size(40)
        .y_label_area_size(128)
        .build_cartesian_2d(
            0.0..most * 1.75,
            (0..names.len().max(1) - 1).into_segmented(),
        )?;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .light_line_style(TRANSPARENT)
        .x_labels(6)
        .x_desc("MB")
        .x_label_formatter(&ticks(most))
        .y_labels(names.len())
        .y_label_formatter(&from_below(&names))
        .label_style(("sans-serif", 14))
        .draw()?;
    for (part, (what, color, of)) in PARTS.iter().enumerate() {
        let bars = rows.iter().rev().enumerate().map(|(i, (_, answer))| {
            let before = PARTS[..part].iter().map(|(_, _, of)| of(answer));
            let from: u64 = before.sum();
            let (from, to) = (megabytes(from), megabytes(from + of(answer)));
            let (low, high) = (SegmentValue::Exact(i), SegmentValue::Exact(i + 1));
            let mut bar = Rectangle::new([(from, low), (to, high)], color.mix(0.85).filled());
            bar.set_margin(5, 5, 0, 0);
            bar
        });
        let color = *color;
        chart
            .draw_series(bars)?
            .label(*what)
            .legend(move |(x, y)| Rectangle::new([(x, y - 5), (x + 12, y + 5)], color.filled()));
    }
    let style = ("sans-serif", 12)
        .into_text_style(area)
        .pos(Pos::new(HPos::Left, VPos::Center));
    for (i, (_, answer)) in rows.iter().rev().enumerate() {
        let place = (all(answer) + most * 0.01, SegmentValue::CenterOf(i));
        chart.draw_series([Text::new(
            format!("{:.1}", all(answer)),
            place,
            style.clone(),
        )])?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .background_style(WHITE.mix(0.85))
        .border_style(BLACK.mix(0.2))
        .draw()?;
    Ok(())
}
