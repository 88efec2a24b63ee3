//! The plots, as SVG.

mod growth;
mod lines;
mod stacked;

use std::error::Error;

use plotters::{
    coord::Shift,
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

use growth::{growth, Drawing};
use lines::{lines, overview, shared, LINES};

use crate::{
    figure::{self, Figure},
    method,
    results::{Compared, Results},
    stats::Spread,
    workload::bundled,
};

/// One plot.
#[derive(Clone, Debug)]
pub struct Plot {
    /// Of the file, without `.svg`.
    pub name: String,
    /// Where in the report: the name of a workload or of a scale.
    pub place: String,
    /// Its text.
    pub svg: String,
}

type Drawn = Result<(), Box<dyn Error>>;
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// One colour for each method, in their order.
const COLORS: [RGBColor; method::ALL.len()] = [
    RGBColor(200, 60, 60),
    RGBColor(225, 140, 50),
    RGBColor(160, 120, 80),
    RGBColor(190, 150, 20),
    RGBColor(140, 90, 170),
    RGBColor(120, 130, 140),
    RGBColor(60, 110, 200),
    RGBColor(40, 150, 80),
    RGBColor(90, 75, 175),
    RGBColor(110, 135, 40),
    RGBColor(50, 165, 180),
    RGBColor(235, 140, 140),
    RGBColor(130, 170, 235),
    RGBColor(130, 205, 150),
];

/// How the line of a method is broken, in their order: one that lies on another leaves it in sight.
const BREAKS: [(u32, u32); 3] = [(1, 0), (10, 5), (3, 4)];

/// What the picture is drawn with on a dark screen, instead of the colours of paper.
const DARK: &str = "<style>@media screen and (prefers-color-scheme: dark) {
svg text[fill=\"#000000\"] { fill: #e3e3e3; }
svg [stroke=\"#000000\"] { stroke: #c9c9c9; }
svg rect[fill=\"#FFFFFF\"] { fill: #15181c; }
}</style>
";

/// The figures that are drawn as bars.
const BARS: [&str; 4] = ["total_pss", "cpu_per_request", "leaving", "restart"];

/// All plots of a comparison.
///
/// # Errors
/// If the library cannot draw.
pub fn all(results: &Results) -> Result<Vec<Plot>, String> {
    let mut plots = Vec::new();
    let mut add = |name: String, place: &str, size, draw: &dyn Fn(&Area) -> Drawn| {
        let mut svg = String::new();
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        area.fill(&WHITE)
            .map_err(Into::into)
            .and_then(|()| draw(&area))
            .and_then(|()| area.present().map_err(Into::into))
            .map_err(|error| format!("{name}: {error}"))?;
        drop(area);
        let first = svg.find('>').map_or(0, |end| end + 2);
        svg.insert_str(first, DARK);
        plots.push(Plot {
            name,
            place: place.to_owned(),
            svg,
        });
        Ok::<(), String>(())
    };
    for compared in &results.workloads {
        let place = &compared.name;
        add(format!("{place}-shared"), place, LINES, &|area| {
            lines(area, results, compared, &shared(compared))
        })?;
        for figure in figure::ALL
            .iter()
            .filter(|figure| BARS.contains(&figure.key))
        {
            let rows = compared
                .methods
                .iter()
                .filter(|one| one.figures.contains_key(figure.key));
            let height = 86 + 26 * rows.count() as u32;
            let name = format!("{place}-{}", figure.key);
            add(name, place, (370, height), &|area| {
                bars(area, compared, figure)
            })?;
        }
    }
    let of = |name: &str| results.workloads.iter().find(|one| one.name == name);
    if let (Some(whole), Some(hot)) = (of(bundled::WHOLE), of(bundled::HOT)) {
        add("overview".into(), "overview", LINES, &|area| {
            lines(area, results, whole, &overview(whole, hot))
        })?;
    }
    for scale in &results.scales {
        let place = scale.over.name();
        add(format!("scale-{place}"), place, (560, 400), &|area| {
            let fitted = Drawing {
                what: "Total PSS",
                unit: "MB",
                of: |point| point.total_pss,
                fitted: true,
            };
            growth(area, scale, &fitted)
        })?;
        add(
            format!("scale-{place}-leaving"),
            place,
            (560, 400),
            &|area| {
                let plain = Drawing {
                    what: "Until all workers are gone",
                    unit: "seconds",
                    of: |point| point.leaving,
                    fitted: false,
                };
                growth(area, scale, &plain)
            },
        )?;
    }
    for told in &results.whys {
        let place = told.place();
        add(place.clone(), &place, stacked::size(told), &|area| {
            stacked::stacked(area, told)
        })?;
    }
    Ok(plots)
}

/// A bar for each method: the median, and a whisker from the smallest to the largest.
fn bars(area: &Area, compared: &Compared, figure: &Figure) -> Drawn {
    let rows = compared.methods.iter();
    let rows: Vec<(&str, Spread)> = rows
        .filter_map(|one| Some((one.method, *one.figures.get(figure.key)?)))
        .collect();
    let most = rows
        .iter()
        .map(|row| row.1.max)
        .fold(0.0, f64::max)
        .max(1e-9);
    let names: Vec<&str> = rows.iter().map(|row| row.0).collect();
    let mut chart = ChartBuilder::on(area)
        .caption(figure.title, ("sans-serif", 16))
        .margin(8)
        .x_label_area_size(40)
        .y_label_area_size(128)
        .build_cartesian_2d(0.0..most * 1.22, (0..names.len() - 1).into_segmented())?;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .light_line_style(TRANSPARENT)
        .x_labels(4)
        .x_desc(figure.unit)
        .x_label_formatter(&ticks(most))
        .y_labels(names.len())
        .y_label_formatter(&from_below(&names))
        .label_style(("sans-serif", 14))
        .draw()?;
    let digits = figure.digits;
    for (i, (name, spread)) in rows.iter().rev().enumerate() {
        let (from, to) = (SegmentValue::Exact(i), SegmentValue::Exact(i + 1));
        let mut bar = Rectangle::new(
            [(0.0, from), (spread.median, to)],
            color(name).mix(0.75).filled(),
        );
        bar.set_margin(4, 4, 0, 0);
        chart.draw_series([bar])?;
        let middle = SegmentValue::CenterOf(i);
        let whisker = [(spread.min, middle.clone()), (spread.max, middle.clone())];
        chart.draw_series([PathElement::new(whisker, BLACK.mix(0.7))])?;
        let style = ("sans-serif", 12)
            .into_text_style(area)
            .pos(Pos::new(HPos::Left, VPos::Center));
        let text = format!("{:.digits$}", spread.median);
        let text = Text::new(text, (spread.max + most * 0.02, middle), style);
        chart.draw_series([text])?;
    }
    Ok(())
}

/// Names of an axis that counts from below, where the first is to stand on top.
fn from_below<'a>(names: &'a [&str]) -> impl Fn(&SegmentValue<usize>) -> String + 'a {
    |place| match place {
        SegmentValue::CenterOf(i) | SegmentValue::Exact(i) => {
            let name = names.iter().rev().nth(*i).copied();
            name.unwrap_or_default().to_owned()
        }
        SegmentValue::Last => String::new(),
    }
}

/// Numbers of an axis up to `most`, with as many digits as tell them apart.
fn ticks(most: f64) -> impl Fn(&f64) -> String {
    let digits = match most {
        most if most >= 8.0 => 0,
        most if most >= 0.8 => 1,
        _ => 2,
    };
    move |value| format!("{value:.digits$}")
}

fn color(name: &str) -> RGBColor {
    COLORS[place(name)]
}

fn breaks(name: &str) -> (u32, u32) {
    BREAKS[place(name) % BREAKS.len()]
}

fn place(name: &str) -> usize {
    let place = method::ALL.iter().position(|method| method.name == name);
    place.unwrap_or_default()
}

/// A method as texts call it.
fn in_words(name: &str) -> &str {
    match name {
        "bootstrap" => "threshold 0, os._exit",
        "recipe" => "collect + freeze",
        "cinderx" => "immortalize_heap()",
        "off" => "pycow-gc = off",
        _ => name,
    }
}
