//! Words are those of a shell.

use super::*;

fn read(text: &str) -> Result<Vec<Token>, &'static str> {
    let variables = |name: &str| (name == "A").then(|| "x y".to_owned());
    tokens(text, &variables).map_err(|invalid| invalid.code)
}

fn words(text: &str) -> Vec<String> {
    let words = read(text).unwrap().into_iter();
    words.filter_map(|token| if let Token::Word(word) = token { Some(word) } else { None }).collect()
}

#[test]
fn words_are_those_of_a_shell() {
    for (text, expected) in [
        ("a  b\tc", &["a", "b", "c"][..]),
        (r#"'a b'"c d"e"#, &["a bc de"]),
        (r#""a\"b\\c\d\$" '\n' a\ b"#, &["a\"b\\c\\d$", "\\n", "a b"]),
        (r"$'a\'b\n\u00e9\x41'", &["a'b\né\u{41}"]),
        ("a \\\n b \\\r\n c", &["a", "b", "c"]),
        ("\"$A\" $A ${A} $ 5$", &["x y", "x", "y", "x", "y", "$", "5$"]),
        ("'' a", &["", "a"]),
        ("a # b", &["a"]),
        ("a#b https://e.com/?a=[1]*", &["a#b", "https://e.com/?a=[1]*"]),
        ("a >/dev/null 2>&1 &>> x b </dev/null", &["a", "b"]),
        ("{} Accept:*/*", &["{}", "Accept:*/*"]),
    ] {
        assert_eq!(words(text), expected, "{text}");
    }
    assert_eq!(
        read("a && b; c"),
        Ok(vec![
            Token::Word("a".into()),
            Token::Operator("&&"),
            Token::Word("b".into()),
            Token::Operator(";"),
            Token::Word("c".into())
        ])
    );
}

#[test]
fn what_only_a_shell_knows_is_refused() {
    for (text, code) in [
        ("'a", "shell_quote"),
        ("\"a", "shell_quote"),
        ("a >", "shell_quote"),
        ("$'\\q'", "shell_quote"),
        ("$'\\xff'", "shell_quote"),
        ("$(date)", "shell_substitution"),
        ("\"`date`\"", "shell_substitution"),
        ("$B", "shell_variable"),
        ("\"${A:-x}\"", "shell_variable"),
        ("$?", "shell_variable"),
        ("*.txt", "shell_glob"),
        ("{a,b}", "shell_glob"),
        ("https://e.com/{1..3}", "shell_glob"),
        ("a < file", "shell_input"),
        ("a <<EOF", "shell_input"),
    ] {
        assert_eq!(read(text), Err(code), "{text}");
    }
    let long = |_: &str| Some("x".repeat(1000));
    assert_eq!(tokens(&"$A".repeat(100), &long).unwrap_err().code, "shell_too_long");
}

#[test]
fn a_script_has_commands() {
    let script = "curl a \\\n  -d 'x\ny'\n\nwget \"b\nc\" # d\n";
    assert_eq!(commands(script), [(1, "curl a \\\n  -d 'x\ny'"), (5, "wget \"b\nc\" # d")]);
    assert_eq!(commands("# don't\na#'\n'"), [(1, "# don't"), (2, "a#'\n'")]);
    assert_eq!(commands("a $'b\\'\n' c\r\nd"), [(1, "a $'b\\'\n' c\r"), (3, "d")]);
}
