//! A snapshot over HTTP, and what a venue's refusals mean: come again, not before then, or never.

use crate::binance::codec::FRAME_BYTES_MAX;
use hyper::header::HeaderMap;
use std::time::Duration;
use tidegate_core::Nanos;

/// How much of what a venue says about a refusal is shown.
const REASON_CHARS_MAX: usize = 200;
/// The longest wait that a venue is believed: no ban is longer.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3 * 86_400);

/// Why there is no snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    /// For people.
    pub reason: String,
    /// Asking again would bring the same.
    pub is_final: bool,
    /// How long nothing at all may be asked for.
    pub hold: Option<Nanos>,
}

impl Failure {
    fn passing(reason: String) -> Failure {
        Failure { reason, is_final: false, hold: None }
    }

    fn of_status(status: u16, retry_after: Option<Nanos>, said: &[u8]) -> Failure {
        let said: String = String::from_utf8_lossy(said).chars().take(REASON_CHARS_MAX).collect();
        let reason = format!("status {status} {}", said.trim());
        let hold = hold(status, retry_after);
        Failure { reason: reason.trim_end().to_owned(), is_final: hold.is_none() && is_final(status), hold }
    }
}

/// How long a venue that answers with this status is left alone, by its own word or, where it gives none, by what the
/// status means: too many requests; a ban of the address; a ban by what stands before the venue.
pub(super) fn hold(status: u16, retry_after: Option<Nanos>) -> Option<Nanos> {
    let minutes = |count: i64| Nanos::new(count * 60 * Nanos::SECOND.raw());
    let least = match status {
        429 => Some(minutes(1)),
        418 => Some(minutes(10)),
        403 => Some(minutes(5)),
        _ => None,
    };
    retry_after.or(least).filter(|_| status >= 400)
}

/// The request itself is wrong for this venue: it was read, and will not be met. A time-out and a conflict pass.
const fn is_final(status: u16) -> bool {
    matches!(status, 400..=499) && !matches!(status, 408 | 409 | 421 | 425)
}

/// What the header says, in seconds or as a date.
pub(super) fn retry_after(headers: &HeaderMap, now: Nanos) -> Option<Nanos> {
    let said = headers.get("retry-after")?.to_str().ok()?.trim();
    let seconds = match said.parse::<u64>() {
        Ok(seconds) => i64::try_from(seconds).unwrap_or(i64::MAX),
        Err(_) => {
            let at = jiff::fmt::rfc2822::parse(said).ok()?.timestamp().as_second();
            // Our clock may be ahead of the venue's: once more, a second later.
            at.saturating_sub(now.raw() / Nanos::SECOND.raw()).max(1)
        }
    };
    let seconds = seconds.min(i64::try_from(RETRY_AFTER_MAX.as_secs()).unwrap_or(i64::MAX));
    Some(Nanos::new(seconds.saturating_mul(Nanos::SECOND.raw())))
}

/// The body of `url`, asked for at `now`.
pub(super) async fn fetch(http: reqwest::Client, url: String, now: Nanos) -> Result<Vec<u8>, Failure> {
    let failed = |error: reqwest::Error| Failure::passing(error.without_url().to_string());
    let mut response = http.get(url).send().await.map_err(failed)?;
    let status = response.status();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if body.len() + chunk.len() > FRAME_BYTES_MAX {
            return Err(Failure::passing(format!("more than {FRAME_BYTES_MAX} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    if status.is_success() {
        return Ok(body);
    }
    Err(Failure::of_status(status.as_u16(), retry_after(response.headers(), now), &body))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Nanos = Nanos::new(1_790_000_000_000_000_000);

    fn seconds(count: i64) -> Nanos {
        Nanos::new(count * Nanos::SECOND.raw())
    }

    #[test]
    fn what_a_status_means_is_never_asked_for_at_once() {
        for (status, said, hold, is_final) in [
            (429, Some(7), Some(7), false),
            (429, None, Some(60), false),
            (418, Some(259_200), Some(259_200), false),
            (418, None, Some(600), false),
            (403, None, Some(300), false),
            (503, Some(30), Some(30), false),
            (503, None, None, false),
            (500, None, None, false),
            (400, None, None, true),
            (404, None, None, true),
            (451, None, None, true),
            (408, None, None, false),
            (302, None, None, false),
        ] {
            let failure = Failure::of_status(status, said.map(seconds), b" {\"code\":-1121}\n");
            let expect =
                Failure { reason: format!("status {status} {{\"code\":-1121}}"), is_final, hold: hold.map(seconds) };
            assert_eq!(failure, expect);
        }
        assert_eq!(Failure::of_status(500, None, &[b'x'; 1_000]).reason.len(), "status 500 ".len() + REASON_CHARS_MAX);
    }

    #[test]
    fn when_to_come_again_is_read_in_seconds_and_as_a_date() {
        for (text, expect) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("99999999999999999999", None),
            ("18446744073709551615", Some(259_200)),
            ("Mon, 21 Sep 2026 14:13:30 GMT", Some(10)),
            ("Mon, 21 Sep 2026 14:13:10 GMT", Some(1)),
            ("soon", None),
            ("-5", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("retry-after", text.parse().unwrap());
            assert_eq!(retry_after(&headers, NOW), expect.map(seconds), "{text}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), NOW), None);
    }
}
