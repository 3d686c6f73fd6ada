//! How large a query may be. Planning goes down a query's tree by recursion, and a tree has a level for each operator
//! of a chain: what would take more stack than there is, is told before it is read.

use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

/// Longest text, in bytes.
pub(crate) const TEXT_BYTES_MAX: usize = 256 << 10;
/// Most operators, parentheses and words that put one part of a query into another.
pub(crate) const OPERATORS_MAX: usize = 2_000;
/// Most commas: parts that stand beside each other, such as the values of a list.
pub(crate) const COMMAS_MAX: usize = 20_000;

/// Refuses a query that is too large to be planned, and says what to write instead.
///
/// # Errors
/// In one sentence.
pub(crate) fn check(text: &str) -> Result<(), String> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(format!(
            "a query has at most {TEXT_BYTES_MAX} bytes, this one {}; put long lists of values into a file of their own and \
             filter its output",
            text.len()
        ));
    }
    // What cannot be cut into words is refused by the parser, with the place.
    let Ok(tokens) = Tokenizer::new(&GenericDialect, text).tokenize() else { return Ok(()) };
    let operators = tokens.iter().filter(|token| is_operator(token)).count();
    if operators > OPERATORS_MAX {
        return Err(format!(
            "a query has at most {OPERATORS_MAX} operators and parentheses, this one {operators}; write a long chain of or as \
             x in ('a', 'b', …), and a long sum as sum(…) over rows"
        ));
    }
    let commas = tokens.iter().filter(|token| **token == Token::Comma).count();
    if commas > COMMAS_MAX {
        return Err(format!(
            "a query has at most {COMMAS_MAX} commas, this one {commas}; ask for a range (between … and …) or in several queries"
        ));
    }
    Ok(())
}

/// Whether a tree can grow by a level here: at all that is neither a value, a name, a comma nor a blank; words count
/// that join conditions, tables or queries.
fn is_operator(token: &Token) -> bool {
    match token {
        Token::Word(word) => matches!(
            word.keyword,
            Keyword::AND
                | Keyword::OR
                | Keyword::XOR
                | Keyword::NOT
                | Keyword::IS
                | Keyword::IN
                | Keyword::LIKE
                | Keyword::ILIKE
                | Keyword::SIMILAR
                | Keyword::BETWEEN
                | Keyword::AT
                | Keyword::COLLATE
                | Keyword::CASE
                | Keyword::WHEN
                | Keyword::DIV
                | Keyword::RLIKE
                | Keyword::REGEXP
                | Keyword::UNION
                | Keyword::EXCEPT
                | Keyword::INTERSECT
                | Keyword::MINUS
                | Keyword::JOIN
                | Keyword::APPLY
                | Keyword::SELECT
                | Keyword::INTERVAL
        ),
        Token::Number(..)
        | Token::Comma
        | Token::SemiColon
        | Token::RParen
        | Token::RBracket
        | Token::RBrace
        | Token::Whitespace(_)
        | Token::EOF => false,
        Token::SingleQuotedString(_) | Token::DoubleQuotedString(_) | Token::NationalStringLiteral(_) => false,
        _ => true,
    }
}

#[cfg(test)]
#[path = "complexity_tests.rs"]
mod tests;
