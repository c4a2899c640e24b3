/// A file of the console, as `build.rs` has embedded it.
pub struct File {
    /// Relative to the base path: `assets/index-….js`.
    pub path: &'static str,
    pub content_type: &'static str,
    pub hash: &'static str,
    pub identity: &'static [u8],
    /// With brotli, where that is smaller.
    pub brotli: Option<&'static [u8]>,
}

include!(concat!(env!("OUT_DIR"), "/files.rs"));

pub const INDEX: &str = "index.html";

/// Whether the name of a file contains its hash, so that its content never changes.
pub fn is_immutable(path: &str) -> bool {
    path.starts_with("assets/")
}

pub fn find(path: &str) -> Option<&'static File> {
    FILES.binary_search_by(|file| file.path.cmp(path)).ok().map(|at| &FILES[at])
}
