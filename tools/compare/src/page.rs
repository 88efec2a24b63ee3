//! `report.html`: everything on one page that needs nothing else.

use minijinja::{context, Environment};
use serde::Serialize;

use crate::{
    beside, growth,
    plot::Plot,
    results::{Compared, Results},
    table::{self, Sheet},
    why::figures::{self, Shown},
};

const TEMPLATE: &str = include_str!("report.html");

/// A workload as the page shows it.
#[derive(Serialize)]
struct Section<'a> {
    title: &'a str,
    workers: usize,
    requests: usize,
    left_out: String,
    verdict: Option<String>,
    busy: Option<String>,
    rounds: usize,
    sheets: Vec<Sheet>,
    beside: Vec<String>,
    obstacles: Vec<(&'a str, &'a str)>,
    plots: Vec<&'a str>,
}

/// A scale as the page shows it.
#[derive(Serialize)]
struct Growing<'a> {
    title: &'a str,
    heads: [&'static str; 6],
    rows: Vec<[String; 6]>,
    words: Vec<String>,
    plots: Vec<&'a str>,
}

/// What is private, as the page shows it.
#[derive(Serialize)]
struct Private<'a> {
    title: &'a str,
    workers: usize,
    requests: usize,
    heads: [&'static str; 7],
    methods: Vec<Shown<'a>>,
    plots: Vec<&'a str>,
}

/// The page.
///
/// # Errors
/// If the template does not fit: a defect.
pub fn render(results: &Results, plots: &[Plot]) -> Result<String, String> {
    let plots_of = |place: &str| {
        let here = plots.iter().filter(|plot| plot.place == place);
        here.map(|plot| plot.svg.as_str()).collect::<Vec<_>>()
    };
    let workloads = results.workloads.iter().enumerate();
    let sections = workloads.map(|(number, compared)| Section {
        title: &compared.title,
        workers: compared.workers,
        requests: compared.requests,
        left_out: compared.left_out.join(", "),
        verdict: table::verdict(compared),
        busy: compared.busy(),
        rounds: compared.rounds(),
        sheets: table::sheets(compared),
        beside: beside::lines(&results.workloads[..=number]),
        obstacles: compared
            .methods
            .iter()
            .filter_map(|one| Some((one.method, one.obstacle.as_deref()?)))
            .collect(),
        plots: plots_of(&compared.name),
    });
    let scales = results.scales.iter().map(|scale| Growing {
        title: &scale.title,
        heads: growth::HEADS,
        rows: growth::rows(scale),
        words: growth::words(scale),
        plots: plots_of(scale.over.name()),
    });
    let whys = results.whys.iter().map(|why| Private {
        title: &why.title,
        workers: why.workers,
        requests: why.requests,
        heads: figures::HEADS,
        methods: why.methods.iter().map(figures::shown).collect(),
        plots: plots_of(&why.place()),
    });
    let mut environment = Environment::new();
    // The name's ending has the values escaped.
    environment
        .add_template("report.html", TEMPLATE)
        .and_then(|()| environment.get_template("report.html"))
        .and_then(|template| {
            template.render(context! {
                title => match results.workloads.is_empty() {
                    true => "what is private, and why",
                    false => "what an application would gain",
                },
                date => results.date,
                command => results.command,
                machine => results.machine.to_string(),
                rounds => results.workloads.iter().map(Compared::rounds).max(),
                sections => sections.collect::<Vec<_>>(),
                scales => scales.collect::<Vec<_>>(),
                whys => whys.collect::<Vec<_>>(),
            })
        })
        .map_err(|error| format!("report.html: {error}"))
}
