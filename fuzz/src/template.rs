//! URLs and texts with variables: whatever values an execution fills in, the URL stays the one that was checked.
//!
//! Fields: the text, and an instant.

use crate::{first_fields, instant};
use trigrun_core::domain::{
    address::EgressPolicy,
    id::{ExecutionId, JobId},
    target::{TargetUrl, template},
    variables::{NAMES, Variables},
};
use uuid::Uuid;

pub fn run(input: &[u8]) {
    let [text, at] = first_fields(input);
    let variables = |id| Variables {
        execution: ExecutionId::from_uuid(Uuid::from_u128(id)),
        job: JobId::from_uuid(Uuid::from_u128(!id)),
        scheduled_for: instant(&at),
    };
    for variables in [variables(0), variables(u128::MAX), variables(7 << 90)] {
        check_rendering(&text, &variables);
        check_url(&text, &variables);
    }
}

fn check_rendering(text: &str, variables: &Variables) {
    let rendered = variables.render(text);
    assert_eq!(rendered, replaced(text, variables));
    assert_eq!(variables.render(&rendered), rendered, "a value is rendered again");
}

/// The five names, with spaces around them, and nothing else, from the left.
fn replaced(text: &str, variables: &Variables) -> String {
    let mut replaced = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let inside = rest.strip_prefix("{{").and_then(|rest| rest.split_once("}}")).map(|(inside, _)| inside);
        let inside = inside.filter(|inside| inside.len() <= 32);
        let name =
            NAMES.iter().find(|(name, _)| inside.is_some_and(|inside| inside.trim_matches(' ') == *name));
        let taken = name.and(inside).map_or(first.len_utf8(), |inside| inside.len() + 4);
        match name {
            Some((name, _)) => replaced.push_str(&variables.render(&format!("{{{{{name}}}}}"))),
            None => replaced.push(first),
        }
        rest = &rest[taken..];
    }
    replaced
}

fn check_url(text: &str, variables: &Variables) {
    let policy = EgressPolicy::default();
    let checked = template::check(text, &policy);
    if !NAMES.iter().any(|(name, _)| text.contains(name)) {
        let plain = TargetUrl::parse(text, &policy).map(|url| url.as_str().to_owned());
        assert_eq!(checked, plain, "without variables it is a URL like any other");
    }
    let Ok(kept) = checked else { return };
    assert!(kept.bytes().all(|byte| byte.is_ascii_graphic()), "{kept:?}");
    assert_eq!(template::check(&kept, &policy).as_ref(), Ok(&kept), "the stored text is not accepted again");
    // Values longer than documented are not an error of the URL.
    let fits =
        |(name, longest): &(&str, usize)| variables.render(&format!("{{{{{name}}}}}")).len() <= *longest;
    if !NAMES.iter().all(fits) {
        return;
    }
    let called = TargetUrl::parse(&variables.render(&kept), &policy)
        .unwrap_or_else(|invalid| panic!("{kept:?} cannot be called: {invalid}"));
    let written = TargetUrl::parse(&variables.render(text), &policy);
    assert_eq!(written.as_ref(), Ok(&called), "the variables of {text:?} moved");
    let authority = kept.split('/').nth(2);
    assert_eq!(authority, Some(called.authority()), "a variable changes the host");
}
