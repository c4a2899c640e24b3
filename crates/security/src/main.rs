//! `trigrun-security`: tries to get into TrigRun, and out of it: named cases by family, against real processes, in a network of their own
//! that leads nowhere.
//!
//! What a case sends is either refused with a clear answer or ends as an attempt that is `blocked`; meanwhile the packet filter counts
//! what leaves for addresses that may not be called. That count must stay 0.

mod case;
mod network;
mod recorder;
mod suites;
mod system;
mod wire;

use case::{Case, Family, Tried};
use clap::Parser;
use comfy_table::{Table, presets::UTF8_FULL_CONDENSED};
use futures_util::{StreamExt, stream};
use network::Network;
use std::{process::ExitCode, sync::Arc};
use system::System;

/// Tries to get into TrigRun, and out of it; ends 0 when it held.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Only cases whose family or name contains one of these; all if none is given.
    names: Vec<String>,
    /// Prints the names of the cases, and tries none.
    #[arg(long)]
    list: bool,
    /// Says that this is the network that was made for it.
    #[arg(long, hide = true)]
    inside: bool,
}

/// So many cases of a family are tried at once.
const AT_ONCE: usize = 8;
/// So often is a case tried again that was late.
const AGAIN: usize = 2;

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let chosen = |case: &Case| {
        arguments.names.is_empty() || arguments.names.iter().any(|wanted| case.to_string().contains(wanted))
    };
    let cases: Vec<Case> = suites::cases().into_iter().filter(chosen).collect();
    if arguments.list {
        cases.iter().for_each(|case| println!("{case}"));
        return Ok(ExitCode::SUCCESS);
    }
    let enclave = match (arguments.inside, network::can_be_made()) {
        (true, _) => Some(Network::build()?),
        (false, true) => return Err(network::enter().into()),
        (false, false) => {
            println!("This machine lets nobody make network namespaces: the cases that dial are left out.");
            None
        }
    };
    tokio::runtime::Runtime::new()?.block_on(siege(&cases, enclave))
}

async fn siege(cases: &[Case], enclave: Option<Network>) -> anyhow::Result<ExitCode> {
    let system = Arc::new(System::start(enclave).await?);
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_header([
        "family",
        "",
        "cases",
        "as they must be",
        "late at first",
        "left out",
        "packets that left",
    ]);
    let (mut held, mut wrong) = (true, Vec::new());
    for family in Family::ALL.iter().copied() {
        let of_family = cases.iter().filter(|case| case.family == family);
        let before = system.packets()?;
        let mut tried: Vec<(&Case, Tried)> = stream::iter(of_family)
            .map(async |case| (case, case.attempt(&system).await))
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        let late = tried.iter().filter(|(_, tried)| matches!(tried, Tried::Late(_))).count();
        for (case, tried) in &mut tried {
            for _ in 0..AGAIN {
                let Tried::Late(how) = &*tried else { break };
                println!("late, and tried again alone: {case}\n  {how}");
                *tried = case.attempt(&system).await;
            }
        }
        let packets = system.packets()?.zip(before).map(|(after, before)| after - before);
        if tried.is_empty() {
            continue;
        }
        wrong.extend(tried.iter().filter_map(|(case, tried)| match tried {
            Tried::Otherwise(how) | Tried::Late(how) => Some(format!("NOT SO: {case}\n  {how}")),
            Tried::AsItMust | Tried::LeftOut => None,
        }));
        let count = |wanted: fn(&Tried) -> bool| tried.iter().filter(|(_, tried)| wanted(tried)).count();
        let (good, left_out) =
            (count(|tried| matches!(tried, Tried::AsItMust)), count(|tried| matches!(tried, Tried::LeftOut)));
        held &= good + left_out == tried.len() && packets.is_none_or(|packets| packets == 0);
        table.add_row([
            family.letter().to_string(),
            family.about().to_owned(),
            tried.len().to_string(),
            good.to_string(),
            late.to_string(),
            left_out.to_string(),
            packets.map_or_else(|| "not counted".to_owned(), |packets| packets.to_string()),
        ]);
    }
    println!("{table}");
    // Last, where whoever reads only the end of it finds it.
    wrong.iter().for_each(|wrong| println!("{wrong}"));
    println!("{}", if held { "HELD" } else { "NOT HELD" });
    if let Some(system) = Arc::into_inner(system) {
        system.stop().await;
    }
    Ok(if held { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
