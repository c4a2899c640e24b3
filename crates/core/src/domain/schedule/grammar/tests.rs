//! What the grammar accepts and refuses, with the error code that a client sees.

use super::*;

#[track_caller]
fn reads_as(expression: &str, text: &str) {
    assert_eq!(read(expression).map(|pattern| pattern.text), Ok(text.to_owned()), "{expression}");
}

#[track_caller]
fn refused(expression: &str, code: &str) {
    match read(expression) {
        Ok(pattern) => panic!("{expression:?} was read as {:?}", pattern.text),
        Err(error) => assert_eq!(error.code, code, "{expression:?}: {error}"),
    }
}

#[test]
fn names_lists_ranges_and_steps_become_numbers() {
    reads_as("* * * * *", "* * * * *");
    reads_as("*/15 0-23/2 1,15 * 1-5", "*/15 0-23/2 1,15 * 1-5");
    reads_as("05 00 01 jan-Mar,DEC Mon-FRI", "5 0 1 1-3,12 1-5");
    reads_as("  0\t9   * * 7  ", "0 9 * * 7");
    reads_as("0 0 * * SAT-SUN", "0 0 * * 6-7");
    reads_as("0 0 * * SUN-TUE", "0 0 * * 0-2");
    reads_as("0 0 * * SUN-SUN", "0 0 * * 0-0");
    reads_as("0 0 * * FRI-SUN/2", "0 0 * * 5-7/2");
    reads_as("10-20/15 * * * *", "10-20/15 * * * *");
}

#[test]
fn extensions_of_the_day_fields_are_accepted() {
    reads_as("0 0 L * ?", "0 0 L * *");
    reads_as("0 0 LW,1W * ?", "0 0 LW,1W * *");
    reads_as("0 0 ? * 5L", "0 0 * * 5#L");
    reads_as("0 0 ? * friL", "0 0 * * 5#L");
    reads_as("0 0 ? * MON#2,5#L", "0 0 * * 1#2,5#L");
    reads_as("0 0 ? * MON-FRI#1", "0 0 * * 1-5#1");
}

#[test]
fn shorthands_are_case_insensitive() {
    reads_as("@hourly", "0 * * * *");
    reads_as("@Daily", "0 0 * * *");
    reads_as("@midnight", "0 0 * * *");
    reads_as("@weekly", "0 0 * * 0");
    reads_as(" @monthly ", "0 0 1 * *");
    reads_as("@yearly", "0 0 1 1 *");
    reads_as("@ANNUALLY", "0 0 1 1 *");
    refused("@reboot", "cron_reboot");
    refused("@every 5m", "cron_nickname");
    refused("@", "cron_nickname");
    refused("@daily * * * *", "cron_nickname");
    refused("0 0 * * @daily", "cron_syntax");
}

#[test]
fn any_other_number_of_fields_is_refused() {
    refused("", "cron_empty");
    refused("  \t", "cron_empty");
    for expression in ["*", "* * * *", "0 * * * * *", "0 0 0 1 1 ? 2030", "* * * * * * * *"] {
        refused(expression, "cron_field_count");
    }
    let error = read("0 * * * * *").unwrap_err();
    assert_eq!(error.detail, "A cron expression has exactly 5 fields; this one has 6 fields.");
    assert!(error.hint.unwrap().contains("Seconds"));
}

#[test]
fn values_outside_a_field_are_refused() {
    for expression in [
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * 32 * *",
        "* * * 0 *",
        "* * * 13 *",
        "* * * * 8",
        "0-60 * * * *",
        "* * 32W * *",
        "* * * * 8L",
        "* * * * 9#1",
        "9999 * * * *",
    ] {
        refused(expression, "cron_out_of_range");
    }
    for expression in [
        "*/0 * * * *",
        "*/60 * * * *",
        "*/61 * * * *",
        "* */24 * * *",
        "* * */32 * *",
        "* * * */13 *",
        "* * * * */8",
        "0-30/0 * * * *",
    ] {
        refused(expression, "cron_step");
    }
    for expression in
        ["30-10 * * * *", "* 22-2 * * *", "* * * NOV-FEB *", "* * * * FRI-MON", "22-2/2 * * * *"]
    {
        refused(expression, "cron_reversed_range");
    }
}

#[test]
fn syntax_that_only_croner_accepts_is_refused() {
    for expression in [
        "1,,2 * * * *",
        ",1 * * * *",
        "1, * * * *",
        ", * * * *",
        "1--2 * * * *",
        "1-2-3 * * * *",
        "- * * * *",
        "1- * * * *",
        "*,5 * * * *",
        "5,* * * * *",
        "** * * * *",
        "*5 * * * *",
        "*-5 * * * *",
        "*/ * * * *",
        "/5 * * * *",
        "0/5 * * * *",
        "*/5/5 * * * *",
        "*/+5 * * * *",
        "+5 * * * *",
        "-5 * * * *",
        "1.5 * * * *",
        "0x5 * * * *",
        "00005 * * * *",
        "? * * * *",
        "* ? * * *",
        "* * * ? *",
        "* * ?/2 * *",
        "* * 1,? * *",
        "* * L,LW * *",
        "* * W * *",
        "* * WL * *",
        "* * 1-5W * *",
        "* * 15WW * *",
        "* * L-3 * *",
        "* * * * L",
        "* * * * 1#",
        "* * * * 1#0",
        "* * * * 1#6",
        "* * * * #1",
        "* * * * 1-5/2#2",
        "* * * * +MON",
        "* * * * MONDAY",
        "* * * JANUARY *",
        "* * * 1JAN *",
        "MON * * * *",
        "* * * MON *",
        "* * 5#1 * *",
        "L * * * *",
        "* L * * *",
        "* * * L *",
        "H * * * *",
        "~ * * * *",
        "0 0 * * 1;2",
    ] {
        refused(expression, "cron_syntax");
    }
    for expression in
        ["* * * * *\n", "*\r* * * *", "* * * * \0", "0\u{a0}0 * * *", "０ 0 * * *", "* * * * *\u{200b}"]
    {
        refused(expression, "cron_syntax");
    }
}

#[test]
fn the_length_is_limited_in_bytes() {
    let list = vec!["10"; 83].join(",");
    let longest = format!("{list} * * * *");
    assert_eq!(longest.len(), MAX_EXPRESSION_BYTES);
    assert!(read(&longest).is_ok());
    refused(&format!("{longest} "), "cron_too_long");
    refused(&"€".repeat(86), "cron_too_long");
}

#[test]
fn hints_show_the_correct_spelling() {
    assert_eq!(read("0/15 * * * *").unwrap_err().hint.unwrap(), "Write 0-59/15, or */15.");
    // */15 would be other minutes.
    assert_eq!(read("5/15 * * * *").unwrap_err().hint.unwrap(), "Write 5-59/15.");
    for expression in ["* 22-3/3 * * *", "* * * * FRI-MON#1", "x/5 * * * *"] {
        assert_eq!(read(expression).unwrap_err().hint, None, "{expression}");
    }
    assert_eq!(read("* 22-2 * * *").unwrap_err().hint.unwrap(), "Write it as two: 22-23,0-2.");
}

#[test]
fn a_leading_star_decides_cadence_and_the_day_rule() {
    let flags =
        |expression: &str| read(expression).map(|pattern| (pattern.is_cadence, pattern.both_days)).unwrap();
    assert_eq!(flags("*/15 3 1 1 1"), (true, false));
    assert_eq!(flags("30 */2 1 1 1"), (true, false));
    assert_eq!(flags("30 * 1 1 1"), (true, false));
    assert_eq!(flags("0-59 0-23 1 1 1"), (false, false));
    assert_eq!(flags("30,*/7 2 1 1 1"), (false, false));
    assert_eq!(flags("0 0 */2 1 1"), (false, true));
    assert_eq!(flags("0 0 1 1 */2"), (false, true));
    assert_eq!(flags("0 0 ? * MON"), (false, true));
}
