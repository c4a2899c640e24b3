//! Splits the arguments of a program into options and operands, by a table of the options that it has.

use std::collections::VecDeque;

use crate::domain::{
    convert::{builder::Builder, finding::cut},
    invalid::Invalid,
    wording::{did_you_mean, nearest},
};

/// What an option does here.
#[derive(Clone, Copy)]
pub(super) enum Meaning {
    /// The reader of the program knows.
    Mapped,
    /// Nothing.
    None,
    /// The job is made without it, because of this.
    Lost(&'static str),
    /// There is no job, because of this.
    Refused(&'static str),
}

/// An option: its letter (`\0` if it has none), its name, whether it takes a value.
pub(super) type Known = (char, &'static str, bool);

/// The options of a program.
pub(super) struct Table {
    pub(super) program: &'static str,
    pub(super) groups: &'static [(Meaning, &'static [Known])],
    /// Whether this letter is the first of two, as in `-nv` of wget.
    pub(super) first_of_two: Option<char>,
    /// Whether names may be shortened.
    pub(super) abbreviates: bool,
}

/// An argument that the reader of the program has to map.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Argument {
    Option(&'static str, String),
    Operand(String),
}

impl Table {
    /// The arguments in their order. What is lost or has no meaning is reported; what is refused or unknown is an error: of an unknown
    /// option it is not known whether the next word is its value.
    pub(super) fn read(&self, words: Vec<String>, job: &mut Builder) -> Result<Vec<Argument>, Invalid> {
        let (mut words, mut arguments) = (VecDeque::from(words), Vec::new());
        while let Some(word) = words.pop_front() {
            if word == "--" {
                arguments.extend(words.drain(..).map(Argument::Operand));
            } else if let Some(long) = word.strip_prefix("--") {
                let (name, value) = match long.split_once('=') {
                    Some((name, value)) => (name, Some(value.to_owned())),
                    None => (long, None),
                };
                let (meaning, known) = self.by_name(name)?;
                let value = match (known.2, value) {
                    (true, None) => words.pop_front().ok_or_else(|| self.value_missing(known.1))?,
                    (_, value) => value.unwrap_or_default(),
                };
                arguments.extend(self.apply(meaning, known, value, job)?);
            } else if word.starts_with('-') && word.len() > 1 {
                self.letters(&word[1..], &mut words, &mut arguments, job)?;
            } else {
                arguments.push(Argument::Operand(word));
            }
        }
        Ok(arguments)
    }

    /// `-sSfm20`
    fn letters(
        &self,
        cluster: &str,
        words: &mut VecDeque<String>,
        arguments: &mut Vec<Argument>,
        job: &mut Builder,
    ) -> Result<(), Invalid> {
        let mut chars = cluster.chars();
        while let Some(letter) = chars.next() {
            if self.first_of_two == Some(letter) && chars.next().is_some() {
                job.no_meaning("-n", NO_MEANING);
                continue;
            }
            let (meaning, known) = self.by_letter(letter)?;
            let mut value = String::new();
            if known.2 {
                value = chars.as_str().to_owned();
                chars = "".chars();
                if value.is_empty() {
                    value = words.pop_front().ok_or_else(|| self.value_missing(known.1))?;
                }
            }
            arguments.extend(self.apply(meaning, known, value, job)?);
        }
        Ok(())
    }

    fn apply(
        &self,
        meaning: Meaning,
        known: Known,
        value: String,
        job: &mut Builder,
    ) -> Result<Option<Argument>, Invalid> {
        let option = format!("--{}", known.1);
        match meaning {
            Meaning::Mapped => return Ok(Some(Argument::Option(known.1, value))),
            Meaning::None => job.no_meaning(option.as_str(), NO_MEANING),
            Meaning::Lost(why) => {
                let detail = format!("{option}: {why}");
                job.lost(option.as_str(), Invalid::new("option_lost", detail));
            }
            Meaning::Refused(why) => {
                return Err(Invalid::new("command_option", format!("{option}: {why}")));
            }
        }
        Ok(None)
    }

    fn all(&self) -> impl Iterator<Item = (Meaning, Known)> {
        self.groups.iter().flat_map(|(meaning, known)| known.iter().map(|known| (*meaning, *known)))
    }

    fn by_letter(&self, letter: char) -> Result<(Meaning, Known), Invalid> {
        let found = self.all().find(|(_, known)| known.0 == letter && letter != '\0');
        found.ok_or_else(|| self.unknown(&format!("-{letter}")))
    }

    fn by_name(&self, name: &str) -> Result<(Meaning, Known), Invalid> {
        if let Some(found) = self.all().find(|(_, known)| known.1 == name) {
            return Ok(found);
        }
        if self.abbreviates {
            let mut long = self.all().filter(|(_, known)| known.1.starts_with(name));
            if let (Some(found), None) = (long.next(), long.next()) {
                return Ok(found);
            }
        }
        // `--no-location`: an option that does nothing here does nothing either when it is off.
        let positive =
            name.strip_prefix("no-").and_then(|name| self.all().find(|(_, known)| known.1 == name));
        match positive {
            Some((_, known)) if !known.2 => Ok((Meaning::None, known)),
            _ => Err(self.unknown(&format!("--{name}"))),
        }
    }

    fn unknown(&self, option: &str) -> Invalid {
        let program = self.program;
        let detail = format!("{program} has the option {}, which is not known here.", cut(option, 60));
        let names = self.all().map(|(_, known)| known.1);
        match nearest(option.trim_start_matches('-'), names).filter(|_| option.starts_with("--")) {
            Some(name) => Invalid::new("command_option", detail).hint(did_you_mean(&format!("--{name}"))),
            None => Invalid::new("command_option", detail).hint("Leave it out, or set the job by hand."),
        }
    }

    fn value_missing(&self, name: &str) -> Invalid {
        Invalid::new("command_option", format!("The option --{name} of {} has no value.", self.program))
    }
}

const NO_MEANING: &str = "It says nothing about the request.";
