//! URLs with variables: checked with each variable replaced by a value of maximum length, stored with the variables.

use super::{TargetUrl, VARIABLES_HINT, authority_of};
use crate::domain::{address::EgressPolicy, invalid::Invalid, variables};

/// The form of `text` that is stored. Variables are allowed in the path and the query, so that the host is always known.
///
/// # Errors
/// Those of [`TargetUrl::parse`], and `url_host` for a variable in the host.
pub fn check(text: &str, policy: &EgressPolicy) -> Result<String, Invalid> {
    let marks = Marks::not_in(text);
    let marked = variables::replace(text, |name| marks.of(name));
    let url = TargetUrl::parse(&marked, policy)?;
    if marks.are_in(authority_of(&marked)?) {
        return Err(Invalid::new("url_host", "The host contains a variable.").hint(VARIABLES_HINT));
    }
    // Marks are not replaced in the host, which has none.
    let path = url.path_and_query();
    let origin = url.as_str().strip_suffix(path).unwrap_or_default();
    Ok(format!("{origin}{}", marks.undo(path)))
}

/// Placeholders for the variables, as long as their longest values, that do not occur in the URL.
struct Marks(Vec<(&'static str, String)>);

impl Marks {
    fn not_in(text: &str) -> Self {
        let text = text.to_ascii_lowercase();
        // A URL of 2,048 characters cannot contain every four-letter combination of 26 letters.
        let letters = (b'a'..=b'z').map(char::from);
        let salt = letters.map(|letter| letter.to_string().repeat(4)).find(|run| !text.contains(run));
        let salt = salt.unwrap_or_else(|| "zzzz".to_owned());
        let mark = |(at, (name, longest)): (usize, &(&'static str, usize))| {
            let start = format!("{salt}{at}");
            (*name, format!("{start}{}", "-".repeat(longest - start.len())))
        };
        Self(variables::NAMES.iter().enumerate().map(mark).collect())
    }

    fn of(&self, name: &str) -> Option<String> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, mark)| mark.clone())
    }

    fn are_in(&self, text: &str) -> bool {
        self.0.iter().any(|(_, mark)| text.contains(mark.as_str()))
    }

    fn undo(&self, url: &str) -> String {
        self.0
            .iter()
            .fold(url.to_owned(), |url, (name, mark)| url.replace(mark.as_str(), &format!("{{{{{name}}}}}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(text: &str) -> Result<String, &'static str> {
        check(text, &EgressPolicy::default()).map_err(|invalid| invalid.code)
    }

    #[test]
    fn variables_are_allowed_in_path_and_query() {
        let url = "https://example.com/{{job_id}}/x?e={{execution_id}}&e={{execution_id}}&t={{timestamp}}";
        assert_eq!(stored(url).as_deref(), Ok(url));
        assert_eq!(stored("https://EXAMPLE.com/a b").err(), Some("url_character"));
        assert_eq!(
            stored("https://EXAMPLE.com/{{uuid}}/ä").as_deref(),
            Ok("https://example.com/{{uuid}}/%C3%A4")
        );
        assert_eq!(
            stored("https://example.com/aaaabbbb/{{uuid}}").as_deref(),
            Ok("https://example.com/aaaabbbb/{{uuid}}")
        );
        assert_eq!(
            stored("https://example.com/{{other}}").as_deref(),
            Ok("https://example.com/%7B%7Bother%7D%7D")
        );
    }

    #[test]
    fn variables_are_refused_in_host_port_and_scheme() {
        for url in
            ["https://{{uuid}}.example.com/", "https://example.com:{{timestamp}}/", "{{uuid}}://example.com/"]
        {
            assert!(stored(url).is_err(), "{url}");
        }
        assert_eq!(stored("https://a.{{uuid}}b.example.com/").err(), Some("url_host"));
        assert_eq!(stored("http://10.0.0.1/{{uuid}}").err(), Some("url_address_refused"));
    }

    #[test]
    fn a_host_that_would_be_mapped_to_a_mark_is_refused() {
        let mark = Marks::not_in("").of("execution_id").unwrap();
        let wide = mark.replace('a', "\u{ff41}");
        assert_eq!(stored(&format!("https://{wide}x.example.com/")), Err("url_host"));
    }

    #[test]
    fn the_length_is_checked_with_the_longest_values() {
        let path = "x".repeat(2000);
        assert!(stored(&format!("https://example.com/{path}{{{{timestamp}}}}")).is_ok());
        assert_eq!(stored(&format!("https://example.com/{path}{{{{uuid}}}}")).err(), Some("url_too_long"));
    }
}
