mod oracle;

use super::*;
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use oracle::Naive;
use proptest::prelude::*;

const VALUE: &str = "p\u{e4}ss/w\u{f6}rd+1\"<&>\\ x";

fn redacted(text: &str) -> String {
    Redactor::new([VALUE]).text(text)
}

#[test]
fn every_common_encoding_is_redacted() {
    let json = serde_json::to_string(VALUE).unwrap();
    let encoded = [
        VALUE.to_owned(),
        STANDARD.encode(VALUE),
        STANDARD.encode(format!("user:{VALUE}")),
        URL_SAFE_NO_PAD.encode(format!("{{\"k\":\"{VALUE}\"}}")),
        "p%C3%A4ss%2Fw%C3%B6rd%2B1%22%3C%26%3E%5C%20x".to_owned(),
        "p%c3%a4ss%2fw%c3%b6rd%2b1%22%3c%26%3e%5c%20x".to_owned(),
        "p%C3%A4ss%2Fw%C3%B6rd%2B1%22%3C%26%3E%5C+x".to_owned(),
        "p%C3%A4ss/w%C3%B6rd+1%22%3C&%3E%5C%20x".to_owned(),
        "p%C3%A4ss/w%C3%B6rd%2B1%22%3C%26%3E%5C%20x".to_owned(),
        json[1..json.len() - 1].to_owned(),
        r#"p\u00e4ss/w\u00f6rd+1\"<&>\\ x"#.to_owned(),
        r#"p\u00e4ss\/w\u00f6rd+1\"<&>\\ x"#.to_owned(),
        "p\u{e4}ss/w\u{f6}rd+1\\\"\\u003c\\u0026\\u003e\\\\ x".to_owned(),
        r#"p\u00e4ss/w\u00f6rd+1\"\u003c\u0026\u003e\\ x"#.to_owned(),
        VALUE.bytes().map(char::from).collect(),
        STANDARD.encode(VALUE.bytes().map(char::from).collect::<String>()),
    ];
    for text in encoded {
        let shown = redacted(&format!("before {text} after"));
        assert!(shown.starts_with("before ") && shown.contains(MASK) && shown.ends_with(" after"), "{shown}");
        assert!(shown.len() < text.len().min(20) + 30 || !shown.contains("rd"), "{text} became {shown}");
    }
}

/// Longer than a block, in any alignment to its end.
#[test]
fn a_value_across_blocks_is_redacted() {
    let value = "0123456789".repeat(BLOCK_BYTES / 5);
    let redactor = Redactor::new([value.as_str()]);
    for before in [0, 1, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1] {
        let (before, after) = ("a".repeat(before), "z".repeat(BLOCK_BYTES));
        assert_eq!(redactor.text(&format!("{before}{value}{after}")), format!("{before}{MASK}{after}"));
    }
}

#[test]
fn short_values_are_redacted_unchanged_only() {
    let redactor = Redactor::new(["x", " y"]);
    assert_eq!(redactor.text("ax y +y x"), format!("a{MASK}{MASK} +y {MASK}"));
    assert_eq!(Redactor::new([" y"]).text("y y"), format!("y{MASK}"));
    assert_eq!(Redactor::new(["y "]).text("y"), "y");
}

/// The costliest values: as long as allowed, of characters that encodings write differently, with equal beginnings.
#[test]
fn the_cost_is_bounded_for_all_values() {
    let values: Vec<String> =
        (0..32).map(|n| format!("{}{}", "x".repeat(n), "\u{e4} /<'\"~!*;".repeat(700))).collect();
    let redactor = Redactor::new(values.iter().map(String::as_str));
    let body = "x".repeat(64 * 1024 + redactor.longest());
    assert!(redactor.steps(body.len()) < 52 * 32 * body.len(), "{}", redactor.steps(body.len()));
    assert_eq!(redactor.bytes(body.as_bytes(), 64 * 1024), vec![b'x'; 64 * 1024]);
}

/// Takes linear time; quadratic time would be minutes.
#[test]
fn repetitive_values_take_linear_time() {
    let values: Vec<String> = (0..32).map(|n| "x".repeat(8192 - n)).collect();
    let redactor = Redactor::new(values.iter().map(String::as_str));
    let body = "x".repeat(70_000);
    assert_eq!(redactor.text(&body[..8192]), MASK);
    assert!(redactor.text(&body).starts_with(&MASK.repeat(8)));
}

#[test]
fn every_case_is_redacted() {
    let redactor = Redactor::new(["S3cret-Välue"]);
    for text in ["s3cret-välue", "S3CRET-VÄLUE", "S3cReT-VäLuE", "s3cret-v%C3%A4lue", "S3CRET-V\\U00E4LUE"]
    {
        assert_eq!(redactor.text(&format!("x-{text}-y")), format!("x-{MASK}-y"), "{text}");
    }
    let header = STANDARD.encode("user:S3cret-Välue").to_ascii_lowercase();
    assert!(redactor.text(&header).contains(MASK), "an encoding in another case");
}

#[test]
fn masks_do_not_grow_without_bound() {
    let redactor = Redactor::new(["1"]);
    let body = "1".repeat(64 * 1024);
    let kept = redactor.bytes_up_to(body.as_bytes(), body.len(), body.len());
    assert_eq!(kept.len(), body.len());
    assert!(!String::from_utf8_lossy(&kept).contains('1'));
}

#[test]
fn other_text_is_unchanged() {
    let text = "p\u{e4}ss/w\u{f6}rd is not quite it";
    assert_eq!(redacted(text), text);
    assert_eq!(Redactor::new([]).text("all"), "all");
}

#[test]
fn a_value_across_the_cut_is_redacted_completely() {
    let redactor = Redactor::new(["0123456789"]);
    let body = b"aaaaa0123456789bbbb";
    assert_eq!(redactor.bytes(body, 8), format!("aaaaa{MASK}").as_bytes());
    assert_eq!(redactor.bytes(body, 5), b"aaaaa");
    assert_eq!(redactor.bytes(body, 16), format!("aaaaa{MASK}b").as_bytes());
    assert!(redactor.longest() >= 10);
}

/// Values of many special characters that begin alike, and texts of their encodings: with cuts, overlaps and accidental matches.
fn echoes() -> impl Strategy<Value = (Vec<String>, String, usize)> {
    let values = prop::collection::vec("[ab]{0,3}[ab/+ <\"\\\\\t\u{e4}%]{1,6}", 1..5);
    values.prop_flat_map(|values| {
        let encodings: Vec<Vec<u8>> = values.iter().flat_map(|value| oracle::encodings(value)).collect();
        let piece = (prop::sample::select(encodings), 0usize..12, "[ab/%]{0,3}").prop_map(
            |(encoding, cut, noise)| {
                let kept = encoding.len().saturating_sub(cut.saturating_sub(6));
                String::from_utf8_lossy(&encoding[..kept]).into_owned() + &noise
            },
        );
        (Just(values), prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat()), 0usize..200)
    })
}

proptest! {
    #[test]
    fn redacts_as_the_naive_search_does((values, text, keep) in echoes()) {
        let redactor = Redactor::new(values.iter().map(String::as_str));
        let naive = Naive::new(&values);
        prop_assert_eq!(redactor.longest(), naive.longest());
        prop_assert_eq!(redactor.bytes(text.as_bytes(), keep), naive.bytes(text.as_bytes(), keep));
    }

    #[test]
    fn stored_text_never_contains_the_value(value in "[a-zA-Z0-9/+=]{8,40}", before in "[ -~]{0,20}", after in "[ -~]{0,20}", keep in 0usize..80) {
        let redactor = Redactor::new([value.as_str()]);
        let body = format!("{before}{value}{after}");
        let stored = String::from_utf8_lossy(&redactor.bytes(body.as_bytes(), keep)).into_owned();
        prop_assert!(!stored.contains(&value));
        let cut = keep.saturating_sub(before.len());
        if cut > 0 && !before.contains(&value[..4]) && !after.contains(&value[..4]) {
            prop_assert!(!stored.contains(&value[..4]), "{stored}");
        }
    }
}
