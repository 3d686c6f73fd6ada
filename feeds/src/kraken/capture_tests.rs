//! A captured session: every checksum holds, and what is lost or altered is noticed as soon as it shows.

use super::*;
use crate::capture::{Format, Line, Reader};
use crate::cases;
use crate::catalog::Catalog;
use crate::kraken::naive::{Change, NaiveBook, v1};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use tidegate_core::{Bounds, Engine, Family, Gap, GapCause, Known, Market, Price, Side, Stamped, StreamState};

/// The frames of the capture, or nothing and a line that says what is left out.
pub fn frames(test: &str) -> Option<Vec<(Nanos, Vec<u8>)>> {
    let Some(folder) = std::env::var_os("TIDEGATE_MARKET_DATA") else {
        println!("left out, as TIDEGATE_MARKET_DATA is not set: {test}");
        return None;
    };
    let file = std::fs::File::open(std::path::Path::new(&folder).join("kraken/KRAKEN.ws.50.0")).unwrap();
    let mut reader = Reader::with_format(file, Format::Seconds).unwrap();
    let mut frames = Vec::new();
    while let Some(line) = reader.next_line().unwrap() {
        let Line::Frame { receive_ts, frame } = line else { panic!("line {}", reader.line()) };
        frames.push((receive_ts, frame.to_vec()));
    }
    assert_eq!(reader.passed_over(), 2, "one connection, one request");
    Some(frames)
}

/// Prices and quantities of both sides, best first.
type Best = [Vec<(i64, i64)>; 2];

/// A session and the market it feeds.
struct Playback {
    session: KrakenSession,
    engine: Engine,
    out: Vec<Input>,
    gaps: Vec<Gap>,
}

impl Playback {
    fn new() -> Playback {
        let bounds = Bounds {
            book_levels_max: 20,
            bars_max: 10,
            trades_max: 32,
            instruments_max: 16,
            stale_after: Nanos::new(i64::MAX),
        };
        Playback {
            session: KrakenSession::new(Settings::new(Version::V1)),
            engine: Engine::new(Market::new(bounds), 0, Nanos::ZERO),
            out: Vec::new(),
            gaps: Vec::new(),
        }
    }

    fn frame(&mut self, now: Nanos, frame: &[u8]) -> Result<(), FrameError> {
        let mut out = std::mem::take(&mut self.out);
        let mut result = self.session.handle_message(now, Payload::Text(frame), &mut out);
        if let Err(FrameError::UnknownSymbol { symbol, decimals }) = &result {
            let id = InstrumentId(self.engine.market().streams().len() as u32);
            let instrument = Catalog::default().kraken(symbol, *decimals);
            out.push(Input::Define { id, instrument: Box::new(instrument.clone()) });
            self.session.add(symbol, id, instrument);
            self.session.assume_subscribed(symbol, &mut out);
            result = self.session.handle_message(now, Payload::Text(frame), &mut out);
        }
        for input in out.drain(..) {
            if let Input::Gap(gap) = input {
                self.gaps.push(gap);
            }
            self.engine.input(now, &input, &mut |_: &_, _: Stamped<'_>| {}).unwrap();
        }
        self.out = out;
        result
    }

    /// What the market shows of a symbol: its state, both sides as known, and how far.
    fn shown(&self, symbol: &str) -> (StreamState, Best, [Known; 2]) {
        let key = format!("KRAKEN:{symbol}");
        let mut streams = self.engine.market().streams();
        let (_, stream) = streams.find(|(_, stream)| stream.instrument.key == key).unwrap();
        let levels = |side| stream.book.depth(side, 1_000).map(|it| (it.price.raw(), it.qty.raw())).collect();
        (stream.state(Family::Book), Side::BOTH.map(levels), Side::BOTH.map(|side| stream.book.known_to(side)))
    }
}

fn raw(book: &NaiveBook) -> Best {
    Side::BOTH.map(|side| book.raw(side))
}

fn ends(levels: &Best) -> [Known; 2] {
    [0, 1].map(|side: usize| {
        levels[side].last().map_or(Known::All, |&(price, _)| Known::To(Price::from_raw(price).unwrap()))
    })
}

#[test]
fn every_checksum_of_the_capture_holds_and_the_market_shows_what_they_prove() {
    let Some(frames) = frames("every_checksum_of_the_capture_holds") else { return };
    let mut playback = Playback::new();
    let mut naive: BTreeMap<String, NaiveBook> = BTreeMap::new();
    let (mut checksums, mut deepest) = (0, 0);
    for (now, frame) in &frames {
        playback.frame(*now, frame).unwrap();
        let Some(Change { symbol, is_snapshot, levels, checksum }) = v1(frame) else { continue };
        if is_snapshot {
            naive.insert(symbol.clone(), NaiveBook::new(1_000));
        }
        let book = naive.get_mut(&symbol).unwrap();
        book.apply(&levels);
        let Some(checksum) = checksum else {
            assert_eq!(playback.shown(&symbol).0, StreamState::Syncing, "{symbol}: nothing proves it yet");
            assert_eq!(playback.shown(&symbol).1, [vec![], vec![]]);
            continue;
        };
        assert_eq!(book.checksum(), checksum, "{symbol}");
        checksums += 1;
        let best = raw(book);
        deepest = deepest.max(best[0].len()).max(best[1].len());
        let ends = ends(&best);
        assert_eq!(playback.shown(&symbol), (StreamState::Live, best, ends), "{symbol} at {now}");
    }
    assert_eq!((checksums, naive.len(), deepest), (4_269, 10, 10));
    assert_eq!((playback.gaps.len(), playback.engine.market().counters().resyncs), (0, 0));
    println!("{checksums} of 4269 checksums hold; as many books of the market are the naive book's best ten");
}

/// One symbol's data frames, and its true best ten after each of them.
struct Course {
    symbol: String,
    frames: Vec<Vec<u8>>,
    truth: Vec<Best>,
}

fn courses(frames: &[(Nanos, Vec<u8>)]) -> Vec<Course> {
    let mut courses: BTreeMap<String, (Course, NaiveBook)> = BTreeMap::new();
    for (_, frame) in frames {
        let Some(Change { symbol, levels, .. }) = v1(frame) else { continue };
        let new = || (Course { symbol: symbol.clone(), frames: vec![], truth: vec![] }, NaiveBook::new(1_000));
        let (course, book) = courses.entry(symbol.clone()).or_insert_with(new);
        book.apply(&levels);
        course.frames.push(frame.clone());
        course.truth.push(raw(book));
    }
    courses.into_values().map(|(course, _)| course).collect()
}

/// Another digit in one price or quantity of a frame.
fn alter(frame: &[u8], rng: &mut SmallRng) -> Option<Vec<u8>> {
    let mut value: serde_json::Value = serde_json::from_slice(frame).unwrap();
    let part = value[1].as_object_mut().unwrap().iter_mut().find(|(name, _)| *name != "c").unwrap().1;
    let levels = part.as_array_mut().unwrap();
    let at = rng.random_range(0..levels.len());
    let text = &mut levels[at][rng.random_range(0..2)];
    let mut bytes = text.as_str().unwrap().as_bytes().to_vec();
    let digit = rng.random_range(0..bytes.len());
    if !bytes[digit].is_ascii_digit() {
        return None;
    }
    bytes[digit] = b'0' + (bytes[digit] - b'0' + rng.random_range(1..10)) % 10;
    *text = String::from_utf8(bytes).unwrap().into();
    Some(value.to_string().into_bytes())
}

#[test]
fn what_is_lost_or_altered_is_noticed_as_soon_as_it_reaches_the_ten() {
    let Some(frames) = frames("what_is_lost_or_altered_is_noticed") else { return };
    let courses = courses(&frames);
    let count = cases::count(2_000, 20_000).max(100);
    let mut rng = SmallRng::seed_from_u64(11);
    let (mut lost, mut altered, mut at_once, mut later, mut never) = (0, 0, 0, 0, 0);
    for case in 0..count {
        let course = &courses[rng.random_range(0..courses.len())];
        // The first frame is the snapshot.
        let at = rng.random_range(1..course.frames.len());
        let change = if case % 2 == 0 { None } else { alter(&course.frames[at], &mut rng) };
        let is_lost = change.is_none();
        // Another digit may be no level at all: then the message is lost.
        let change = change.filter(|frame| codec::decode(frame, &mut Buffers::default()).is_ok());
        *(if is_lost { &mut lost } else { &mut altered }) += 1;
        let mut playback = Playback::new();
        let mut naive = NaiveBook::new(1_000);
        let end = course.frames.len().min(at + 200);
        let mut noticed = None;
        for index in 0..end {
            let frame = match (&change, index == at) {
                (None, true) => continue,
                (Some(altered), true) => altered,
                (_, false) => &course.frames[index],
            };
            playback.frame(Nanos::new(index as i64), frame).unwrap();
            naive.apply(&v1(frame).unwrap().levels);
            if index < at {
                continue;
            }
            let is_wrong = raw(&naive) != course.truth[index];
            let (state, levels, known) = playback.shown(&course.symbol);
            if is_wrong {
                assert_eq!(state, StreamState::Gapped, "case {case}: message {index}, damage at {at}");
                assert_eq!(playback.gaps.iter().map(|gap| gap.cause).collect::<Vec<_>>(), [GapCause::Checksum]);
                noticed = Some(index);
                break;
            }
            assert!(playback.gaps.is_empty(), "case {case}: message {index}, damage at {at}");
            assert_eq!(known, ends(&levels), "case {case}");
            assert_eq!(levels, course.truth[index], "case {case}: message {index}, damage at {at}");
        }
        match noticed {
            Some(index) if index <= at + 1 => at_once += 1,
            Some(_) => later += 1,
            None => never += 1,
        }
    }
    assert!(at_once > count / 4 && later > 0 && never > 0);
    println!(
        "{count} damaged courses ({lost} messages lost, {altered} altered): noticed at once {at_once}, later {later}, \
         never and never shown {never}; 0 shown wrong"
    );
}
