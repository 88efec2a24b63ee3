//! `make modes`: every way to run uWSGI, each with load, recycled workers, a reload and a stop, beside
//! stock uWSGI. What works there works with pycow, and ends alike.

mod life;
mod special;
mod table;

use std::{env, thread};

use life::{Life, REQUESTS};
use pycow_testkit::supported::{tell, Verdict};
use special::SPECIAL;
use table::{Mode, MODES};

/// One life; a test kit's panic is what went wrong.
fn attempt(mode: &Mode, pycow: bool) -> Result<Life, String> {
    let attempt = std::panic::catch_unwind(|| life::live(mode, pycow));
    attempt.unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<String>().cloned();
        Err(said.unwrap_or_else(|| "it panicked".into()))
    })
}

/// Tells docs/supported.md of it; whether pycow did what stock does.
fn is_as_with_stock(mode: &Mode) -> bool {
    let (stock, pycow) = (attempt(mode, false), attempt(mode, true));
    let alike = match (&stock, &pycow) {
        // Where uWSGI alone fails, nothing is promised.
        (Err(_), _) => true,
        (Ok(stock), Ok(pycow)) => {
            pycow.answered >= stock.answered
                && pycow.after_reload >= stock.after_reload
                && pycow.status == stock.status
                && pycow.trouble.len() <= stock.trouble.len()
        }
        (Ok(_), Err(_)) => false,
    };
    let verdict = match (&stock, alike) {
        (Err(_), _) => Verdict::StockFails,
        (_, true) => Verdict::Yes,
        (_, false) => Verdict::No,
    };
    println!(
        "{}: {verdict:?}: stock {stock:?}, pycow {pycow:?}",
        mode.name
    );
    tell("modes", mode.name, verdict, &[told(&stock), told(&pycow)]);
    alike
}

fn told(life: &Result<Life, String>) -> String {
    let life = match life {
        Ok(life) => life,
        Err(said) => return said.lines().next().unwrap_or_default().to_owned(),
    };
    let reload = |count| format!("{count}/{REQUESTS}");
    format!(
        "{}/{REQUESTS}, {}, {} recycled, {}",
        life.answered,
        life.after_reload.map_or("no reload".into(), reload),
        life.recycled,
        life.status
            .map_or("killed".into(), |status| format!("status {status}"))
    )
}

#[test]
fn every_mode_is_as_with_stock() {
    let only = env::var("MODE").ok();
    let is_chosen = |mode: &&Mode| only.as_ref().is_none_or(|only| mode.name.contains(only));
    let chosen: Vec<&Mode> = MODES.iter().chain(SPECIAL).filter(is_chosen).collect();
    assert!(!chosen.is_empty(), "no mode is called {only:?}");
    let mut failed = Vec::new();
    // They wait more than they work.
    for some in chosen.chunks(6) {
        let alike: Vec<bool> = thread::scope(|scope| {
            let lives: Vec<_> = some
                .iter()
                .map(|mode| scope.spawn(|| is_as_with_stock(mode)))
                .collect();
            lives
                .into_iter()
                .map(|life| life.join().expect("a life"))
                .collect()
        });
        let those = some.iter().zip(alike).filter(|(_, alike)| !alike);
        failed.extend(those.map(|(mode, _)| mode.name));
    }
    assert!(failed.is_empty(), "{failed:?}");
}
