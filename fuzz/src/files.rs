//! Files of jobs: any text is read or refused at a place in it, and what was read can be written and read again, with variables and without.

use trigrun_cli::{
    files::{escape, substitute},
    node::{Node, Place},
    yaml::{documents, to_yaml},
};

const FILE: &str = "jobs.yaml";

pub fn run(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    match documents(FILE, &text) {
        Ok(read) => read.iter().for_each(check),
        Err(error) => {
            assert!(!error.text.is_empty());
            check_place(&error.place, &text);
        }
    }
}

fn check(document: &Node) {
    let json = document.to_json();
    let parsed: serde_json::Value = serde_json::from_str(&json).expect("it is JSON");
    let from_json = Node::from_json(&json).expect("it is read as JSON");
    assert_eq!(from_json.to_json(), json);
    let again = documents(FILE, &to_yaml(document)).expect("what was written can be read");
    let [again] = &again[..] else { panic!("one document was written, and {} were read", again.len()) };
    assert_eq!(again.to_json(), json, "the same values");
    // An export writes texts of jobs, which may look like variables.
    let mut escaped = document.clone();
    escape(&mut escaped);
    let missing = substitute(&mut escaped);
    assert!(missing.is_empty(), "{missing:?}");
    assert_eq!(serde_json::from_str::<serde_json::Value>(&escaped.to_json()).ok(), Some(parsed));
}

/// At most one line after the last: where the rest is missing.
fn check_place(place: &Place, text: &str) {
    let lines = text.split(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']).count();
    assert!(&*place.file == FILE && place.line <= lines + 1, "{place} of {lines} lines");
}
