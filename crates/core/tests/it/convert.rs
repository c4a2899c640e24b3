//! Conversions of generated texts: no text makes one panic, and none loses a line or a field.

use proptest::{collection::vec, prelude::*, sample::select};
use trigrun_core::domain::convert::Format;

/// What the readers look at.
const FRAGMENTS: &[&str] = &[
    "0 3 * * * ",
    "@daily ",
    "CRON_TZ=UTC\n",
    "A=b c\n",
    "curl ",
    "wget ",
    "-d ",
    "-H ",
    "-sSfm 5 ",
    "--json ",
    "--retry 3 ",
    "-u a:b ",
    "@- ",
    "'",
    "\"",
    "$",
    "$A",
    "${A}",
    "$(",
    "`",
    "\\",
    "\n",
    "\r\n",
    "%",
    "\\%",
    " ",
    "\t",
    "{",
    "}",
    "{a,b}",
    "[",
    "]",
    ",",
    ":",
    ";",
    "&&",
    "||",
    "|",
    "&",
    ">",
    "2>&1",
    "<",
    "#",
    "###\n",
    "https://example.com/a?b=c ",
    "http://a:b@example.com ",
    "A: b\n",
    "{{uuid}}",
    "{{x}}",
    "@x = y\n",
    "GET ",
    "POST ",
    "sh -c ",
    "flock -n f ",
    "timeout 5 ",
    "sudo -u a ",
    "sleep 1; ",
    "\u{0}",
    "ü",
    "\u{feff}",
    "$'\\u00e9'",
    "{\"crons\":[{\"path\":\"/a\",\"schedule\":\"@daily\"",
    "{\"kind\":\"CronJob\",\"spec\":{",
    "{\"httpTarget\":{\"uri\":\"https://example.com\"},",
    "\"schedule\":\"* * * * *\"",
    "\"a\":1",
    "}]}",
    "}",
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    /// The checks are those of the fuzz target.
    #[test]
    fn any_text_is_told_completely(parts in vec(select(FRAGMENTS), 0..25), format in 0..=Format::ALL.len()) {
        let mut input = parts.concat().into_bytes();
        if let Some(format) = Format::ALL.get(format) {
            input.push(0xff);
            input.extend(format.as_str().as_bytes());
        }
        trigrun_fuzz::convert::run(&input);
    }
}
