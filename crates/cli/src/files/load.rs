//! Reads files, directories and standard input into stacks.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{credentials, variables};
use crate::{
    exit::Failure,
    node::{Entry, Node, Place, Value},
    prompt, yaml,
};

const DEFAULT_FILE: &str = "trigrun.yaml";
const ENDINGS: [&str; 3] = ["yaml", "yml", "json"];
const FIELDS: [&str; 4] = ["stack", "defaults", "jobs", "$schema"];

pub struct Options<'a> {
    pub files: &'a [String],
    pub is_recursive: bool,
    /// Instead of the stacks that the files name.
    pub stack: Option<&'a str>,
    pub is_strict: bool,
}

pub struct Loaded {
    pub stacks: Vec<Stack>,
    pub warnings: Vec<String>,
}

/// The jobs that are applied together.
pub struct Stack {
    pub name: String,
    /// A map from keys to jobs, as the API takes them.
    pub jobs: Node,
}

/// What is wrong with files, each with its place.
#[derive(Default)]
struct Errors(Vec<String>);

impl Errors {
    fn add(&mut self, place: Option<&Place>, text: &str) {
        self.0.push(place.map_or_else(|| text.to_owned(), |place| format!("{place}  {text}")));
    }
}

/// Reads the files. All mistakes are reported at once.
pub fn load(options: &Options<'_>) -> Result<Loaded, Failure> {
    let mut loaded = Loaded { stacks: Vec::new(), warnings: Vec::new() };
    let mut errors = Errors::default();
    for path in paths(options)? {
        let text = prompt::file_or_stdin(&path)?;
        let name = if path == "-" { "stdin" } else { &path };
        match yaml::documents(name, &text) {
            Ok(documents) => {
                for document in documents {
                    add(document, &path, options, &mut loaded, &mut errors);
                }
            }
            Err(error) => errors.add(Some(&error.place), &error.text),
        }
    }
    if let (true, Some(name)) = (loaded.stacks.is_empty(), options.stack) {
        loaded.stacks.push(Stack { name: name.to_owned(), jobs: Node::map() });
    }
    if loaded.stacks.is_empty() && errors.0.is_empty() {
        return Err(Failure::new("the files have no jobs and no stack").line("Name the stack with --stack."));
    }
    match errors.0.len() {
        0 => Ok(loaded),
        1 => Err(Failure { lines: errors.0, ..Failure::new("the files have a mistake") }),
        count => Err(Failure { lines: errors.0, ..Failure::new(format!("the files have {count} mistakes")) }),
    }
}

fn paths(options: &Options<'_>) -> Result<Vec<String>, Failure> {
    if options.files.is_empty() {
        return match Path::new(DEFAULT_FILE).exists() {
            true => Ok(vec![DEFAULT_FILE.to_owned()]),
            false => Err(Failure::new(format!("there is no {DEFAULT_FILE} here"))
                .line("Name a file or a directory with -f.")),
        };
    }
    let mut paths = Vec::new();
    for file in options.files {
        let path = PathBuf::from(file);
        if !path.is_dir() {
            paths.push(file.clone());
            continue;
        }
        let before = paths.len();
        list(&path, options.is_recursive, &mut paths)
            .map_err(|error| Failure::new(format!("cannot read {file}: {error}")))?;
        if paths.len() == before {
            return Err(Failure::new(format!("{file} has no files that end with .yaml, .yml or .json")));
        }
    }
    Ok(paths)
}

/// The files of a directory, sorted, without hidden ones.
fn list(directory: &Path, is_recursive: bool, paths: &mut Vec<String>) -> std::io::Result<()> {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(directory)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    entries.sort();
    for path in entries {
        let is_hidden = path.file_name().is_none_or(|name| name.to_string_lossy().starts_with('.'));
        let is_of_jobs = path.extension().is_some_and(|ending| ENDINGS.iter().any(|known| ending == *known));
        if is_hidden {
            continue;
        }
        if path.is_dir() {
            if is_recursive {
                list(&path, is_recursive, paths)?;
            }
        } else if is_of_jobs {
            paths.push(path.to_string_lossy().into_owned());
        }
    }
    Ok(())
}

fn add(mut document: Node, path: &str, options: &Options<'_>, loaded: &mut Loaded, errors: &mut Errors) {
    let place = document.place.clone();
    if !matches!(document.value, Value::Map(_)) {
        return errors.add(place.as_ref(), "A file of jobs has the fields stack, defaults and jobs.");
    }
    for entry in document.entries() {
        if !FIELDS.contains(&entry.key.as_str()) {
            errors.add(entry.place.as_ref(), &unknown(&entry.key));
        }
    }
    for (place, text) in variables::substitute(&mut document) {
        errors.add(place.as_ref(), &text);
    }
    let stack = options.stack.or_else(|| document.get("stack").and_then(Node::as_str)).map(str::to_owned);
    let Some(stack) = stack else {
        return errors.add(place.as_ref(), "The file names no stack. Add `stack: NAME`, or --stack NAME.");
    };
    let defaults = document.get("defaults").cloned();
    let jobs = document.remove("jobs");
    if let Some(jobs) = jobs.as_ref().filter(|jobs| !matches!(jobs.value.value, Value::Map(_) | Value::Null))
    {
        errors.add(jobs.place.as_ref(), "jobs is a map from keys to jobs.");
    }
    let mut found = Vec::new();
    for Entry { key, place, value } in jobs.map(|jobs| jobs.value.entries().to_vec()).unwrap_or_default() {
        let mut job = defaults.as_ref().map_or_else(|| value.clone(), |defaults| defaults.under(&value));
        read_body(&mut job, path, errors);
        for (header, place) in credentials::written_out(&job) {
            let text = format!(
                "{key} has the credential {header} written out. Store it with `trigrun secrets set NAME`, and write secret://NAME."
            );
            match options.is_strict {
                true => errors.add(place, &text),
                false => loaded
                    .warnings
                    .push(place.map_or_else(|| text.clone(), |place| format!("{place}  {text}"))),
            }
        }
        found.push(Entry { key, place, value: job });
    }
    let at = loaded.stacks.iter().position(|known| known.name == stack).unwrap_or_else(|| {
        loaded.stacks.push(Stack { name: stack, jobs: Node { place, ..Node::map() } });
        loaded.stacks.len() - 1
    });
    merge(&mut loaded.stacks[at].jobs, found, errors);
}

fn merge(jobs: &mut Node, found: Vec<Entry>, errors: &mut Errors) {
    let Value::Map(known) = &mut jobs.value else { return };
    for entry in found {
        match known.iter().find(|other| other.key == entry.key) {
            Some(other) => {
                let first = other.place.as_ref().map(ToString::to_string).unwrap_or_default();
                errors.add(
                    entry.place.as_ref(),
                    &format!("The job {} is already there, at {first}.", entry.key),
                );
            }
            None => known.push(entry),
        }
    }
}

fn unknown(field: &str) -> String {
    let nearest = FIELDS
        .iter()
        .max_by(|a, b| strsim::jaro_winkler(field, a).total_cmp(&strsim::jaro_winkler(field, b)));
    let nearest = nearest.filter(|nearest| strsim::jaro_winkler(field, nearest) > 0.7);
    let hint = nearest.map_or_else(String::new, |nearest| format!(" Did you mean {nearest}?"));
    format!("A file of jobs has no field {field}.{hint}")
}

/// Replaces `body_file` by the content of the file, which lies beside the file of jobs.
fn read_body(job: &mut Node, path: &str, errors: &mut Errors) {
    let Some(mut request) = job.get("request").cloned() else { return };
    let Some(Entry { value, place, .. }) = request.remove("body_file") else { return };
    let Some(name) = value.as_str() else {
        return errors.add(place.as_ref(), "body_file is the path of a file.");
    };
    let file = Path::new(path).parent().map_or_else(|| PathBuf::from(name), |directory| directory.join(name));
    let text = match fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) => {
            return errors.add(place.as_ref(), &format!("Cannot read {}: {error}.", file.display()));
        }
    };
    let is_json = file.extension().is_some_and(|ending| ending == "json");
    let body = match is_json.then(|| Node::from_json(&text)).transpose() {
        Ok(json) => json.unwrap_or_else(|| Node::string(text)),
        Err(error) => {
            return errors.add(place.as_ref(), &format!("{} is not JSON: {error}.", file.display()));
        }
    };
    request.set("body", Node { place, ..body });
    job.set("request", request);
}
