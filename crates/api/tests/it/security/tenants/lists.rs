//! No list, filter or cursor shows what belongs to another workspace.

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use std::sync::Arc;

use trigrun_testkit::raw_http::RawResponse;

use super::{
    Operation, Required,
    fixture::{Things, World},
    operations,
};
use crate::security::{
    case::{Attempt, Case},
    system::{System, text},
};

/// Invalid cursors. `{cursor}` is a valid one.
const INVALID_CURSORS: &[(&str, &str)] = &[
    ("empty", ""),
    ("truncated", "{cut}"),
    ("longer by one", "{cursor}0"),
    ("changed at its start", "ABCDEF{cut}"),
    ("twice", "{cursor}{cursor}"),
    ("with another checksum", "{swapped}"),
    ("with a sign", "%2B{cut}"),
    ("NUL", "%00"),
    ("not UTF-8", "%ff%fe"),
    ("not ASCII", "%C3%A4%C3%A4%C3%A4%C3%A4%C3%A4%C3%A4%C3%A4%C3%A4%C3%A4%C3%A4"),
    ("an id", "job_01h455vb4pex5vsknk084sn02q"),
    ("an SQL statement", "'%20or%201=1%20--"),
    ("10 KB", "{10 KB}"),
];

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for operation in operations().into_iter().filter(|it| it.method == "GET" && it.id.starts_with("list_")) {
        let mut add = |what: String, attempt: Box<dyn Fn(Arc<System>, Operation) -> Attempt>| {
            let operation = operation.clone();
            cases.push(Case::new(format!("{}: {what}", operation.id), move |system| {
                attempt(system, operation.clone())
            }));
        };
        add(
            "nothing of the victim".into(),
            Box::new(|system, it| Box::pin(shows_nothing_of_the_victim(system, it))),
        );
        for parameter in &operation.parameters {
            if filter_value(&Things::absent(), parameter).is_some() {
                let parameter = parameter.clone();
                add(
                    format!("the victim's {parameter}"),
                    Box::new(move |system, it| Box::pin(filtered(system, it, parameter.clone()))),
                );
            }
        }
        if operation.parameters.iter().any(|name| name == "cursor") {
            add("the victim's cursor".into(), Box::new(|system, it| Box::pin(victims_cursor(system, it))));
            add(
                "a cursor of other filters".into(),
                Box::new(|system, it| Box::pin(other_filters(system, it))),
            );
            for (name, cursor) in INVALID_CURSORS {
                add(
                    format!("a cursor that is {name}"),
                    Box::new(move |system, it| Box::pin(invalid_cursor(system, it, cursor))),
                );
            }
        }
    }
    cases
}

/// The value with which this filter finds these things.
fn filter_value(things: &Things, parameter: &str) -> Option<String> {
    let value = match parameter {
        "job_id" | "job_ids" => &things.job,
        "channel_id" => &things.channel,
        "execution_id" => &things.execution,
        // The job has a similar name, and it as a tag.
        "q" | "job_name" | "tag" => return Some(things.secret.replace('-', ".")),
        _ => return None,
    };
    Some(value.clone())
}

async fn list(system: &System, operation: &Operation, query: &str) -> anyhow::Result<RawResponse> {
    let World { attacker, own, .. } = World::of(system).await?;
    let path = format!("{}{query}", operation.path_to(own));
    let token = if operation.required == Required::Session { &attacker.session } else { &attacker.token };
    system.call_in(&attacker.workspace, token, ("GET", &path), &Value::Null).await
}

async fn shows_nothing_of_the_victim(system: Arc<System>, operation: Operation) -> anyhow::Result<()> {
    let world = World::of(&system).await?;
    if operation.id == "list_workspaces" {
        // The attacker is a member of two of the victim's.
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
        ensure!(seen["data"].as_array().is_some_and(|data| !data.is_empty()), "the list is empty");
        world.is_not_in(&page)?;
        let Some(next) = seen["next_cursor"].as_str() else { return Ok(()) };
        query = format!("?limit=250&cursor={next}");
    }
}

async fn filtered(system: Arc<System>, operation: Operation, parameter: String) -> anyhow::Result<()> {
    let World { own, theirs, .. } = World::of(&system).await?;
    let by = async |things: &Things| {
        let value = filter_value(things, &parameter).context("no such filter")?;
        list(&system, &operation, &format!("?{parameter}={value}")).await
    };
    let found = by(own).await?.expect(200)?;
    ensure!(found["data"].as_array().is_some_and(|data| !data.is_empty()), "it does not find one's own");
    let (theirs, absent) = (by(theirs).await?, by(&Things::absent()).await?);
    ensure!(absent.expect(200)?["data"] == json!([]), "{}", absent.text());
    ensure!(theirs.comparable() == absent.comparable(), "{} is not {}", theirs.text(), absent.text());
    Ok(())
}

/// The cursor of the victim's first page.
async fn victims_cursor(system: Arc<System>, operation: Operation) -> anyhow::Result<()> {
    let world = World::of(&system).await?;
    let first = format!("{}?limit=1", operation.path_to(&world.theirs));
    let first = system.call_as(&world.victim.token, "GET", &first, &Value::Null).await?.expect(200)?;
    let cursor = text(&first["next_cursor"])?;
    let page = list(&system, &operation, &format!("?cursor={cursor}")).await?;
    if page.status != 200 {
        page.expect_invalid("?cursor", "cursor_invalid")?;
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
        page.expect_invalid("?cursor", "cursor_invalid")?;
    }
    Ok(())
}

async fn invalid_cursor(system: Arc<System>, operation: Operation, cursor: &str) -> anyhow::Result<()> {
    let valid = own_cursor(&system, &operation).await?;
    ensure!(valid.len() > 16 && valid.is_ascii(), "{valid}");
    let cut = &valid[..valid.len() - 6];
    let last = if valid.ends_with('0') { '1' } else { '0' };
    let cursor = cursor
        .replace("{cursor}", &valid)
        .replace("{cut}", cut)
        .replace("{swapped}", &format!("{}{last}", &valid[..valid.len() - 1]))
        .replace("{10 KB}", &"0".repeat(10_240));
    let page = list(&system, &operation, &format!("?cursor={cursor}")).await?;
    page.expect_problem(422, "validation_failed")?;
    ensure!(page.json()["errors"][0]["pointer"] == "?cursor", "{}", page.text());
    Ok(())
}
