//! What brokers let their customers in with, and where it goes: into URL and headers, never into a log.

use crate::driver::Endpoints;
use crate::venue::Venue;
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use std::fmt;

/// Longest of them, in bytes: a JWT has one or two thousand.
const BYTES_MAX: usize = 8 * 1024;

const KITE_URL: &str = "wss://ws.kite.trade";
const KITE_VERSION: HeaderName = HeaderName::from_static("x-kite-version");
const ANGEL_URL: &str = "wss://smartapisocket.angelone.in/smart-stream";

/// Why something cannot be what a broker has given out; it does not repeat what was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} {why}")]
pub struct CredentialsError {
    /// Which part.
    pub field: &'static str,
    /// What is wrong with it.
    pub why: &'static str,
}

/// A word that is not shown.
#[derive(Clone, PartialEq, Eq)]
struct Secret(String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Secret {
    /// Takes what stands in a file or variable, without the blanks around it.
    fn new(field: &'static str, text: &str) -> Result<Secret, CredentialsError> {
        let text = text.trim();
        let wrong = |why| Err(CredentialsError { field, why });
        if text.is_empty() {
            wrong("is empty: put in what the broker has given out")
        } else if text.len() > BYTES_MAX {
            wrong("is longer than 8192 bytes: is it the right file?")
        } else if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            wrong("holds blanks, line ends or letters that no header carries: put in the word alone")
        } else {
            Ok(Secret(text.to_owned()))
        }
    }

    fn header(&self, field: &'static str) -> Result<HeaderValue, CredentialsError> {
        header(field, &self.0)
    }
}

fn header(field: &'static str, text: &str) -> Result<HeaderValue, CredentialsError> {
    let mut value =
        HeaderValue::from_str(text).map_err(|_| CredentialsError { field, why: "is nothing that a header carries" })?;
    value.set_sensitive(true);
    Ok(value)
}

/// What one broker lets one customer in with, for a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials(Kind);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Kite { api_key: Secret, access_token: Secret },
    Angel { jwt: Secret, api_key: Secret, client_code: Secret, feed_token: Secret },
}

impl Credentials {
    /// Of Zerodha Kite: the key of the app, and the token of today's login.
    ///
    /// # Errors
    /// [`CredentialsError`], naming the part.
    pub fn kite(api_key: &str, access_token: &str) -> Result<Credentials, CredentialsError> {
        Ok(Credentials(Kind::Kite {
            api_key: Secret::new("api_key", api_key)?,
            access_token: Secret::new("access_token", access_token)?,
        }))
    }

    /// Of Angel One: the JWT of today's login, with or without `Bearer` before it, the key of the app, the client's
    /// code, and the feed token of the same login.
    ///
    /// # Errors
    /// [`CredentialsError`], naming the part.
    pub fn angel(
        jwt: &str,
        api_key: &str,
        client_code: &str,
        feed_token: &str,
    ) -> Result<Credentials, CredentialsError> {
        let jwt = jwt.trim();
        Ok(Credentials(Kind::Angel {
            jwt: Secret::new("jwt", jwt.strip_prefix("Bearer ").unwrap_or(jwt))?,
            api_key: Secret::new("api_key", api_key)?,
            client_code: Secret::new("client_code", client_code)?,
            feed_token: Secret::new("feed_token", feed_token)?,
        }))
    }

    /// Whose they are.
    pub const fn venue(&self) -> Venue {
        match self.0 {
            Kind::Kite { .. } => Venue::Kite,
            Kind::Angel { .. } => Venue::Angel,
        }
    }

    /// Where the broker streams to whoever has these.
    ///
    /// Sources: <https://kite.trade/docs/connect/v3/websocket/>, <https://smartapi.angelbroking.com/docs/WebSocket2>.
    ///
    /// # Errors
    /// [`CredentialsError`] where a part fits neither URL nor header, which their making rules out.
    pub fn endpoints(&self) -> Result<Endpoints, CredentialsError> {
        let mut headers = HeaderMap::new();
        let stream_url = match &self.0 {
            Kind::Kite { api_key, access_token } => {
                headers.insert(KITE_VERSION, HeaderValue::from_static("3"));
                let params = [("api_key", &api_key.0), ("access_token", &access_token.0)];
                let url = reqwest::Url::parse_with_params(KITE_URL, params);
                url.map_err(|_| CredentialsError { field: "api_key", why: "fits no URL" })?.into()
            }
            Kind::Angel { jwt, api_key, client_code, feed_token } => {
                headers.insert(AUTHORIZATION, header("jwt", &format!("Bearer {}", jwt.0))?);
                headers.insert(HeaderName::from_static("x-api-key"), api_key.header("api_key")?);
                headers.insert(HeaderName::from_static("x-client-code"), client_code.header("client_code")?);
                headers.insert(HeaderName::from_static("x-feed-token"), feed_token.header("feed_token")?);
                ANGEL_URL.to_owned()
            }
        };
        Ok(Endpoints { stream_url, headers, snapshot_url: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kite_has_them_in_the_url_and_angel_in_headers() {
        let kite = Credentials::kite("key&1", " token\n").unwrap();
        let endpoints = kite.endpoints().unwrap();
        assert_eq!(endpoints.stream_url, "wss://ws.kite.trade/?api_key=key%261&access_token=token");
        assert_eq!((kite.venue(), endpoints.headers[KITE_VERSION].to_str().unwrap()), (Venue::Kite, "3"));
        for jwt in ["e.y.J", "Bearer e.y.J"] {
            let angel = Credentials::angel(jwt, "key", "A123", "feed").unwrap();
            let endpoints = angel.endpoints().unwrap();
            assert_eq!((angel.venue(), endpoints.stream_url.as_str()), (Venue::Angel, ANGEL_URL));
            let headers: Vec<_> =
                endpoints.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
            let expect = [
                ("authorization", "Bearer e.y.J"),
                ("x-api-key", "key"),
                ("x-client-code", "A123"),
                ("x-feed-token", "feed"),
            ];
            assert_eq!(headers, expect);
        }
    }

    #[test]
    fn nothing_secret_is_shown() {
        let secrets = ["s3cret-one", "s3cret-two", "s3cret-three", "s3cret-four"];
        let kite = Credentials::kite(secrets[0], secrets[1]).unwrap();
        let angel = Credentials::angel(secrets[0], secrets[1], secrets[2], secrets[3]).unwrap();
        let headers = angel.endpoints().unwrap().headers;
        for shown in [format!("{kite:?}"), format!("{angel:?}"), format!("{headers:?}")] {
            assert!(!shown.contains("s3cret"), "{shown}");
        }
        let error = Credentials::kite("key", "s3cret word").unwrap_err().to_string();
        assert!(error.starts_with("access_token ") && !error.contains("s3cret"), "{error}");
    }

    #[test]
    fn what_no_broker_gives_out_is_refused_by_name() {
        let long = "x".repeat(BYTES_MAX + 1);
        for (text, expect) in [("", "is empty"), (" \n", "is empty"), (&long, "is longer"), ("a\nb", "holds blanks")] {
            let error = Credentials::kite(text, "token").unwrap_err();
            assert!(error.field == "api_key" && error.why.starts_with(expect), "{error}");
            let error = Credentials::angel("jwt", "key", "code", text).unwrap_err();
            assert!(error.field == "feed_token" && error.why.starts_with(expect), "{error}");
        }
    }
}
