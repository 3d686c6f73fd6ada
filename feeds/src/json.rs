//! JSON texts that are written otherwise than their venue usually writes them.

/// The same JSON without the escapes that it needs not: a character that stands as `\uXXXX` or `\/` stands as itself
/// then, unless it is a quote, a backslash or a control character. `None` where there is no such escape, or the text
/// is no JSON.
pub(crate) fn without_escapes(text: &[u8]) -> Option<Vec<u8>> {
    let first = text.iter().position(|&byte| byte == b'\\')?;
    let mut plain = Vec::with_capacity(text.len());
    let mut is_in_string = text[..first].iter().filter(|&&byte| byte == b'"').count() % 2 == 1;
    plain.extend_from_slice(&text[..first]);
    let mut rest = &text[first..];
    let mut is_changed = false;
    while let Some((&byte, after)) = rest.split_first() {
        if byte != b'\\' {
            is_in_string ^= byte == b'"';
            plain.push(byte);
            rest = after;
            continue;
        }
        if !is_in_string {
            return None;
        }
        let (character, length) = escaped(after)?;
        match character {
            Some(character) => {
                plain.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                is_changed = true;
            }
            None => plain.extend_from_slice(&rest[..=length]),
        }
        rest = &after[length..];
    }
    is_changed.then_some(plain)
}

/// What stands behind a backslash: the character that may stand as itself, if it is one, and the length of the escape
/// without its backslash. `None` where it is no escape.
fn escaped(after: &[u8]) -> Option<(Option<char>, usize)> {
    match after.first()? {
        b'/' => Some((Some('/'), 1)),
        b'u' => {
            let unit = hex(after.get(1..5)?)?;
            let (code, length) = match unit {
                // Half of a pair: the other one follows, or it is no character.
                0xd800..0xdc00 => {
                    let low = after.get(5..11)?.strip_prefix(b"\\u").and_then(hex)?;
                    let low = low.checked_sub(0xdc00).filter(|&low| low < 0x400)?;
                    (0x1_0000 + ((unit - 0xd800) << 10) + low, 11)
                }
                _ => (unit, 5),
            };
            let character = char::from_u32(code)?;
            let may_stand = character >= ' ' && character != '"' && character != '\\';
            Some((may_stand.then_some(character), length))
        }
        b'"' | b'\\' | b'b' | b'f' | b'n' | b'r' | b't' => Some((None, 1)),
        _ => None,
    }
}

fn hex(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |value, &digit| Some(value * 16 + char::from(digit).to_digit(16)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    fn plain(text: &str) -> Option<String> {
        without_escapes(text.as_bytes()).map(|plain| String::from_utf8(plain).unwrap())
    }

    #[test]
    fn what_needs_no_escape_stands_as_itself() {
        for (text, expect) in [
            (r#"{"s":"BTC\/USD"}"#, Some(r#"{"s":"BTC/USD"}"#)),
            (r#"{"\u0073":"\u5E01\u5b89"}"#, Some(r#"{"s":"币安"}"#)),
            (r#"["\ud83d\ude00"]"#, Some(r#"["😀"]"#)),
            (r#"["\u0022\u005c\u000a\n\/"]"#, Some(r#"["\u0022\u005c\u000a\n/"]"#)),
            (r#"["\\u0041"]"#, None),
            (r#"["a\"b"]"#, None),
            (r#"["a"]"#, None),
        ] {
            assert_eq!(plain(text).as_deref(), expect, "{text}");
        }
    }

    #[test]
    fn what_is_no_json_is_left_alone() {
        for text in [
            r#"\u007b"s":1}"#,
            r#"["\x41"]"#,
            r#"["\u00"#,
            r#"["\ud83d"]"#,
            r#"["\ude00"]"#,
            r#"["\ud83d\u0041"]"#,
            r#"["\"#,
        ] {
            assert_eq!(plain(text), None, "{text}");
        }
    }

    proptest! {
        /// However the characters of a text are escaped, it is the same text.
        #[test]
        fn it_is_the_same_json(text in "\\PC{0,20}", choices in prop::collection::vec(0u8..3, 20)) {
            let mut written = String::new();
            for (character, choice) in text.chars().zip(choices.iter().chain(std::iter::repeat(&0))) {
                match choice {
                    0 if character == '"' => written.push_str("\\\""),
                    0 => written.push_str(serde_json::to_string(&character).unwrap().trim_matches('"')),
                    1 if character == '/' => written.push_str("\\/"),
                    _ => for unit in character.encode_utf16(&mut [0; 2]) {
                        written.push_str(&format!("\\u{unit:04x}"));
                    },
                }
            }
            let json = format!(r#"{{"{written}":["{written}",1]}}"#);
            let plain = plain(&json).unwrap_or_else(|| json.clone());
            let values = [json, plain].map(|json| serde_json::from_str::<Value>(&json).unwrap());
            prop_assert_eq!(&values[0], &values[1]);
        }
    }
}
