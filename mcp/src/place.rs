//! Where in a file of a person's something is wrong.

/// The line that holds the byte at `offset`, counted from one.
pub fn line_at(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}

/// The line of an error in a TOML text and what is wrong there; never the line itself, which may hold a secret.
pub fn of_toml_error(text: &str, error: &toml::de::Error) -> (usize, String) {
    (line_at(text, error.span().map_or(0, |span| span.start)), error.message().replace('\n', ", "))
}
