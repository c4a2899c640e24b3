//! Commands as users copy them: one or several, without a schedule.

use std::collections::BTreeMap;

use super::{
    command::{self, Context, assignment},
    draft::When,
    finding::Place,
    output::Output,
    words::commands,
};

/// The jobs are drafts that run once: nothing is sent before their author says so.
pub(super) fn read(text: &str, output: &mut Output<'_>) {
    let mut variables: BTreeMap<String, String> = BTreeMap::new();
    for (line, text) in commands(text) {
        let (place, text) = (Place::Line(line), text.trim());
        if text.starts_with('#') {
            output.no_meaning(place, text, "It is a comment.");
            continue;
        }
        // `TOKEN=abc` on a line of its own, for the commands after it.
        let set = assignment(text.strip_prefix("export ").unwrap_or(text));
        if let Some((name, value)) = set.filter(|(_, value)| is_plain(value)) {
            let value = value.trim_matches(['"', '\'']);
            variables.insert(name.to_owned(), value.to_owned());
            output.no_meaning(place, name, "Its value is written into the commands that use it.");
            continue;
        }
        let value_of = |name: &str| variables.get(name).cloned();
        let context = Context { variables: &value_of, stdin: None };
        let command = text.strip_prefix("$ ").or_else(|| text.strip_prefix("% ")).unwrap_or(text);
        output.job(place, text, |job| {
            (job.draft.when, job.draft.state) = (When::OneTime, Some("draft"));
            command::read(command, context, job)
        });
    }
}

/// One word of a shell, of which nothing is replaced.
fn is_plain(value: &str) -> bool {
    let quoted = |quote| value.strip_prefix(quote)?.strip_suffix(quote);
    let inside = quoted('"').or_else(|| quoted('\''));
    let has_space = inside.is_none() && value.contains(char::is_whitespace);
    !has_space && !inside.unwrap_or(value).contains(['"', '\'', '\\', '$', '`', ';', '&', '|'])
}
