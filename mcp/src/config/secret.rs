//! Secrets stand in no file of the configuration, but where they are found.

use crate::data_folder::refuse_shared;
use anyhow::{Context, bail};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Longest secret that is read: the tokens of venues are a few kilobytes at most.
const SECRET_BYTES_MAX: u64 = 16 * 1024;

/// What a secret's schema calls its form.
pub(super) const FORMAT: &str = "secret-reference";

/// Where a secret is found. The secret itself is read only where it is used, and is never a part of this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Secret {
    /// In this variable of the environment.
    Environment(String),
    /// In this file, which only its owner may read.
    File(PathBuf),
}

/// A secret's text. No log shows it: [`fmt::Debug`] hides it, and it is not serialisable.
pub struct SecretText(String);

impl SecretText {
    /// The secret itself, for a request to whom it is meant for.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(hidden)")
    }
}

impl Secret {
    /// Reads the secret.
    ///
    /// # Errors
    /// Where it is not there, not one line, or readable by others; the text names where, never the secret.
    pub fn resolve(&self) -> anyhow::Result<SecretText> {
        let text = match self {
            Secret::Environment(name) => {
                std::env::var(name).with_context(|| format!("{self}: set the variable {name}"))?
            }
            Secret::File(path) => read(path)?,
        };
        let text = text.trim();
        if text.is_empty() {
            bail!("{self} is empty: put the secret there, on one line");
        }
        if text.len() as u64 > SECRET_BYTES_MAX || text.contains(char::is_control) {
            bail!("{self} is no secret of one line of at most {SECRET_BYTES_MAX} bytes");
        }
        Ok(SecretText(text.to_owned()))
    }
}

fn read(path: &Path) -> anyhow::Result<String> {
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    refuse_shared(&file, path)?;
    let mut text = String::new();
    file.take(SECRET_BYTES_MAX + 1)
        .read_to_string(&mut text)
        .with_context(|| format!("cannot read {}", path.display()))?;
    Ok(text)
}

impl FromStr for Secret {
    type Err = String;

    /// The message does not repeat the text, which may be the secret itself.
    fn from_str(text: &str) -> Result<Secret, String> {
        if let Some(name) = text.strip_prefix("env:") {
            let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
            return match !name.is_empty() && name.chars().all(is_name) {
                true => Ok(Secret::Environment(name.to_owned())),
                false => Err("after env: comes the name of a variable: A-Z a-z 0-9 _".to_owned()),
            };
        }
        match text.strip_prefix("file:").map(Path::new) {
            Some(path) if path.is_absolute() => Ok(Secret::File(path.to_owned())),
            Some(_) => Err("after file: comes an absolute path, such as file:/home/me/secret".to_owned()),
            None => {
                Err("a secret does not stand here itself: write env:NAME or file:/absolute/path, where it is found, \
                         and take the one that stood here for known"
                    .to_owned())
            }
        }
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Secret::Environment(name) => write!(f, "env:{name}"),
            Secret::File(path) => write!(f, "file:{}", path.display()),
        }
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Secret {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": FORMAT, "pattern": "^(env:[A-Za-z0-9_]+|file:/.+)$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_a_reference_and_nothing_else() {
        assert_eq!("env:KITE_API_KEY".parse(), Ok(Secret::Environment("KITE_API_KEY".to_owned())));
        assert_eq!("file:/run/kite".parse(), Ok(Secret::File("/run/kite".into())));
        for (text, hint) in [
            ("s3cr3t", "env:NAME or file:"),
            ("", "env:NAME or file:"),
            ("env:", "name of a variable"),
            ("env:A B", "name of a variable"),
            ("file:kite", "absolute path"),
            ("ENV:KITE", "env:NAME or file:"),
        ] {
            let error = text.parse::<Secret>().unwrap_err();
            assert!(error.contains(hint), "{text:?}: {error}");
            assert!(text.is_empty() || !error.contains(text) || text == "env:", "{text:?}: {error}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_file_gives_its_line_to_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let secret = Secret::File(path.clone());
        let error = format!("{:#}", secret.resolve().unwrap_err());
        assert!(error.contains("token"), "{error}");
        let write = |text: &str, mode| {
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        write("  s3cr3t\n", 0o600);
        let text = secret.resolve().unwrap();
        assert_eq!(text.expose(), "s3cr3t");
        assert_eq!(format!("{text:?}"), "SecretText(hidden)");
        for (text, mode, hint) in [
            ("s3cr3t", 0o640, "chmod 600"),
            ("s3cr3t", 0o604, "chmod 600"),
            (" \n", 0o600, "is empty"),
            ("s3cr3t\nmore", 0o600, "one line"),
            (&"x".repeat(16 * 1024 + 1), 0o600, "one line"),
        ] {
            write(text, mode);
            let error = format!("{:#}", secret.resolve().unwrap_err());
            assert!(error.contains(hint) && !error.contains("s3cr3t"), "{error}");
        }
    }

    #[test]
    fn a_variable_that_is_not_set_is_named() {
        let secret = Secret::Environment("TIDEGATE_TEST_UNSET".to_owned());
        let error = format!("{:#}", secret.resolve().unwrap_err());
        assert!(error.contains("set the variable TIDEGATE_TEST_UNSET"), "{error}");
        assert_eq!(serde_json::to_string(&secret).unwrap(), "\"env:TIDEGATE_TEST_UNSET\"");
    }
}
