//! Runs every fuzz target over its corpus. `make fuzz-inputs` searches for further inputs.

use std::{collections::BTreeSet, fs, panic, path::Path};
use trigrun_fuzz::TARGETS;

#[test]
fn every_input_of_the_corpora_is_handled_as_documented() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    for (name, run) in TARGETS {
        let inputs: Vec<_> =
            fs::read_dir(corpora.join(name)).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(inputs.len() > 5, "the corpus of {name} has {} inputs", inputs.len());
        for path in inputs {
            let input = fs::read(&path).unwrap();
            assert!(panic::catch_unwind(|| run(&input)).is_ok(), "{name}: {}", path.display());
        }
    }
}

#[test]
fn every_corpus_has_a_target_and_every_target_a_program() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
    let names = |folder: &str| -> BTreeSet<String> {
        let entries = fs::read_dir(fuzz.join(folder)).unwrap().map(|entry| entry.unwrap().file_name());
        entries.map(|name| name.to_string_lossy().trim_end_matches(".rs").to_owned()).collect()
    };
    let targets: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names("corpus"), targets);
    assert_eq!(names("fuzz_targets"), targets);
}
