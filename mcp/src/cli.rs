//! The command line.

use crate::connect::Client;
use crate::data_folder::VERSION_AND_COMMIT;
use crate::playback::Format;
use crate::playback::pace::Speed;
use clap::{Args, Parser, Subcommand, ValueEnum, value_parser};
use std::net::SocketAddr;
use std::path::PathBuf;
use tidegate_core::Nanos;
use tidegate_feeds::exchange::faults::Faults;
use tidegate_feeds::sim::market::RATE_PERCENT;

/// A market-data and risk engine with an MCP facade.
#[derive(Debug, Parser)]
#[command(name = "tidegate", version = VERSION_AND_COMMIT, propagate_version = true)]
pub struct Cli {
    /// Data folder; the platform's own unless given.
    #[arg(long, global = true, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Configuration file; tidegate.toml in the data folder unless given.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Set a key of the configuration, such as serve.listen=127.0.0.1:7200; may be repeated.
    #[arg(long, global = true, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// What to do; without it: serve.
    #[command(subcommand)]
    command: Option<Command>,
}

impl Cli {
    /// What to do: where nothing is said, to serve.
    pub fn into_command(self) -> Command {
        self.command.unwrap_or_else(|| Command::Serve(Serve::parse_from(["serve"])))
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Play captures or recordings through the engine and say what they come to.
    Replay(Replay),
    /// Run the engine and answer questions over MCP: on a simulated market, unless told otherwise.
    Serve(Serve),
    /// Serve captures again over WebSocket and REST, as the venue would: for serve --at.
    Exchange(Exchange),
    /// Connect an MCP client on standard input and output to the running engine; where none runs, run it meanwhile.
    Mcp(Owner),
    /// Look at instruments of the running engine in a terminal.
    Watch(Watch),
    /// Connect an AI client: give it a bearer of its own and show, or write, its configuration.
    Connect(Connect),
    /// Print the program's own bearer.
    Token,
    /// Look at the configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Look for what is wrong: configuration, data folder, disk, clock, engine, recordings, clients, secrets.
    Doctor(Doctor),
    /// Print the completions of a shell.
    #[command(after_help = COMPLETIONS)]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Ask what was recorded, in SQL: tables events, trades, bars, holes.
    #[command(after_help = QUERIES)]
    Query(Query),
    /// Work with recorded data.
    #[command(subcommand)]
    Data(Data),
}

const FORMATS: &str = "\
Formats:
  binance-spot, binance-usdm, binance-coinm
      Captures, gzip or plain text, one line a message:
          <receive time in ns since 1970> <raw JSON>
      The JSON is a message of a combined stream, {\"stream\":\"btcusdt@depth@100ms\",\"data\":{…}}
      (depth, bookTicker, trade, aggTrade), or the REST order book: the line without \"stream\".
      Spot's order book does not name its symbol: it goes to the first symbol whose changes connect
      to it. Several paths are read one after the other as one stream.
  kraken
      The text that cryptofeed writes: \"wss://… <-> <s>\" where it connected, \"wss://… <- <s>: <JSON>\" what
      it sent, \"<s>: <JSON>\" what it received (v1 books, v2); the first two are passed over and counted.
  kite, angel
      One binary WebSocket message a line: <receive time in ns since 1970> <base64 of the payload>, for
      Kite from the count of packets. A file *.packet is the base64 of one Kite packet alone.
  tidegate
      A tape folder or one segment (*.tape) written by --record, or a Parquet folder written by
      tidegate data project.
  Without --venue the files tell which it is.";

/// Play captures or recordings.
#[derive(Debug, Args)]
#[command(after_help = FORMATS)]
pub struct Replay {
    /// Files or folders.
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// What the paths are.
    #[arg(long, value_name = "FORMAT")]
    pub venue: Option<Format>,
    /// Print one JSON object instead of a summary.
    #[arg(long)]
    pub json: bool,
    /// Compare the book with what the venue says of it: Binance's ticker at every update id that both state, Kraken's
    /// checksums, the packets of Kite and Angel One. Fails at a difference, and where nothing could be compared.
    #[arg(long)]
    pub verify: bool,
    /// Write the top of the book after every change of it as CSV.
    #[arg(long, value_name = "FILE.csv")]
    pub tops: Option<PathBuf>,
    /// Write every gap as CSV: path,line,ts_recv,symbol,family,cause,expected,got.
    #[arg(long, value_name = "FILE.csv")]
    pub gaps: Option<PathBuf>,
    /// Record a tape into this folder; one that is there is continued after a gap.
    #[arg(long, value_name = "DIR")]
    pub record: Option<PathBuf>,
}

/// Run the engine.
#[derive(Debug, Parser)]
#[command(after_help = FORMATS)]
pub struct Serve {
    /// Play these files, then stand still and go on answering.
    #[arg(long, num_args = 1.., value_name = "PATH")]
    pub replay: Vec<PathBuf>,
    /// What the paths are; without --replay: where to connect to.
    #[arg(long, value_name = "FORMAT")]
    pub venue: Option<Format>,
    /// The venue's symbols to subscribe to, such as BTCUSDT,ETHUSDT.
    #[arg(long, value_delimiter = ',', value_name = "SYMBOL", conflicts_with = "replay", requires = "venue")]
    pub symbols: Vec<String>,
    /// Connect here instead of to the venue itself: to somebody who speaks as it does, and waits for its readers.
    #[arg(long, value_name = "ADDR:PORT", requires = "symbols")]
    pub at: Option<SocketAddr>,
    /// The simulated market's seed.
    #[arg(long, default_value_t = 1, value_name = "N", conflicts_with_all = ["replay", "symbols"])]
    pub seed: u64,
    /// How many instruments the simulated market lists, beside its index.
    #[arg(long, default_value_t = 52, value_name = "N", conflicts_with_all = ["replay", "symbols"])]
    pub instruments: usize,
    /// What goes wrong between the simulated market and the engine: odds of drop, duplicate, reorder, truncate, mute,
    /// half-open, shutdown, refuse and ignore, and times of delay and slow-reads, such as drop=0.01,delay=50ms,seed=7.
    #[arg(long, value_name = "SPEC", conflicts_with_all = ["replay", "symbols"])]
    pub sim_faults: Option<Faults>,
    /// Pace of the simulated market's agents: 100 is the usual one; prices move as far in a day at any.
    #[arg(long, default_value_t = 100, value_name = "PERCENT", value_parser = value_parser!(i64).range(RATE_PERCENT),
        conflicts_with_all = ["replay", "symbols"])]
    pub rate: i64,
    /// Seconds of tape in a second, or max.
    #[arg(long, default_value = "1", value_name = "N|max", requires = "replay")]
    pub speed: Speed,
    /// Stand still before the first message later than this: ns since 1970, or RFC 3339.
    #[arg(long, value_name = "TS", value_parser = parse_instant, requires = "replay")]
    pub until: Option<Nanos>,
    /// Where the MCP endpoint listens (loopback; port 0 takes a free one).
    #[arg(long, value_name = "ADDR:PORT")]
    pub listen: Option<SocketAddr>,
    /// Go on from the time at which the recording ends, where that is ahead of the clock, as after a start with a wrong
    /// one: as_of is then ahead for as long. Without it nothing is connected until the clock has caught up.
    #[arg(long, conflicts_with = "replay")]
    pub accept_tape_time: bool,
    /// Record a tape into this folder; one that is there is continued after a gap. A live market is recorded
    /// in the data folder.
    #[arg(long, value_name = "DIR", requires = "replay")]
    pub record: Option<PathBuf>,
}

/// Serve a capture again.
#[derive(Debug, Args)]
#[command(after_help = FORMATS)]
pub struct Exchange {
    /// Captures of one market, as one stream.
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Seconds of the capture in a second, or max: as fast as the reader reads.
    #[arg(long, default_value = "1", value_name = "N|max")]
    pub speed: Speed,
    /// Where to listen (loopback; port 0 takes a free one).
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDR:PORT")]
    pub listen: SocketAddr,
}

/// Which running engine.
#[derive(Debug, Args)]
pub struct Owner {
    /// The replay of this name, where several run.
    #[arg(long, value_name = "NAME")]
    pub replay: Option<String>,
    /// Speak for this client, with the bearer that tidegate connect made for it.
    #[arg(long, value_name = "NAME")]
    pub client: Option<String>,
}

/// Connect a client.
#[derive(Debug, Args)]
pub struct Connect {
    /// The client.
    #[arg(required_unless_present = "list")]
    pub client: Option<Client>,
    /// Put the entry into the client's file, after a copy of it, and show the difference.
    #[arg(long)]
    pub write: bool,
    /// Let the client talk to the running engine over HTTP instead of starting tidegate mcp.
    #[arg(long)]
    pub http: bool,
    /// Take the client's bearer away: its next request is refused.
    #[arg(long, conflicts_with_all = ["write", "http"])]
    pub revoke: bool,
    /// List the clients that have a bearer.
    #[arg(long, conflicts_with_all = ["client", "write", "http", "revoke"])]
    pub list: bool,
}

/// Look at the configuration.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print every value in force.
    Show {
        /// And the layer that each comes from.
        #[arg(long)]
        origin: bool,
        /// As one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Print the JSON Schema of the file.
    Schema,
    /// Print where the file is read from, there or not.
    Path,
}

/// Look for what is wrong.
#[derive(Debug, Args)]
#[command(after_help = "Exit code: 0 where nothing fails, warnings or not; 1 where anything does.")]
pub struct Doctor {
    /// Print one JSON object instead of lines.
    #[arg(long)]
    pub json: bool,
    /// Of recordings, read the newest segment alone, and open table files without reading them.
    #[arg(long)]
    pub quick: bool,
}

/// Look at instruments.
#[derive(Debug, Args)]
#[command(
    after_help = "Keys: Tab, right and left choose the instrument; 1 to 9, [ and ] the interval of its bars; q, Esc and Ctrl-C end it."
)]
pub struct Watch {
    /// Instrument keys such as BINANCE:BTCUSDT; at most 50.
    #[arg(required = true, num_args = 1..=50, value_name = "SYMBOL")]
    pub symbols: Vec<String>,
    /// Print what is seen now as plain text, and end.
    #[arg(long)]
    pub once: bool,
    /// Which engine.
    #[command(flatten)]
    pub owner: Owner,
}

const QUERIES: &str = "\
Tables (what is in memory of a running engine is not a second older):
  bars     symbol, source, \"interval\" (1m, 3m, 5m, 10m, 15m, 30m, 1h, 1d), ts, open, high, low, close, volume, trades,
           revision, flags
  trades   seq, ts, venue_ts, symbol, source, side, price, qty, trade_id, flags
  events   every input: see engine/history/src/columns.rs
Times are of UTC. Days of a place: date_trunc('day', ts at time zone 'Asia/Kolkata'), or cast(ts at time zone
'Asia/Kolkata' as date). Not right in DataFusion 55.2: date_bin of such a time (it counts from midnight UTC: give it an
origin of its own, date_bin(interval '1 hour', ts, timestamp '2026-01-01T03:45:00Z')), a cast to timestamptz (the zone
is lost), and order by date_trunc of a zone whose clocks are set back (it may leave the order of ts: order by ts).
A query has 512 MiB of memory, what sorts and groups need beyond goes to files; at most 2,000 operators.
Examples:
  tidegate query \"select ts, close from bars where symbol = 'NSE:INFY' and \\\"interval\\\" = '1d' order by ts desc limit 5\"
  tidegate query \"select symbol, count(*), sum(qty) from trades group by symbol order by 2 desc\"";

/// Ask what was recorded.
#[derive(Debug, Args)]
pub struct Query {
    /// The query.
    pub sql: String,
    /// Of what: sim, live, or the name of a replay; without it of the real markets where any were recorded.
    #[arg(long, value_name = "NAME")]
    pub of: Option<String>,
    /// How to print the rows.
    #[arg(long, value_enum, default_value_t = RowsFormat::Table)]
    pub format: RowsFormat,
    /// Rows that are printed at most; one more is said to be there.
    #[arg(long, default_value_t = 1_000, value_name = "N", value_parser = value_parser!(u32).range(1..=10_000_000))]
    pub rows: u32,
}

/// How rows are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RowsFormat {
    /// For people.
    Table,
    /// Comma-separated, with a line of names.
    Csv,
    /// One JSON object a line.
    Json,
}

/// Work with recorded data.
#[derive(Debug, Subcommand)]
pub enum Data {
    /// List what was recorded.
    Ls {
        /// As one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Write a tape as Parquet: DIR/events/symbol=<key>/<date>.parquet
    Project {
        /// Tape folder or segment.
        #[arg(value_name = "TAPE")]
        tape: PathBuf,
        /// Folder to write to.
        #[arg(value_name = "DIR")]
        to: PathBuf,
    },
}

const COMPLETIONS: &str = "\
bash:        tidegate completions bash > ~/.local/share/bash-completion/completions/tidegate
zsh:         tidegate completions zsh > a folder of $fpath, as _tidegate
fish:        tidegate completions fish > ~/.config/fish/completions/tidegate.fish
powershell:  tidegate completions powershell >> $PROFILE";

fn parse_instant(text: &str) -> Result<Nanos, String> {
    if let Ok(ns) = text.parse() {
        return Ok(Nanos::new(ns));
    }
    let instant: jiff::Timestamp =
        text.parse().map_err(|_| "use ns since 1970, or RFC 3339 such as 2024-08-09T00:01:00Z".to_owned())?;
    i64::try_from(instant.as_nanosecond()).map(Nanos::new).map_err(|_| "out of range: 1678 to 2261".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn nothing_said_is_to_serve_a_simulated_market() {
        let Command::Serve(options) = Cli::parse_from(["tidegate", "--data", "x"]).into_command() else { panic!() };
        assert!(options.venue.is_none() && options.replay.is_empty());
        assert_eq!((options.seed, options.instruments, options.rate), (1, 52, 100));
    }

    #[test]
    fn a_rate_is_within_what_makes_sense() {
        for (rate, fits) in [("0", false), ("1", true), ("10000", true), ("10001", false), ("1.5", false)] {
            assert_eq!(Cli::try_parse_from(["tidegate", "serve", "--rate", rate]).is_ok(), fits, "{rate}");
        }
        assert!(Cli::try_parse_from(["tidegate", "serve", "--rate", "100", "--replay", "x"]).is_err());
    }

    #[test]
    fn instants_are_ns_or_rfc_3339() {
        assert_eq!(parse_instant("1723161254000000000"), Ok(Nanos::new(1_723_161_254_000_000_000)));
        assert_eq!(parse_instant("2024-08-08T23:54:14Z"), Ok(Nanos::new(1_723_161_254_000_000_000)));
        assert!(parse_instant("yesterday").is_err());
        assert!(parse_instant("9999-01-01T00:00:00Z").is_err());
    }
}
