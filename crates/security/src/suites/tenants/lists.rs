//! No list, filter or cursor shows what belongs to others.

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use std::sync::Arc;

use super::{
    Operation, Tried, operations,
    world::{Things, World},
};
use crate::{
    case::{Case, Family},
    system::{System, text},
    wire::Reply,
};

/// What is no cursor. `{cursor}` is one that is.
const GARBLED: &[(&str, &str)] = &[
    ("empty", ""),
    ("cut", "{cut}"),
    ("longer by one", "{cursor}0"),
    ("in capitals", "ABCDEF{cut}"),
    ("twice", "{cursor}{cursor}"),
    ("with another checksum", "{swapped}"),
    ("with a sign", "%2B{cut}"),
    ("NUL", "%00"),
    ("no UTF-8", "%ff%fe"),
    ("not ASCII", "%C3%A4%C3%A4%C3%A4%C3%A4%C3%A4%C3%A4%C3%A4%C3%A4%C3%A4%C3%A4"),
    ("an id", "job_01h455vb4pex5vsknk084sn02q"),
    ("a statement", "'%20or%201=1%20--"),
    ("10 KB", "{10 KB}"),
];

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for operation in operations().into_iter().filter(|it| it.method == "GET" && it.id.starts_with("list_")) {
        let mut add = |what: String, attempt: Box<dyn Fn(Arc<System>, Operation) -> Tried>| {
            let operation = operation.clone();
            cases.push(Case::asks(Family::Tenants, format!("{}: {what}", operation.id), move |system| {
                attempt(system, operation.clone())
            }));
        };
        add("nothing of others".into(), Box::new(|system, it| Box::pin(nothing_of_others(system, it))));
        for parameter in &operation.parameters {
            if of(&Things::absent(), parameter).is_some() {
                let parameter = parameter.clone();
                add(
                    format!("others' {parameter}"),
                    Box::new(move |system, it| Box::pin(filtered(system, it, parameter.clone()))),
                );
            }
        }
        if operation.parameters.iter().any(|name| name == "cursor") {
            add("another's cursor".into(), Box::new(|system, it| Box::pin(another_cursor(system, it))));
            add(
                "a cursor of other filters".into(),
                Box::new(|system, it| Box::pin(other_filters(system, it))),
            );
            for (name, cursor) in GARBLED {
                add(
                    format!("a cursor that is {name}"),
                    Box::new(move |system, it| Box::pin(garbled(system, it, cursor))),
                );
            }
        }
    }
    cases
}

/// The value of a filter that finds these things.
fn of(things: &Things, parameter: &str) -> Option<String> {
    let value = match parameter {
        "job_id" => &things.job,
        "channel_id" => &things.channel,
        "execution_id" => &things.execution,
        // The name of a secret is much like that of a job, and its tag.
        "q" | "job_name" | "tag" => return Some(things.secret.replace('-', ".")),
        _ => return None,
    };
    Some(value.clone())
}

async fn list(system: &System, operation: &Operation, query: &str) -> anyhow::Result<Reply> {
    let World { attacker, own, .. } = World::of(system).await?;
    let path = format!("{}{query}", operation.path_to(own));
    let token = if operation.id == "list_workspaces" { &attacker.session } else { &attacker.token };
    system.ask_in(&attacker.workspace, token, ("GET", &path), &Value::Null).await
}

async fn nothing_of_others(system: Arc<System>, operation: Operation) -> anyhow::Result<()> {
    let world = World::of(&system).await?;
    if operation.id == "list_workspaces" {
        // Two of the victim's are the attacker's, too.
        let list = list(&system, &operation, "").await?;
        list.expect(200)?;
        ensure!(!list.text().contains(&world.victim.workspace), "{}", list.text());
        return Ok(());
    }
    let pages = operation.parameters.iter().any(|name| name == "cursor");
    let mut query = if pages { "?limit=250".to_owned() } else { String::new() };
    loop {
        let page = list(&system, &operation, &query).await?;
        let seen = page.expect(200)?;
        ensure!(seen["data"].as_array().is_some_and(|data| !data.is_empty()), "it shows nothing at all");
        world.is_not_in(&page)?;
        let Some(next) = seen["next_cursor"].as_str() else { return Ok(()) };
        query = format!("?limit=250&cursor={next}");
    }
}

async fn filtered(system: Arc<System>, operation: Operation, parameter: String) -> anyhow::Result<()> {
    let World { own, theirs, .. } = World::of(&system).await?;
    let by = async |things: &Things| {
        let value = of(things, &parameter).context("no such filter")?;
        list(&system, &operation, &format!("?{parameter}={value}")).await
    };
    let found = by(own).await?.expect(200)?;
    ensure!(found["data"].as_array().is_some_and(|data| !data.is_empty()), "it finds not even one's own");
    let (others, never) = (by(theirs).await?, by(&Things::absent()).await?);
    ensure!(never.expect(200)?["data"] == json!([]), "{}", never.text());
    ensure!(others.timeless() == never.timeless(), "{} is not {}", others.text(), never.text());
    Ok(())
}

/// Of the first page of the victim's.
async fn another_cursor(system: Arc<System>, operation: Operation) -> anyhow::Result<()> {
    let world = World::of(&system).await?;
    let first = format!("{}?limit=1", operation.path_to(&world.theirs));
    let first = system.ask_as(&world.victim.token, "GET", &first, &Value::Null).await?.expect(200)?;
    let cursor = text(&first["next_cursor"])?;
    let page = list(&system, &operation, &format!("?cursor={cursor}")).await?;
    if page.status != 200 {
        page.expect_wrong("?cursor", "cursor_invalid")?;
    }
    world.is_not_in(&page)
}

async fn own_cursor(system: &System, operation: &Operation) -> anyhow::Result<String> {
    text(&list(system, operation, "?limit=1").await?.expect(200)?["next_cursor"])
}

async fn other_filters(system: Arc<System>, operation: Operation) -> anyhow::Result<()> {
    let cursor = own_cursor(&system, &operation).await?;
    list(&system, &operation, &format!("?cursor={cursor}&limit=2")).await?.expect(200)?;
    let filters = [("state", "active"), ("status", "failed")];
    for (name, value) in
        filters.into_iter().filter(|(name, _)| operation.parameters.iter().any(|known| known == name))
    {
        let page = list(&system, &operation, &format!("?cursor={cursor}&{name}={value}")).await?;
        page.expect_wrong("?cursor", "cursor_invalid")?;
    }
    Ok(())
}

async fn garbled(system: Arc<System>, operation: Operation, cursor: &str) -> anyhow::Result<()> {
    let good = own_cursor(&system, &operation).await?;
    ensure!(good.len() > 16 && good.is_ascii(), "{good}");
    let cut = &good[..good.len() - 6];
    let last = if good.ends_with('0') { '1' } else { '0' };
    let cursor = cursor
        .replace("{cursor}", &good)
        .replace("{cut}", cut)
        .replace("{swapped}", &format!("{}{last}", &good[..good.len() - 1]))
        .replace("{10 KB}", &"0".repeat(10_240));
    let page = list(&system, &operation, &format!("?cursor={cursor}")).await?;
    page.expect_problem(422, "validation_failed")?;
    ensure!(page.json()["errors"][0]["pointer"] == "?cursor", "{}", page.text());
    Ok(())
}
