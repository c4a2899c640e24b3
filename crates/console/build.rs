//! Makes a table of the files of web/dist, which `npm run build` writes: path, content type, hash, and the content as it
//! is and with brotli. Without these files, the table is empty and the console is a page that says how to build it.

#![allow(clippy::disallowed_methods, reason = "Cargo passes the directories in the environment")]

use std::{
    env,
    fmt::Write as _,
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use brotli::enc::BrotliEncoderParams;

/// Below this size, compression saves no packet.
const MIN_COMPRESSED_BYTES: usize = 1024;

#[expect(
    clippy::disallowed_methods,
    reason = "Cargo tells build scripts their directories by the environment"
)]
fn main() -> Result<()> {
    let dist = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("web/dist");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={}", dist.display());
    let mut files = Vec::new();
    if dist.join("index.html").exists() {
        list(&dist, &mut files)?;
    }
    files.sort();
    let mut table = String::from("pub static FILES: &[File] = &[\n");
    for file in &files {
        let path = file.strip_prefix(&dist)?.to_str().context("a path is not UTF-8")?.replace('\\', "/");
        write_entry(&mut table, file, &path, &out)?;
    }
    table.push_str("];\n");
    fs::write(out.join("files.rs"), table)?;
    Ok(())
}

/// The files below a directory. What begins with a dot, and Vite's manifest, is for the build only.
fn list(directory: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).context("a path is not UTF-8")?;
        if name.starts_with('.') || name == "manifest.json" {
            continue;
        }
        if path.is_dir() { list(&path, files)? } else { files.push(path) }
    }
    Ok(())
}

fn write_entry(table: &mut String, file: &Path, path: &str, out: &Path) -> Result<()> {
    let content = fs::read(file)?;
    let compressed = compress(&content, path, out)?;
    let hash = hash(&content);
    let content_type = content_type(path)?;
    let brotli = compressed.map_or("None".to_owned(), |name| {
        format!("Some(include_bytes!(concat!(env!(\"OUT_DIR\"), \"/{name}\")))")
    });
    writeln!(
        table,
        "File {{ path: {path:?}, content_type: {content_type:?}, hash: \"{hash:016x}\", identity: include_bytes!({file:?}), brotli: {brotli} }},",
    )?;
    Ok(())
}

/// Writes a file with brotli beside the table, if that makes it smaller, and returns its name.
fn compress(content: &[u8], path: &str, out: &Path) -> Result<Option<String>> {
    if content.len() < MIN_COMPRESSED_BYTES {
        return Ok(None);
    }
    let mut compressed = Vec::new();
    let parameters = BrotliEncoderParams { quality: 11, lgwin: 22, ..Default::default() };
    brotli::BrotliCompress(&mut &content[..], &mut compressed, &parameters)?;
    if compressed.len() >= content.len() {
        return Ok(None);
    }
    let name = format!("{}.br", path.replace('/', "-"));
    fs::write(out.join(&name), compressed)?;
    Ok(Some(name))
}

fn hash(content: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    hasher.finish()
}

fn content_type(path: &str) -> Result<&'static str> {
    Ok(match path.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("woff2") => "font/woff2",
        Some("json") => "application/json",
        Some("txt") => "text/plain; charset=utf-8",
        _ => bail!("{path}: add its content type to crates/console/build.rs"),
    })
}
