//! Dependencies come from the registry, under licences that deny.toml allows, and are not banned by it. `make deny` checks the same file with
//! the tool that it is written for, which takes minutes to build.

use serde_json::Value;
use std::{collections::BTreeSet, fs, path::Path, process::Command};

fn texts(list: &toml::Value) -> BTreeSet<String> {
    list.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

#[test]
fn dependencies_have_allowed_licences_and_sources() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let rules: toml::Value = toml::from_str(&fs::read_to_string(root.join("deny.toml")).unwrap()).unwrap();
    let allowed = texts(&rules["licenses"]["allow"]);
    let banned = rules["bans"]["deny"].as_array().unwrap();
    let banned: BTreeSet<_> = banned.iter().map(|ban| ban["crate"].as_str().unwrap()).collect();
    assert!(allowed.len() > 5 && banned.contains("actix-governor"), "{allowed:?} {banned:?}");
    for manifest in ["Cargo.toml", "fuzz/Cargo.toml"] {
        let metadata = Command::new(env!("CARGO"))
            .args(["metadata", "--format-version=1", "--locked", "--all-features", "--manifest-path"])
            .arg(root.join(manifest))
            .output()
            .unwrap();
        assert!(metadata.status.success(), "{}", String::from_utf8_lossy(&metadata.stderr));
        let metadata: Value = serde_json::from_slice(&metadata.stdout).unwrap();
        let packages = metadata["packages"].as_array().unwrap();
        assert!(packages.len() > 100);
        for package in packages {
            let name = package["name"].as_str().unwrap();
            assert!(!banned.contains(name), "{name} is banned by deny.toml");
            let Some(source) = package["source"].as_str() else { continue };
            assert_eq!(source, "registry+https://github.com/rust-lang/crates.io-index", "{name}");
            let licence = package["license"].as_str().unwrap_or_else(|| panic!("{name} names no licence"));
            let terms = spdx::Expression::parse_mode(licence, spdx::ParseMode::LAX).unwrap();
            let is_allowed = terms.evaluate(|wanted| allowed.contains(&wanted.to_string()));
            assert!(is_allowed, "{name} is under {licence}, which deny.toml does not allow");
        }
    }
}
