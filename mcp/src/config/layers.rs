//! The layers, each over the one before: what is built in, the file, the environment, flags.

use super::keys::{self, Key};
use super::{BUILT_IN, Config};
use crate::data_folder::DataFolder;
use crate::place::{line_at, of_toml_error};
use crate::tools::arguments::echo;
use anyhow::{Context, anyhow, bail};
use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::de::{DeTable, DeValue};

/// Name of the file in the data folder.
pub const FILE_NAME: &str = "tidegate.toml";
/// The variable that names another file.
pub const FILE_VARIABLE: &str = "TIDEGATE_CONFIG";
/// What the variables of keys begin with; `__` stands for a dot.
pub const VARIABLE_PREFIX: &str = "TIDEGATE__";

const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The built-in file.
    BuiltIn,
    /// A line of the operator's file.
    File(PathBuf, usize),
    /// A variable of the environment.
    Environment(String),
    /// A flag of the command line.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::BuiltIn => f.write_str("built in"),
            Origin::File(path, line) => write!(f, "{}:{line}", path.display()),
            Origin::Environment(name) | Origin::Flag(name) => f.write_str(name),
        }
    }
}

/// One key's value in force.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// The value.
    pub value: toml::Value,
    /// The layer it comes from.
    pub origin: Origin,
}

/// What is laid over the built-in file; by default nothing.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    file: Option<PathBuf>,
    /// A file that somebody named has to be there; the data folder's need not.
    is_named: bool,
    environment: Vec<(String, String)>,
    flags: Vec<(String, String, String)>,
}

/// The configuration in force.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The same, typed.
    pub config: Config,
    /// By key.
    pub settings: BTreeMap<String, Setting>,
}

impl Sources {
    /// The layers of this process: `--config` or the variable or the data folder's file, the environment, and
    /// the `KEY=VALUE` of `--set`.
    ///
    /// # Errors
    /// Where `--set` is not `KEY=VALUE`.
    pub fn of_process(named: Option<&Path>, folder: &DataFolder, set: &[String]) -> anyhow::Result<Sources> {
        let variable = std::env::var_os(FILE_VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from);
        let named = named.map(Path::to_owned).or(variable);
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.to_string_lossy().into_owned()))
        };
        let mut sources = Sources {
            is_named: named.is_some(),
            file: Some(std::path::absolute(named.unwrap_or_else(|| folder.path().join(FILE_NAME)))?),
            environment: std::env::vars_os().filter_map(text).collect(),
            flags: Vec::new(),
        };
        for pair in set {
            let Some((key, value)) = pair.split_once('=') else {
                bail!("--set takes KEY=VALUE, such as --set serve.listen=127.0.0.1:7200");
            };
            sources.flag("--set", key.trim(), value.trim());
        }
        Ok(sources)
    }

    #[cfg(test)]
    pub(super) fn of_file(path: &Path, environment: &[(&str, &str)]) -> Sources {
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Sources { file: Some(path.to_owned()), is_named: true, environment, flags: Vec::new() }
    }

    /// Lays the value of `flag` over everything.
    pub fn flag(&mut self, flag: &str, key: &str, value: &str) {
        self.flags.push((flag.to_owned(), key.to_owned(), value.to_owned()));
    }

    /// The file that is read, where it is there.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Whether somebody asked for this very file.
    pub fn is_named(&self) -> bool {
        self.is_named
    }

    /// Reads and joins the layers.
    ///
    /// # Errors
    /// A file that cannot be read, a key that there is not, a value that is not allowed, or a key where only the
    /// file may set it: in one line, with where it stands and what would be right.
    pub fn load(&self) -> anyhow::Result<Loaded> {
        let keys = keys::all();
        let mut settings = BTreeMap::new();
        lay(&keys, &mut settings, parse(BUILT_IN, |_| Origin::BuiltIn).map_err(|(_, message)| anyhow!(message))?)?;
        if let Some(path) = &self.file
            && let Some(text) = self.read(path)?
        {
            let origin = |line| Origin::File(path.clone(), line);
            let entries = parse(&text, origin).map_err(|(line, message)| anyhow!("{}: {message}", origin(line)))?;
            lay(&keys, &mut settings, entries)?;
        }
        let variable = |(name, value): &(String, String)| {
            let key = name.strip_prefix(VARIABLE_PREFIX)?.to_ascii_lowercase().replace("__", ".");
            Some((key, value.clone(), Origin::Environment(name.clone())))
        };
        let flag = |(flag, key, value): &(String, String, String)| {
            (key.clone(), value.clone(), Origin::Flag(format!("{flag} {key}")))
        };
        for (key, text, origin) in self.environment.iter().filter_map(variable).chain(self.flags.iter().map(flag)) {
            if keys::is_file_only(&key) {
                bail!("{origin}: {key} is read from the file alone; write it there, and take it out here");
            }
            let value = match keys.iter().find(|known| known.path == key) {
                Some(known) => known.read(&text),
                None => toml::Value::String(text),
            };
            lay(&keys, &mut settings, vec![(key, Setting { value, origin })])?;
        }
        require(&keys, &settings)?;
        let config = assemble(&settings).try_into().map_err(|error: toml::de::Error| anyhow!("{}", error.message()))?;
        Ok(Loaded { config, settings })
    }

    fn read(&self, path: &Path) -> anyhow::Result<Option<String>> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound && !self.is_named => return Ok(None),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot open the configuration {}", path.display()));
            }
        };
        let mut text = String::new();
        file.take(FILE_BYTES_MAX + 1)
            .read_to_string(&mut text)
            .with_context(|| format!("cannot read the configuration {}", path.display()))?;
        if text.len() as u64 > FILE_BYTES_MAX {
            bail!("the configuration {} is larger than {FILE_BYTES_MAX} bytes", path.display());
        }
        Ok(Some(text))
    }
}

type Entry = (String, Setting);

/// Puts entries over those that are there.
fn lay(keys: &[Key], settings: &mut BTreeMap<String, Setting>, entries: Vec<Entry>) -> anyhow::Result<()> {
    for (path, setting) in entries {
        let Some(key) = keys.iter().find(|key| key.path == path) else {
            // A section with nothing in it says nothing.
            if matches!(&setting.value, toml::Value::Table(table) if table.is_empty())
                && keys.iter().any(|key| key.path.starts_with(&format!("{path}.")))
            {
                continue;
            }
            bail!("{}: {} {}", setting.origin, echo(&path), keys::unknown(&path, keys));
        };
        key.check(&setting.value).map_err(|message| anyhow!("{}: {path}: {message}", setting.origin))?;
        settings.insert(path, setting);
    }
    Ok(())
}

/// A section that is begun has to be whole.
fn require(keys: &[Key], settings: &BTreeMap<String, Setting>) -> anyhow::Result<()> {
    let section = |path: &str| path.rsplit_once('.').map_or(String::new(), |(section, _)| section.to_owned());
    for key in keys.iter().filter(|key| key.is_required && !settings.contains_key(&key.path)) {
        if let Some((begun, setting)) = settings.iter().find(|(path, _)| section(path) == section(&key.path)) {
            bail!("{}: {begun} is set, and {} is missing: {}", setting.origin, key.path, key.allowed());
        }
    }
    Ok(())
}

fn assemble(settings: &BTreeMap<String, Setting>) -> toml::Table {
    let mut root = toml::Table::new();
    for (path, setting) in settings {
        let mut table = &mut root;
        let mut names = path.split('.').peekable();
        while let Some(name) = names.next() {
            if names.peek().is_none() {
                table.insert(name.to_owned(), setting.value.clone());
                break;
            }
            let section = table.entry(name).or_insert_with(|| toml::Value::Table(toml::Table::new()));
            let toml::Value::Table(section) = section else { break };
            table = section;
        }
    }
    root
}

/// The entries of a text, or the line and what is wrong there.
fn parse(text: &str, origin: impl Fn(usize) -> Origin) -> Result<Vec<Entry>, (usize, String)> {
    let wrong = |error| of_toml_error(text, &error);
    let values: toml::Table = toml::from_str(text).map_err(wrong)?;
    let places = DeTable::parse(text).map_err(wrong)?;
    let mut entries = Vec::new();
    flatten(&values, places.get_ref(), "", &mut |path, value: &toml::Value, span| {
        let setting = Setting { value: value.clone(), origin: origin(line_at(text, span.start)) };
        entries.push((path, setting));
    });
    Ok(entries)
}

fn flatten(
    values: &toml::Table,
    places: &DeTable<'_>,
    prefix: &str,
    found: &mut impl FnMut(String, &toml::Value, Range<usize>),
) {
    for (name, place) in places {
        let text: &str = name.get_ref();
        let Some(value) = values.get(text) else { continue };
        // A dot inside a name separates nothing.
        let name_shown = if text.contains('.') { format!("{text:?}") } else { text.to_owned() };
        let path = format!("{prefix}{name_shown}");
        match (value, place.get_ref()) {
            (toml::Value::Table(values), DeValue::Table(places)) if !values.is_empty() => {
                flatten(values, places, &format!("{path}."), found);
            }
            _ => found(path, value, name.span()),
        }
    }
}
