//! Where an answer ended, as an opaque text: the next call goes on from there.
//!
//! Nothing is remembered between two calls: a cursor holds the last row that was shown, bound to the question
//! it belongs to. It is no secret; what it proves is that it came unchanged and with the same question.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

const TAG_BYTES: usize = 8;

/// The cursor that goes on after the row `after` of the question `scope`.
pub fn seal(after: &str, scope: &[&str]) -> String {
    let mut bytes = tag(after, scope).to_vec();
    bytes.extend_from_slice(after.as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The row after which a cursor goes on; `None` where it is none of this question.
pub fn open(cursor: &str, scope: &[&str]) -> Option<String> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    let (found, after) = bytes.split_at_checked(TAG_BYTES)?;
    let after = std::str::from_utf8(after).ok()?;
    (found == tag(after, scope)).then(|| after.to_owned())
}

fn tag(after: &str, scope: &[&str]) -> [u8; TAG_BYTES] {
    let mut hasher = blake3::Hasher::new();
    for part in scope.iter().chain([&after]) {
        // Lengths keep parts apart: ("ab", "c") is another question than ("a", "bc").
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    let mut tag = [0; TAG_BYTES];
    tag.copy_from_slice(&hasher.finalize().as_bytes()[..TAG_BYTES]);
    tag
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_opens_for_its_own_question_only() {
        let cursor = seal("100/NSE:INFY", &["inf", "NSE"]);
        assert_eq!(open(&cursor, &["inf", "NSE"]).as_deref(), Some("100/NSE:INFY"));
        for (text, scope) in [
            (cursor.clone(), ["infN", "SE"]),
            (cursor.clone(), ["", ""]),
            (cursor[1..].to_owned(), ["inf", "NSE"]),
            (format!("{cursor}A"), ["inf", "NSE"]),
            (String::new(), ["inf", "NSE"]),
            ("é".repeat(10_000), ["inf", "NSE"]),
        ] {
            assert_eq!(open(&text, &scope), None, "{text}");
        }
    }
}
