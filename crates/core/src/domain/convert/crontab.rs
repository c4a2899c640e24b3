//! Crontabs with commands, as users and systems have them, and lines `EXPRESSION URL`.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::{
    builder::Builder,
    command::{self, Context},
    finding::Place,
    output::Output,
};
use crate::domain::{
    crontab::{Line, is_url, known_zone, read_line, read_url, zone_unknown},
    invalid::Invalid,
};

/// Variables that the line's command does not need for a request.
const OF_A_SHELL: [&str; 7] = ["SHELL", "PATH", "HOME", "LOGNAME", "USER", "LANG", "LC_ALL"];

/// The state of the file at a line.
struct File {
    /// The zone, or why it is unknown.
    zone: Result<String, Invalid>,
    variables: BTreeMap<String, String>,
    /// The comment directly above the line.
    comment: Option<String>,
}

pub(super) fn read(text: &str, output: &mut Output<'_>) {
    let (zone, now) = (known_zone(output.options.timezone), output.options.now);
    let mut file = File { zone, variables: BTreeMap::new(), comment: None };
    for (index, raw) in text.lines().enumerate() {
        let (place, text) = (Place::Line(index + 1), raw.trim());
        match read_line(text) {
            Ok(Line::Nothing) => {
                file.comment = comment(text);
                continue;
            }
            Ok(Line::Zone(name)) => file.set_zone(name, place, output),
            Ok(Line::Variable { name, value }) => file.set_variable(name, value, place, output),
            Ok(Line::Fires { expression, rest }) => {
                output.job(place, text, |job| file.job(&expression, rest, now, job));
            }
            Err(invalid) => output.refuse(place, invalid),
        }
        file.comment = None;
    }
}

impl File {
    fn set_zone(&mut self, name: &str, place: Place, output: &mut Output<'_>) {
        self.zone = known_zone(name);
        if let Err(unknown) = &self.zone {
            output.refuse(place, unknown.clone());
        }
    }

    fn set_variable(&mut self, name: &str, value: &str, place: Place, output: &mut Output<'_>) {
        match name {
            "MAILTO" if value.is_empty() => {
                output.no_meaning(place, "MAILTO", "cron sends no mail, and TrigRun sends none by itself.");
            }
            "MAILTO" => {
                let detail = "cron sends the output of each line to MAILTO; the jobs send no notification.";
                let hint = "Create a notification channel of type email, and a rule for each job.";
                output.lost(place, Invalid::new("mailto", detail).hint(hint));
            }
            "MAILFROM" | "CRON_WITHIN" | "RANDOM_DELAY" | "START_HOURS_RANGE" => {
                let detail = format!("The setting {name} of cron has no effect on a job.");
                output.lost(place, Invalid::new("cron_setting", detail));
            }
            _ => {
                let why = match OF_A_SHELL.contains(&name) {
                    true => "TrigRun runs no shell.",
                    false => "Its value is written into the lines that use it.",
                };
                output.no_meaning(place, name, why);
            }
        }
        self.variables.insert(name.to_owned(), value.to_owned());
    }

    fn job(
        &self,
        expression: &str,
        rest: &str,
        now: DateTime<Utc>,
        job: &mut Builder,
    ) -> Result<(), Invalid> {
        // The expression is read first, as its errors help more than those of the command.
        let zone = self.zone.as_ref().map_err(|_| zone_unknown());
        job.cron(expression, zone.as_ref().map_or("UTC", |zone| zone.as_str()), now)?;
        zone?;
        if let Some(comment) = &self.comment {
            job.name(comment);
        }
        if let Some(url) = plain_url(rest)? {
            return job.url(url);
        }
        let (command, stdin) = split_percent(rest);
        let variables = |name: &str| self.variables.get(name).cloned();
        let context = Context { variables: &variables, stdin: stdin.as_deref() };
        let command = without_user(&command, job);
        command::read(command, context, job)
    }
}

/// The URL of a line without a command.
fn plain_url(rest: &str) -> Result<Option<&str>, Invalid> {
    let first = rest.split([' ', '\t']).next().unwrap_or_default();
    if rest.is_empty() {
        return Err(Invalid::new("crontab_url_missing", "The line has no URL and no command.")
            .hint("Write a URL or a curl command after the expression."));
    }
    // `URL=https://… curl …` is a command.
    let is_variable = first.split_once('=').is_some_and(|(name, _)| !name.contains(':'));
    if is_url(first) && !is_variable { read_url(rest) } else { Ok(None) }
}

/// The user in a line of `/etc/crontab`, which a command tells that follows it.
fn without_user<'a>(command: &'a str, job: &mut Builder) -> &'a str {
    let Some((first, rest)) = command.split_once([' ', '\t']) else { return command };
    let is_name = first.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
    if is_name && !command::is_command(first) && command::is_command(rest.trim_start()) {
        job.no_meaning(first, "It is the user of the command, and TrigRun runs no commands.");
        return rest.trim_start();
    }
    command
}

/// crontab(5): the first `%` ends the command, and what follows is its input, with line breaks for further ones. `\%` is a `%`.
fn split_percent(text: &str) -> (String, Option<String>) {
    let (mut command, mut stdin) = (String::new(), None::<String>);
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        let char = match char {
            '\\' if chars.next_if_eq(&'%').is_some() => '%',
            '%' if stdin.is_none() => {
                stdin = Some(String::new());
                continue;
            }
            '%' => '\n',
            other => other,
        };
        stdin.as_mut().unwrap_or(&mut command).push(char);
    }
    (command, stdin)
}

/// A comment that can name a job: not a line that is switched off, and not a row of dashes.
fn comment(line: &str) -> Option<String> {
    let text =
        line.strip_prefix('#')?.trim_matches(|char: char| char.is_whitespace() || "#-=*".contains(char));
    let is_off = text.starts_with(|char: char| char.is_ascii_digit() || "*@".contains(char))
        || text.contains("://")
        || text.split_once('=').is_some_and(|(name, _)| !name.trim().contains(' '));
    (!is_off && text.chars().any(char::is_alphanumeric)).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percent_sign_ends_the_command() {
        for (text, command, stdin) in [
            ("curl a", "curl a", None),
            ("date +\\%Y", "date +%Y", None),
            ("curl -d @- a%x=1%y=2\\%", "curl -d @- a", Some("x=1\ny=2%")),
        ] {
            assert_eq!(split_percent(text), (command.to_owned(), stdin.map(str::to_owned)));
        }
    }

    #[test]
    fn comments_that_name_a_job() {
        for (line, name) in [
            ("# nightly report", Some("nightly report")),
            ("### Billing ###", Some("Billing")),
            ("#----------", None),
            ("#0 3 * * * curl https://e.com", None),
            ("# see https://e.com", None),
            ("#MAILTO=me", None),
            ("", None),
        ] {
            assert_eq!(comment(line).as_deref(), name, "{line}");
        }
    }
}
