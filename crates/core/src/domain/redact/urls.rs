//! Names that leave TrigRun. A user may name a job after its URL, and a URL often holds a credential.

use super::MASK;

/// The text with the user information, the parameters, the query and the fragment of every URL masked: for messages that leave TrigRun, such as
/// notifications, whose receivers need not be the members of the workspace.
///
/// A URL need not have a scheme: `example.com/hook?token=KEY` is one too. More than a URL may be masked, but no more than to the end of its
/// word.
pub fn mask_urls(text: &str) -> String {
    text.split_inclusive(char::is_whitespace).map(mask_word).collect()
}

fn mask_word(word: &str) -> String {
    let (text, space) = word.split_at(word.trim_end().len());
    // More slashes, and backslashes, change nothing (WHATWG URL, 4.4).
    let host = text.find("//").map_or(0, |at| text.len() - text[at..].trim_start_matches(['/', '\\']).len());
    let (before, rest) = text.split_at(host);
    let has_authority = !before.is_empty();
    let (place, end) = match rest.find([';', '?', '#']) {
        Some(at) if has_authority || rest[at..].contains('=') => {
            (&rest[..at], format!("{}{MASK}", &rest[at..=at]))
        }
        _ => (rest, String::new()),
    };
    let authority_end = place.find(['/', '\\']).unwrap_or(place.len());
    let user_end =
        place[..authority_end].rfind('@').filter(|end| has_authority || place[..*end].contains(':'));
    match user_end {
        Some(at) => format!("{before}{MASK}{}{end}{space}", &place[at..]),
        None => format!("{before}{place}{end}{space}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn credentials_in_urls_are_masked() {
        for (name, masked) in [
            (
                "GET https://shop.example/cron.php?cron_key=KEY now",
                "GET https://shop.example/cron.php?•••• now",
            ),
            ("https://ada:KEY@shop.example:8443/a", "https://••••@shop.example:8443/a"),
            ("https://KEY@shop.example", "https://••••@shop.example"),
            ("https://a:p@KEY@shop.example/?x", "https://••••@shop.example/?••••"),
            ("https:///ada:KEY@shop.example", "https:///••••@shop.example"),
            ("https://shop.example\\x@KEY", "https://shop.example\\x@KEY"),
            ("(https://shop.example/a?KEY)", "(https://shop.example/a?••••"),
            ("https://shop.example/#access_token=KEY", "https://shop.example/#••••"),
            ("https://shop.example/a;token=KEY/b", "https://shop.example/a;••••"),
            ("//ada:KEY@shop.example/?KEY", "//••••@shop.example/?••••"),
            ("shop.example/hook?token=KEY", "shop.example/hook?••••"),
            ("ada:KEY@shop.example/hook", "••••@shop.example/hook"),
            ("url=https://a.example?KEY,https://b.example?KEY", "url=https://a.example?••••"),
            (
                "HTTPS://ADA:KEY@A.EXAMPLE?KEY\thttps://b.example?KEY",
                "HTTPS://••••@A.EXAMPLE?••••\thttps://b.example?••••",
            ),
        ] {
            assert_eq!(mask_urls(name), masked);
        }
    }

    #[test]
    fn other_names_stay() {
        for name in [
            "",
            "nightly report",
            "Is it done? a=b",
            "mail ops@example.com",
            "C# build; then #2",
            "really?",
            "https://shop.example/a/b",
            "at 12:30 \u{3000}täglich ☎",
            "  a  b  ",
        ] {
            assert_eq!(mask_urls(name), name);
        }
    }

    proptest! {
        /// Wherever a URL stands in a name, and whatever is around it.
        #[test]
        fn no_credential_of_a_url_remains(before in "[ a-z(\"]{0,9}", path in "[a-z/.]{0,9}", after in "\\PC{0,9}") {
            for url in [
                format!("https://a.example/{path}?KEY"),
                format!("https://a.example/{path}#KEY"),
                format!("ftp://KEY@a.example/{path}"),
                format!("https://u:KEY@a.example/{path}"),
            ] {
                let masked = mask_urls(&format!("{before}{url}{after}"));
                prop_assert!(!masked.contains("KEY"), "{}", masked);
            }
        }
    }
}
