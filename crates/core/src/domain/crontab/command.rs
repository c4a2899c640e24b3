//! The URL that the command of a crontab line calls, if that is certain. A wrong hint is worse than none.

/// Programs that make a request to the URL among their arguments.
const CLIENTS: [&str; 7] = ["curl", "wget", "http", "https", "xh", "fetch", "lynx"];
/// How many words, such as a user or `sudo`, may precede the program.
const MAX_PREFIX_WORDS: usize = 2;
/// Options of curl and wget that take no value, so that a URL after them is the one to call.
const PLAIN_LETTERS: &str = "sSfLkvIgjniN46#q";
const PLAIN_OPTIONS: [&str; 19] = [
    "--silent",
    "--show-error",
    "--fail",
    "--fail-with-body",
    "--location",
    "--location-trusted",
    "--insecure",
    "--verbose",
    "--head",
    "--get",
    "--compressed",
    "--globoff",
    "--ipv4",
    "--ipv6",
    "--no-progress-meter",
    "--quiet",
    "--spider",
    "--no-verbose",
    "--no-check-certificate",
];

pub(super) fn called_url(command: &str) -> Option<String> {
    let words = words(command)?;
    let program = words.iter().take(MAX_PREFIX_WORDS + 1).position(|word| {
        let name = word.rsplit('/').next().unwrap_or(word);
        !word.contains("://") && CLIENTS.contains(&name)
    })?;
    let mut urls = words.iter().enumerate().filter(|(_, word)| word.contains("://"));
    let ((at, word), None) = (urls.next()?, urls.next()) else { return None };
    let url = word.strip_prefix("--url=").unwrap_or(word);
    let is_called = at > program && (url != word || is_argument(words.get(at - 1)?));
    let is_url = ["http://", "https://"].iter().any(|scheme| url.starts_with(scheme));
    (is_called && is_url && !url.contains(char::is_whitespace)).then(|| url.to_owned())
}

/// Whether a URL after this word is an argument of the program, and not the value of an option.
fn is_argument(before: &str) -> bool {
    let Some(option) = before.strip_prefix('-') else { return true };
    let is_cluster = !option.starts_with('-') && option.chars().all(|char| PLAIN_LETTERS.contains(char));
    // `-`, and `-O-` with its value.
    is_cluster || option.ends_with('-') || before == "--url" || PLAIN_OPTIONS.contains(&before)
}

/// The words of one simple command as a shell reads them, without redirections; `None` if it does more than that.
fn words(command: &str) -> Option<Vec<String>> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut chars = command.chars().peekable();
    while let Some(char) = chars.next() {
        match (char, quote) {
            // cron reads a % as the end of the command, and \% as %.
            ('\\', _) if chars.next_if_eq(&'%').is_some() => word.get_or_insert_default().push('%'),
            ('%', _) => return None,
            (end, Some(start)) if end == start => quote = None,
            (_, Some('\'')) => word.get_or_insert_default().push(char),
            ('\\' | '$' | '`', _) => return None,
            (_, Some(_)) => word.get_or_insert_default().push(char),
            ('"' | '\'', None) => {
                quote = Some(char);
                word.get_or_insert_default();
            }
            (' ' | '\t', None) => words.extend(word.take()),
            ('&', None) if word.is_none() && chars.peek() == Some(&'>') => {}
            ('>', None) if word.as_deref().is_none_or(|word| matches!(word, "1" | "2")) => {
                word = None;
                while chars.next_if(|char| matches!(char, '>' | '&' | ' ' | '\t')).is_some() {}
                while chars.next_if(|char| char.is_ascii_alphanumeric() || "/._-".contains(*char)).is_some() {
                }
            }
            (';' | '|' | '&' | '(' | ')' | '<' | '>' | '*' | '[' | ']' | '{' | '}', None) => return None,
            _ => word.get_or_insert_default().push(char),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_is_the_one_that_is_called() {
        for (command, url) in [
            ("curl https://a.example", "https://a.example"),
            ("curl --url=https://shop.example/cron", "https://shop.example/cron"),
            ("curl --url https://a.example", "https://a.example"),
            ("/usr/bin/curl -fsS 'https://a.example/?a=1&b=2' >/dev/null 2>&1", "https://a.example/?a=1&b=2"),
            ("root wget -qO- \"https://a.example/x\" &> /dev/null", "https://a.example/x"),
            ("sudo -n curl -X POST -m 10 https://a.example", "https://a.example"),
            ("wget -O - -q --spider https://a.example/run?t=a\\%20b", "https://a.example/run?t=a%20b"),
        ] {
            assert_eq!(called_url(command).as_deref(), Some(url), "{command}");
        }
    }

    #[test]
    fn without_certainty_there_is_none() {
        for command in [
            "curl https://shop.example/a; curl https://shop.example/b",
            "curl https://a.example https://b.example",
            "curl -x http://proxy.example:3128 a.example",
            "curl -e https://referer.example a.example",
            "curl -so /dev/null -e https://referer.example a.example",
            "curl https://a.example?a=1&b=2",
            "curl https://a.example/$TOKEN",
            "curl \"https://a.example/`date`\"",
            "curl https://a.example/[1-3]",
            "curl https://a.example/{a,b}",
            "curl https://a.example/a%20b",
            "curl 'https://a.example",
            "curl ftp://a.example",
            "cd /tmp && curl https://a.example",
            "curl https://a.example | sh",
            "echo see https://a.example",
            "php artisan https://a.example",
            "https://a.example curl",
        ] {
            assert_eq!(called_url(command), None, "{command}");
        }
    }
}
