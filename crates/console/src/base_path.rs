use std::{fmt, str::FromStr};

/// Where the console is below the server's root: `/`, or a path like `/console/`. It begins and ends with a slash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BasePath(String);

/// A base path that the console cannot be served at.
#[derive(Debug, thiserror::Error)]
#[error(
    "the base path must be / or a path of segments of a-z, A-Z, 0-9, -, _ and ., like /console, and not below the paths of the API"
)]
pub struct InvalidBasePath;

/// First segments that the API serves.
const TAKEN: [&str; 10] = [
    "v1",
    "docs",
    "problems",
    "schema",
    "livez",
    "readyz",
    "version",
    "llms.txt",
    "openapi.json",
    "openapi-3.0.json",
];

impl BasePath {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for BasePath {
    fn default() -> Self {
        Self("/".to_owned())
    }
}

impl FromStr for BasePath {
    type Err = InvalidBasePath;

    fn from_str(text: &str) -> Result<Self, InvalidBasePath> {
        let inner = text.trim_matches('/');
        if inner.is_empty() {
            return if text.len() <= 1 { Ok(Self::default()) } else { Err(InvalidBasePath) };
        }
        let is_segment = |segment: &str| {
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
            !segment.is_empty() && !segment.starts_with('.') && segment.bytes().all(is_plain)
        };
        let is_valid = text.starts_with('/') && inner.split('/').all(is_segment);
        let is_taken = inner.split('/').next().is_some_and(|first| TAKEN.contains(&first));
        if is_valid && !is_taken { Ok(Self(format!("/{inner}/"))) } else { Err(InvalidBasePath) }
    }
}

impl fmt::Display for BasePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_paths_are_read() {
        for (text, path) in [("", "/"), ("/", "/"), ("/console", "/console/"), ("/a/b.c-d_e/", "/a/b.c-d_e/")]
        {
            assert_eq!(text.parse::<BasePath>().expect(text).as_str(), path);
        }
        for text in [
            "console",
            "//",
            "/a//b",
            "/a b",
            "/../a",
            "/.well-known",
            "/v1",
            "/v1/x",
            "/docs/",
            "/llms.txt",
            "/\"><script>",
            "https://x",
        ] {
            assert!(text.parse::<BasePath>().is_err(), "{text}");
        }
    }
}
