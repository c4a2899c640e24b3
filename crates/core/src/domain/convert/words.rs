//! The words of a shell command: quotes, escapes, continued lines and known variables. Nothing is run or expanded otherwise: what
//! only a shell can know is refused.

use std::{iter::Peekable, str::Chars};

use crate::domain::invalid::Invalid;

/// A word, or what stands between words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Word(String),
    /// `;`, `&&`, `|` and the like, and the end of a line.
    Operator(&'static str),
    /// `>/dev/null`, `2>&1`
    Redirection(String),
    Comment(String),
}

/// The values of variables that the source itself sets.
pub(super) type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;

const MAX_WORDS: usize = 5000;
/// How much longer than its source a command may become.
const MAX_EXPANSION_BYTES: usize = 64 * 1024;

/// Reads a command.
///
/// Codes: `shell_quote`, `shell_substitution`, `shell_variable`, `shell_glob`, `shell_input`, `shell_too_long`.
pub(super) fn tokens(text: &str, variables: Variables<'_>) -> Result<Vec<Token>, Invalid> {
    let lexer = Lexer {
        chars: text.chars().peekable(),
        variables,
        word: None,
        brace: None,
        has_glob: false,
        redirection: None,
        expansion: MAX_EXPANSION_BYTES,
        tokens: Vec::new(),
    };
    lexer.run()
}

/// The commands of a script, each with the number of its first line: split at the ends of lines, except inside quotes and after a `\`.
pub(super) fn commands(text: &str) -> Vec<(usize, &str)> {
    let (mut commands, mut start, mut first, mut line) = (Vec::new(), 0, 1, 1);
    let (mut quote, mut is_escaped) = (None, false);
    for (at, char) in text.char_indices() {
        let was_escaped = std::mem::take(&mut is_escaped);
        match (char, quote) {
            // A comment ends with its line, whatever it has.
            ('\n', Some('#')) => {
                line += 1;
                commands.push((first, &text[start..at]));
                (quote, start, first) = (None, at + 1, line);
            }
            (_, Some('#')) => {}
            ('\n', open) => {
                line += 1;
                if open.is_none() && !was_escaped {
                    commands.push((first, &text[start..at]));
                    (start, first) = (at + 1, line);
                }
            }
            // A continued line with a Windows line end.
            ('\r', None) => is_escaped = was_escaped,
            (_, _) if was_escaped => {}
            ('#', None) if text[..at].chars().next_back().is_none_or(char::is_whitespace) => {
                quote = Some('#')
            }
            ('\\', None | Some('"' | '$')) => is_escaped = true,
            ('\'', None) if text[..at].ends_with('$') => quote = Some('$'),
            ('\'', Some('$')) => quote = None,
            ('\'' | '"', None) => quote = Some(char),
            (_, Some(open)) if char == open && open != '$' => quote = None,
            _ => {}
        }
    }
    commands.push((first, &text[start..]));
    commands.retain(|(_, command)| !command.trim().is_empty());
    commands
}

struct Lexer<'a> {
    chars: Peekable<Chars<'a>>,
    variables: Variables<'a>,
    word: Option<String>,
    /// Where in the word a `{` without quotes is.
    brace: Option<usize>,
    has_glob: bool,
    /// The word is the file of this redirection.
    redirection: Option<String>,
    /// How many bytes variables may still add.
    expansion: usize,
    tokens: Vec<Token>,
}

impl Lexer<'_> {
    fn run(mut self) -> Result<Vec<Token>, Invalid> {
        while let Some(char) = self.chars.next() {
            if self.tokens.len() > MAX_WORDS {
                let detail = format!("The command has more than {MAX_WORDS} words.");
                return Err(Invalid::new("shell_too_long", detail));
            }
            match char {
                ' ' | '\t' | '\r' => self.end_word()?,
                '\n' => self.operator("the end of a line")?,
                '#' if self.word.is_none() => self.comment(),
                '\\' => self.escape(),
                '\'' => self.single()?,
                '"' => self.double()?,
                '$' => self.dollar(false)?,
                '`' => return Err(substitution()),
                '<' => self.input()?,
                '>' => self.redirection()?,
                '&' if self.chars.peek() == Some(&'>') => self.end_word()?,
                ';' => self.operator(";")?,
                '(' => self.operator("(")?,
                ')' => self.operator(")")?,
                '|' if self.chars.next_if_eq(&'|').is_some() => self.operator("||")?,
                '|' => self.operator("|")?,
                '&' if self.chars.next_if_eq(&'&').is_some() => self.operator("&&")?,
                '&' => self.operator("&")?,
                other => self.plain(other)?,
            }
        }
        self.end_word()?;
        if self.redirection.is_some() {
            return Err(Invalid::new("shell_quote", "The command ends in a redirection without a file."));
        }
        Ok(self.tokens)
    }

    fn push(&mut self, char: char) {
        self.word.get_or_insert_default().push(char);
    }

    /// A character without quotes.
    fn plain(&mut self, char: char) -> Result<(), Invalid> {
        let at = self.word.as_ref().map_or(0, String::len);
        self.push(char);
        match char {
            '*' | '[' => self.has_glob = true,
            '{' => self.brace = Some(at),
            '}' => {
                let inside = self.brace.take().and_then(|at| self.word.as_ref()?.get(at..));
                if inside.is_some_and(|inside| inside.contains(',') || inside.contains("..")) {
                    let detail =
                        "The command has braces without quotes, of which a shell makes several words.";
                    return Err(Invalid::new("shell_glob", detail).hint("Put the word in single quotes."));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn end_word(&mut self) -> Result<(), Invalid> {
        let Some(word) = self.word.take() else { return Ok(()) };
        self.brace = None;
        let has_glob = std::mem::take(&mut self.has_glob);
        if let Some(operator) = self.redirection.take() {
            self.tokens.push(Token::Redirection(operator + &word));
            return Ok(());
        }
        // The shell leaves a pattern as it is where no file matches; a URL matches none.
        if has_glob && !word.contains("://") && !word.contains("*/*") {
            let detail = "The command has * or [ without quotes, for which a shell looks at files.";
            return Err(Invalid::new("shell_glob", detail).hint("Put the word in single quotes."));
        }
        self.tokens.push(Token::Word(word));
        Ok(())
    }

    fn operator(&mut self, operator: &'static str) -> Result<(), Invalid> {
        self.end_word()?;
        self.tokens.push(Token::Operator(operator));
        Ok(())
    }

    fn comment(&mut self) {
        let mut comment = String::new();
        while let Some(char) = self.chars.next_if(|char| *char != '\n') {
            comment.push(char);
        }
        self.tokens.push(Token::Comment(comment.trim().to_owned()));
    }

    fn escape(&mut self) {
        match self.chars.next() {
            // A continued line.
            Some('\n') => {}
            Some('\r') if self.chars.peek() == Some(&'\n') => drop(self.chars.next()),
            Some(char) => self.push(char),
            None => {}
        }
    }

    fn single(&mut self) -> Result<(), Invalid> {
        self.word.get_or_insert_default();
        loop {
            match self.chars.next() {
                Some('\'') => return Ok(()),
                Some(char) => self.push(char),
                None => return Err(unclosed()),
            }
        }
    }

    fn double(&mut self) -> Result<(), Invalid> {
        self.word.get_or_insert_default();
        loop {
            match self.chars.next() {
                Some('"') => return Ok(()),
                Some('\\') => match self.chars.next() {
                    Some('\n') => {}
                    Some(char @ ('"' | '\\' | '$' | '`')) => self.push(char),
                    Some(other) => {
                        self.push('\\');
                        self.push(other);
                    }
                    None => return Err(unclosed()),
                },
                Some('$') => self.dollar(true)?,
                Some('`') => return Err(substitution()),
                Some(char) => self.push(char),
                None => return Err(unclosed()),
            }
        }
    }

    fn dollar(&mut self, is_quoted: bool) -> Result<(), Invalid> {
        match self.chars.peek().copied() {
            Some('\'') if !is_quoted => {
                self.chars.next();
                self.ansi()
            }
            Some('(') => Err(substitution()),
            Some('{') => {
                self.chars.next();
                let mut name = String::new();
                loop {
                    match self.chars.next() {
                        Some('}') => return self.variable(&name, is_quoted),
                        Some(char) => name.push(char),
                        None => return Err(unclosed()),
                    }
                }
            }
            Some(first) if first.is_ascii_alphanumeric() || "_?!@*#-$".contains(first) => {
                let mut name = String::new();
                while let Some(char) = self.chars.next_if(|char| char.is_ascii_alphanumeric() || *char == '_')
                {
                    name.push(char);
                }
                if name.is_empty() {
                    name.extend(self.chars.next());
                }
                self.variable(&name, is_quoted)
            }
            _ => {
                self.push('$');
                Ok(())
            }
        }
    }

    fn variable(&mut self, name: &str, is_quoted: bool) -> Result<(), Invalid> {
        let Some(value) = (self.variables)(name) else {
            let name = super::finding::cut(name, 60);
            let detail = format!("The command uses the variable {name}, whose value is unknown here.");
            return Err(Invalid::new("shell_variable", detail).hint("Write its value into the command."));
        };
        self.expansion = self.expansion.checked_sub(value.len()).ok_or_else(|| {
            let detail = format!("Variables add more than {MAX_EXPANSION_BYTES} bytes to the command.");
            Invalid::new("shell_too_long", detail)
        })?;
        for char in value.chars() {
            match char {
                ' ' | '\t' | '\n' if !is_quoted => self.end_word()?,
                _ => self.push(char),
            }
        }
        Ok(())
    }

    /// `$'…'`, as browsers write what they copy.
    fn ansi(&mut self) -> Result<(), Invalid> {
        self.word.get_or_insert_default();
        loop {
            match self.chars.next() {
                Some('\'') => return Ok(()),
                Some('\\') => {
                    let escaped = self.chars.next().ok_or_else(unclosed)?;
                    let char = match escaped {
                        'n' => '\n',
                        't' => '\t',
                        'r' => '\r',
                        'a' => '\u{7}',
                        'b' => '\u{8}',
                        'f' => '\u{c}',
                        'v' => '\u{b}',
                        'e' | 'E' => '\u{1b}',
                        '\\' | '\'' | '"' | '?' => escaped,
                        'u' => self.code(4)?,
                        'U' => self.code(8)?,
                        'x' => self.code(2)?,
                        _ => return Err(escape_unknown()),
                    };
                    self.push(char);
                }
                Some(char) => self.push(char),
                None => return Err(unclosed()),
            }
        }
    }

    /// A character by its number. Only ASCII can be written as a byte here.
    fn code(&mut self, max_digits: usize) -> Result<char, Invalid> {
        let mut digits = String::new();
        while digits.len() < max_digits {
            let Some(digit) = self.chars.next_if(char::is_ascii_hexdigit) else { break };
            digits.push(digit);
        }
        let code = u32::from_str_radix(&digits, 16).map_err(|_| escape_unknown())?;
        let high = char::from_u32(code).filter(|char| max_digits > 2 || char.is_ascii());
        high.ok_or_else(escape_unknown)
    }

    /// `> file`, `2>&1`, `&> file`
    fn redirection(&mut self) -> Result<(), Invalid> {
        // The number of a stream.
        let is_number = |word: &String| word.len() == 1 && word.bytes().all(|byte| byte.is_ascii_digit());
        let mut operator = self.word.take_if(|word| is_number(word)).unwrap_or_default();
        self.end_word()?;
        operator.push('>');
        while let Some(char) = self.chars.next_if(|char| matches!(char, '>' | '&' | '|')) {
            operator.push(char);
        }
        self.redirection = Some(operator);
        Ok(())
    }

    /// Only the empty file can be read.
    fn input(&mut self) -> Result<(), Invalid> {
        let rest: String = self.chars.clone().take("/dev/null".len() + 1).collect();
        if rest.trim_start().starts_with("/dev/nul") {
            self.redirection()
        } else {
            let detail = "The command reads a file or a text by <, which is not here.";
            Err(Invalid::new("shell_input", detail).hint("Write the text into the command."))
        }
    }
}

fn unclosed() -> Invalid {
    Invalid::new("shell_quote", "The command has a quote that is not closed.")
}

fn escape_unknown() -> Invalid {
    Invalid::new("shell_quote", "The command has an escape in $'…' that is not known.")
}

fn substitution() -> Invalid {
    Invalid::new("shell_substitution", "The command uses the output of another command.").hint(
        "TrigRun runs no commands. Write the value itself, or a variable of TrigRun such as {{timestamp}}.",
    )
}

#[cfg(test)]
mod tests;
