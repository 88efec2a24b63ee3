//! `make bench`: every method side by side, on the bundled workloads or on one's own application.

mod args;
mod beside;
mod binary;
mod busy;
mod compare;
mod figure;
mod growth;
mod ini;
mod load;
mod method;
mod notes;
mod page;
mod paths;
mod plot;
mod progress;
mod results;
mod run;
mod scale;
mod stats;
mod table;
mod terminal;
mod why;
mod workload;

use std::{
    env, fs,
    path::{absolute, Path, PathBuf},
    process::ExitCode,
};

use args::{Args, LazyApps};
use clap::Parser;
use pycow_testkit::Host;
use results::{Machine, Results};
use workload::{bundled, own, Workload};

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(asked) if !asked.use_stderr() => asked.exit(),
        Err(error) => {
            // Without clap's hints: they name options where `make bench` has variables.
            let text = error.to_string();
            eprintln!("{}", text.lines().next().unwrap_or_default());
            return ExitCode::FAILURE;
        }
    };
    match compare_all(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs what was asked for, and writes what was found.
fn compare_all(args: &Args) -> Result<(), String> {
    if let Some(file) = &args.again {
        let results = results::read(file)?;
        return write(&results, &folder(args)?);
    }
    load::check()?;
    let host = host(args)?;
    let mut workloads = workloads(args, &host)?;
    if let Some(file) = &args.warmup {
        let paths = workload::urls(file)?;
        let warmed = workloads.into_iter();
        workloads = warmed.map(|one| one.warmed_by(paths.clone())).collect();
    } else if args.methods.iter().any(|method| method.warm) {
        let warmed = workloads.into_iter();
        workloads = warmed.map(Workload::warmed_by_methods).collect();
    }
    workloads = match args.lazy_apps {
        None => workloads,
        Some(LazyApps::Told(lazy)) => {
            let told = workloads.into_iter();
            told.map(|one| one.with_lazy_apps(lazy)).collect()
        }
        Some(LazyApps::Both) => {
            let told = workloads.into_iter();
            told.flat_map(Workload::with_lazy_apps_and_without)
                .collect()
        }
    };
    if args.look {
        let progress = progress::Progress::new();
        return workloads
            .iter()
            .try_for_each(|workload| compare::look(workload, &host, &progress));
    }
    let out = folder(args)?;

    let progress = progress::Progress::new();
    let mut results = Results {
        date: results::now(),
        command: command(),
        machine: Machine::here(&host),
        workloads: Vec::new(),
        scales: Vec::new(),
        whys: Vec::new(),
    };
    progress::tell!("{}", results.machine);
    let compared = if args.why { &[][..] } else { &workloads };
    for workload in compared {
        let compared = compare::compare(workload, &host, args, &progress)?;
        if args.brief {
            terminal::print_brief(&compared);
        } else {
            terminal::print(&compared);
        }
        results.workloads.push(compared);
        for line in beside::lines(&results.workloads) {
            progress::tell!("{line}\n");
        }
    }
    if let Some(workload) = compared.first() {
        results.scales = scale::scales(workload, &host, args, &progress);
    }
    terminal::print_scales(&results.scales);
    if !args.brief {
        let why = why::ask(&workloads[0], &host, args, &progress)?;
        terminal::print_why(&why);
        results.whys.push(why);
    }
    write(&results, &out)?;
    progress.say(&format!("{} is ready", out.join("report.html").display()));
    Ok(())
}

/// Where the report goes; it can be written there.
fn folder(args: &Args) -> Result<PathBuf, String> {
    let named = |error| format!("{}: {error}", args.out.display());
    let out = absolute(&args.out).map_err(named)?;
    fs::create_dir_all(&out).map_err(named)?;
    let tried = out.join(".tried");
    let written = fs::write(&tried, "").and_then(|()| fs::remove_file(&tried));
    written.map_err(named)?;
    Ok(out)
}

/// The uWSGI that runs it all.
fn host(args: &Args) -> Result<Host, String> {
    let is_own = args.app.is_some() || args.ini.is_some();
    let found = args
        .uwsgi
        .clone()
        .or_else(|| binary::on_path("uwsgi").filter(|_| is_own));
    let ini = args.ini.as_deref().map(workload::existing).transpose()?;
    let ini = ini.map(|path| path.display().to_string());
    let arguments: Vec<&str> = ini.iter().flat_map(|ini| ["--ini", ini]).collect();
    match found {
        Some(path) => binary::at(&path, &arguments),
        None => Ok(binary::newest()),
    }
}

fn workloads(args: &Args, host: &Host) -> Result<Vec<Workload>, String> {
    let urls = match &args.urls {
        Some(file) => workload::urls(file)?,
        None => vec!["/".into()],
    };
    if let Some(file) = &args.app {
        return Ok(vec![own::wsgi(file, urls, args.workers.unwrap_or(4))?]);
    }
    if let Some(file) = &args.ini {
        return Ok(vec![own::ini(file, host, urls, args.workers)?]);
    }
    if args.urls.is_some() {
        return Err("--urls goes with --app or --ini: the bundled workloads have their own".into());
    }
    if host.python < (3, 10) {
        return Err("the bundled workloads need Django 5.2, and that CPython 3.10 or newer".into());
    }
    let mut names = bundled::names();
    names.retain(|name| match args.workloads.is_empty() {
        true => bundled::usual().contains(name),
        false => args.workloads.iter().any(|asked| asked == name),
    });
    let named = |name| bundled::named(name, host, args.workers.unwrap_or(4));
    names.into_iter().map(named).collect()
}

fn write(results: &Results, out: &Path) -> Result<(), String> {
    let write = |name: &str, text: String| {
        let path: PathBuf = out.join(name);
        fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))
    };
    let json = serde_json::to_string_pretty(results).map_err(|error| error.to_string())?;
    write("results.json", json + "\n")?;
    let plots = plot::all(results)?;
    for plot in &plots {
        write(&format!("{}.svg", plot.name), plot.svg.clone())?;
    }
    write("report.html", page::render(results, &plots)?)
}

/// As it was typed, but for the folder of the output.
fn command() -> String {
    let what = if env::args().any(|it| it == "--why") {
        "why"
    } else {
        "bench"
    };
    let mut command = format!("make {what}");
    let mut arguments = env::args().skip(1);
    while let Some(argument) = arguments.next() {
        if ["--brief", "--why"].contains(&argument.as_str()) {
            continue;
        }
        let (flag, value) = match argument.split_once('=') {
            Some((flag, value)) => (flag.to_owned(), value.to_owned()),
            None => (argument, arguments.next().unwrap_or_default()),
        };
        if flag != "--out" {
            let name = flag
                .trim_start_matches('-')
                .replace('-', "_")
                .to_uppercase();
            command += &format!(" {name}={value}");
        }
    }
    command
}
