//! Lines of real crontabs, and arbitrary text.

use proptest::prelude::*;

use super::*;

const URL: &str = "https://example.com/hook";

fn now() -> DateTime<Utc> {
    "2026-11-24T12:00:00Z".parse().unwrap()
}

#[track_caller]
fn crontab(text: &str) -> Crontab {
    read(text, &Defaults { url: None, timezone: "UTC" }, now()).unwrap()
}

/// One line that becomes a job: its expression, zone and URL.
#[track_caller]
fn entry(text: &str) -> (String, String, String) {
    let crontab = crontab(text);
    assert_eq!(crontab.refused, [], "{text:?}");
    let [entry] = &crontab.entries[..] else { panic!("{text:?}: {crontab:?}") };
    (entry.cron.expression().to_owned(), entry.cron.timezone().to_owned(), entry.url.clone())
}

/// One line that is refused.
#[track_caller]
fn refused(text: &str) -> Invalid {
    let mut crontab = crontab(text);
    assert_eq!((crontab.entries.len(), crontab.refused.len()), (0, 1), "{text:?}: {crontab:?}");
    crontab.refused.remove(0).invalid
}

#[test]
fn a_line_is_an_expression_and_a_url() {
    for (text, expression, url) in [
        ("0 9 * * 1-5 https://example.com/a?b=c&d=%20", "0 9 * * 1-5", "https://example.com/a?b=c&d=%20"),
        ("*/15 * * * * http://example.com", "*/15 * * * *", "http://example.com"),
        ("0\t9\t*\t*\tMON-FRI\thttps://example.com", "0 9 * * MON-FRI", "https://example.com"),
        (" \t 0   9 * \t * *   https://example.com \t", "0 9 * * *", "https://example.com"),
        ("@daily https://example.com", "@daily", "https://example.com"),
        ("@Hourly\thttps://example.com", "@Hourly", "https://example.com"),
        ("0 0 LW * ? https://example.com", "0 0 LW * ?", "https://example.com"),
        // URLs are not checked here.
        ("0 9 * * * ftp://example.com", "0 9 * * *", "ftp://example.com"),
        ("0 9 * * * example.com/hook", "0 9 * * *", "example.com/hook"),
        ("0 9 * * * /usr/local/bin/backup.sh", "0 9 * * *", "/usr/local/bin/backup.sh"),
    ] {
        assert_eq!(entry(text), (expression.to_owned(), "UTC".to_owned(), url.to_owned()), "{text:?}");
    }
}

#[test]
fn a_line_without_a_url_calls_the_default() {
    let defaults = Defaults { url: Some(URL), timezone: "UTC" };
    let crontab = read("0 9 * * *\n@daily\n0 9 * * * https://example.com/own", &defaults, now()).unwrap();
    let urls: Vec<_> = crontab.entries.iter().map(|entry| entry.url.as_str()).collect();
    assert_eq!(urls, [URL, URL, "https://example.com/own"]);
    assert_eq!(refused("0 9 * * *").code, "crontab_url_missing");
    assert_eq!(refused("@daily").code, "crontab_url_missing");
    // Extra fields are not taken as a URL.
    for text in ["0 0 9 * * *", "0 0 9 * * MON", "0 0 9 1 JAN ? 2030"] {
        let crontab = read(text, &defaults, now()).unwrap();
        assert_eq!(crontab.refused[0].invalid.code, "cron_field_count", "{text}");
    }
}

#[test]
fn every_refused_line_has_a_reason() {
    for (text, code) in [
        ("60 9 * * * https://example.com", "cron_out_of_range"),
        ("x 9 * * * https://example.com", "cron_syntax"),
        ("0 9 * * https://example.com", "cron_field_count"),
        ("0 0 9 * * * https://example.com", "cron_field_count"),
        ("0 0 9 * * MON https://example.com", "cron_field_count"),
        ("0 9", "cron_field_count"),
        ("hello", "cron_field_count"),
        ("https://example.com", "cron_empty"),
        ("0\u{a0}9 * * * https://example.com", "cron_syntax"),
        ("０ 9 * * * https://example.com", "cron_syntax"),
        ("0 0 30 2 * https://example.com", "cron_never_fires"),
        ("@reboot https://example.com", "cron_reboot"),
        ("@reboot /usr/bin/start --now", "cron_reboot"),
        ("@every 5m https://example.com", "cron_nickname"),
        ("@ https://example.com", "cron_nickname"),
        ("MAILTO=ops@example.com", "crontab_variable"),
        ("SHELL = /bin/sh", "crontab_variable"),
        ("\"PATH\"=/usr/bin:/bin", "crontab_variable"),
        ("tz=Europe/Berlin", "crontab_variable"),
        ("TZ=Europe/Berln", "timezone_unknown"),
        ("CRON_TZ=", "timezone_unknown"),
        ("CRON_TZ=\"", "timezone_unknown"),
        ("CRON_TZ=America/New York", "timezone_unknown"),
        ("CRON_TZ=Asia/Tokyo 0 9 * * * https://example.com", "crontab_timezone"),
        ("CRON_TZ=Asia/Tokyo # the office", "crontab_timezone"),
        ("0 9 * * * \"https://shop.example/cron?a=1\"", "crontab_quotes"),
        ("0 9 * * * https://shop.example/run?t=a\\%20b", "crontab_escape"),
        ("0 9 * * * https://example.com # every day", "crontab_trailing"),
        ("0 9 * * * https://example.com >/dev/null 2>&1", "crontab_trailing"),
        ("0 9 * * * curl -s https://example.com", "crontab_command"),
        ("0 9 * * * root wget -q 'https://example.com/a'", "crontab_command"),
        ("0 9 * * 1 php https://example.com", "crontab_command"),
        ("0 9 * * * /usr/bin/backup --all", "crontab_command"),
        ("@daily curl https://example.com", "crontab_command"),
        ("0 9 * * \0 https://example.com", "cron_syntax"),
    ] {
        let invalid = refused(text);
        assert_eq!(invalid.code, code, "{text:?}: {invalid}");
        assert!(invalid.detail.ends_with('.'), "{invalid}");
    }
}

#[test]
fn the_hint_for_a_command_names_its_url() {
    let hint = |text: &str| refused(text).hint.unwrap();
    let quoted = hint("0 9 * * * curl -fsS \"https://example.com/a\" > /dev/null");
    assert!(
        quoted.starts_with("TrigRun calls the URL itself: replace the command with https://example.com/a."),
        "{quoted}"
    );
    for uncertain in
        ["curl https://shop.example/a; curl https://shop.example/b", "echo https://shop.example/a"]
    {
        assert_eq!(hint(&format!("0 3 * * * {uncertain}")), "Replace the command with the URL to call.");
    }
    assert!(
        hint("0 9 * * * curl --url=https://shop.example/cron").contains("with https://shop.example/cron.")
    );
    assert_eq!(hint("0 9 * * * rm -rf /tmp/x"), "Replace the command with the URL to call.");
    assert_eq!(hint("0 9 * * * https://a.example # x"), "Put the comment on a separate line.");
}

#[test]
fn lines_are_numbered_as_in_an_editor() {
    let text = "\u{feff}# jobs\r\n\r\n0 9 * * * https://a.example\r\n  # more\r\n\t\r\n61 * * * * x\r\n@daily https://b.example";
    let crontab = crontab(text);
    let entries: Vec<_> = crontab.entries.iter().map(|entry| (entry.line, entry.text.as_str())).collect();
    assert_eq!(entries, [(3, "0 9 * * * https://a.example"), (7, "@daily https://b.example")]);
    assert_eq!((crontab.refused[0].line, crontab.refused[0].text.as_str()), (6, "61 * * * * x"));
    assert_eq!(entry("\u{feff}@daily https://a.example").0, "@daily");
    assert_eq!(read("", &Defaults { url: None, timezone: "UTC" }, now()), Ok(Crontab::default()));
}

#[test]
fn a_zone_applies_to_the_lines_after_it() {
    let text = "\
@daily https://a.example/1
CRON_TZ=Europe/Berlin
@daily https://a.example/3
TZ = 'asia/kolkata'
@daily https://a.example/5
CRON_TZ=\"America/New_York\"
@daily https://a.example/7";
    let zones: Vec<_> =
        crontab(text).entries.iter().map(|entry| (entry.line, entry.cron.timezone().to_owned())).collect();
    let expected = [(1, "UTC"), (3, "Europe/Berlin"), (5, "Asia/Kolkata"), (7, "America/New_York")];
    assert_eq!(zones, expected.map(|(line, zone)| (line, zone.to_owned())));
}

#[test]
fn the_lines_after_an_unknown_zone_are_refused_until_a_known_one() {
    let text = "\
@daily https://a.example/1
CRON_TZ=Europe/Berln
@daily https://a.example/3
60 * * * * https://a.example/4
MAILTO=x
CRON_TZ=Europe/Berlin
@daily https://a.example/7";
    let crontab = crontab(text);
    assert_eq!(crontab.entries.iter().map(|entry| entry.line).collect::<Vec<_>>(), [1, 7]);
    let refused: Vec<_> =
        crontab.refused.iter().map(|refused| (refused.line, refused.invalid.code)).collect();
    assert_eq!(
        refused,
        [(2, "timezone_unknown"), (3, "crontab_timezone"), (4, "crontab_timezone"), (5, "crontab_variable")]
    );
    let unknown = Defaults { url: Some(URL), timezone: "Mars/Phobos" };
    let crontab = read("@daily\nCRON_TZ=UTC\n@daily", &unknown, now()).unwrap();
    assert_eq!((crontab.refused[0].line, crontab.entries[0].line), (1, 3));
}

#[test]
fn lines_and_their_number_are_limited() {
    let longest = format!("@daily https://{}", "ü".repeat(2040));
    assert_eq!(entry(&longest).2.chars().count(), 2048);
    let too_long = format!("@daily https://{}", "ü".repeat(MAX_LINE_BYTES / 2));
    let crontab = crontab(&too_long);
    assert_eq!(crontab.refused[0].invalid.code, "crontab_line_too_long");
    assert_eq!(crontab.refused[0].text.chars().count(), 101);
    let comment = format!("#{}", "x".repeat(2 * MAX_LINE_BYTES));
    assert_eq!(self::crontab(&comment), Crontab::default());

    let lines = |jobs: usize, refused: usize| {
        let text = format!(
            "# jobs\n{}{}",
            "@daily https://a.example\nCRON_TZ=UTC\n\n".repeat(jobs),
            "wrong\n".repeat(refused)
        );
        read(&text, &Defaults { url: None, timezone: "UTC" }, now())
            .map(|crontab| (crontab.entries.len(), crontab.refused.len()))
            .map_err(|invalid| invalid.code)
    };
    assert_eq!(lines(MAX_ENTRIES, 0), Ok((1000, 0)));
    assert_eq!(lines(400, 600), Ok((400, 600)));
    assert_eq!(lines(MAX_ENTRIES, 1), Err("crontab_too_many_lines"));
    assert_eq!(lines(0, MAX_ENTRIES + 1), Err("crontab_too_many_lines"));
}

/// Texts made of relevant pieces, and arbitrary texts.
fn any_text() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "0",
        "*",
        "*/5",
        "1-5",
        "MON",
        "L",
        "61",
        "?",
        "#",
        "=",
        "\"",
        "'",
        "@daily",
        "@reboot",
        "@",
        "CRON_TZ=",
        "TZ",
        "Europe/Berlin",
        "Mars",
        "MAILTO",
        "https://a.example",
        "://",
        "curl",
        " ",
        "  ",
        "\t",
        "\n",
        "\r\n",
        "\r",
        "\n",
        "\n",
        "\u{feff}",
        "\u{a0}",
        "\u{85}",
        "ü",
        "\0",
        "0 9 * * *",
        "30 2 1 1 0 ",
    ]);
    let pieces = prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat());
    let words = prop::collection::vec(
        prop::sample::select(vec!["0", "9", "*", "\n", "https://a.example", "x"]),
        0..60,
    )
    .prop_map(|words| words.join(" "));
    prop_oneof![pieces, words, any::<String>()]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn every_line_is_in_exactly_one_of_the_lists(
        text in any_text(),
        url in prop::option::of(Just(URL)),
    ) {
        let crontab = read(&text, &Defaults { url, timezone: "Europe/Berlin" }, now()).unwrap();
        let jobs: Vec<usize> = crontab.entries.iter().map(|entry| entry.line).collect();
        let refused: Vec<usize> = crontab.refused.iter().map(|refused| refused.line).collect();
        prop_assert!(jobs.is_sorted_by(|a, b| a < b) && refused.is_sorted_by(|a, b| a < b));
        for (index, line) in text.strip_prefix('\u{feff}').unwrap_or(&text).lines().enumerate() {
            let (number, line) = (index + 1, line.trim());
            let found = usize::from(jobs.contains(&number)) + usize::from(refused.contains(&number));
            let is_nothing = line.is_empty() || line.starts_with('#');
            let may_set_a_zone = ["CRON_TZ", "TZ", "\"", "'"].iter().any(|start| line.starts_with(start));
            if is_nothing {
                prop_assert_eq!(found, 0, "{:?}", line);
            } else if may_set_a_zone {
                prop_assert!(found <= 1 && !jobs.contains(&number), "{:?}", line);
            } else {
                prop_assert_eq!(found, 1, "{:?}", line);
            }
        }
        for entry in &crontab.entries {
            prop_assert_eq!(entry.cron.check_fires(now()), Ok(()));
            prop_assert!(!entry.url.is_empty());
        }
    }
}
