use super::*;
use crate::engine::{Asked, Command, Questions, questions};
use tidegate_core::expression::Expr;
use tidegate_core::{INTERVALS, InstrumentId, Nanos};

fn principal(name: &str) -> Principal {
    Principal::named(name)
}

fn condition(id: u64) -> Condition {
    Condition::new(id, &[Expr::truth(None)], INTERVALS[1], &[InstrumentId(0)]).unwrap()
}

fn firing(id: u64, seq: u64) -> Firing {
    let (ts, moment) = (Nanos::new(7), Nanos::new(6));
    Firing { id, seq, ts, moment, values: Default::default(), is_incomplete: false }
}

/// Waits with the engine's end of their queue, and of that of the firings.
fn waits() -> (Arc<Waits>, Questions, mpsc::Sender<Firing>) {
    let (client, questions) = questions(200);
    let waits = Waits::new(client, "secret");
    let (sender, receiver) = mpsc::channel(16);
    tokio::spawn(Arc::clone(&waits).run(receiver));
    (waits, questions, sender)
}

/// Attaches as an engine with room would.
async fn attach(waits: &Arc<Waits>, questions: &Questions, name: &str, id: u64) -> Result<Wait, NotWatched> {
    let answer = async {
        tokio::task::yield_now().await;
        if let Asked::Command(Command::Attach(condition, reply)) = questions.next_now() {
            assert_eq!(condition.id(), id);
            reply.send(Ok(Stamp { seq: 1, as_of: Nanos::ZERO })).unwrap();
        }
    };
    let principal = principal(name);
    let (attached, ()) = tokio::join!(waits.attach(&principal, condition(id)), answer);
    attached.map(|(wait, _)| wait)
}

fn is_detached(questions: &Questions) -> Option<u64> {
    match questions.next_now() {
        Asked::Command(Command::Detach(id)) => Some(id),
        _ => None,
    }
}

#[tokio::test]
async fn what_fires_between_two_calls_is_told_to_the_next() {
    let (waits, questions, firings) = waits();
    let mut wait = attach(&waits, &questions, "ada", 7).await.unwrap();
    assert_eq!(wait.fired(Duration::ZERO).await, None);
    drop(wait);
    waits.sweep(Instant::now() + LEASE - Duration::from_secs(5));
    for (id, seq) in [(8, 9), (7, 10), (7, 11)] {
        firings.send(firing(id, seq)).await.unwrap();
    }
    assert!(waits.resume(&principal("eve"), 7).is_none(), "it is another's");
    let mut wait = waits.resume(&principal("ada"), 7).unwrap();
    assert_eq!(wait.fired(Duration::from_secs(25)).await.map(|firing| firing.seq), Some(10), "the first one");
    assert_eq!(is_detached(&questions), None);
    assert!(wait.take_fired() && !wait.take_fired(), "a stream takes one after the other");
    firings.send(firing(7, 12)).await.unwrap();
    assert_eq!(wait.fired(Duration::from_secs(25)).await.map(|firing| firing.seq), Some(12));
    wait.end();
    waits.sweep(Instant::now());
    assert_eq!(is_detached(&questions), Some(7));
    assert!(waits.resume(&principal("ada"), 7).is_none());
}

#[tokio::test]
async fn a_lease_ends_a_minute_after_the_last_call_and_not_during_one() {
    let (waits, questions, _firings) = waits();
    let wait = attach(&waits, &questions, "ada", 7).await.unwrap();
    waits.sweep(Instant::now() + 2 * LEASE);
    assert_eq!(is_detached(&questions), None, "somebody waits");
    drop(wait);
    waits.sweep(Instant::now() + LEASE - Duration::from_secs(2));
    assert_eq!(is_detached(&questions), None);
    waits.sweep(Instant::now() + LEASE);
    assert_eq!(is_detached(&questions), Some(7));
}

#[tokio::test]
async fn there_are_only_so_many() {
    let (waits, questions, _firings) = waits();
    let (ada, eve) = (principal("ada"), principal("eve"));
    let calls = |name| std::iter::from_fn(|| waits.call(name).ok()).collect::<Vec<_>>();
    let streams = |name| std::iter::from_fn(|| waits.stream(name).ok()).collect::<Vec<_>>();
    let hers = (calls(&ada), streams(&ada));
    assert_eq!((hers.0.len(), hers.1.len()), (CALLS.1, STREAMS.1), "of one client");
    let others = (calls(&eve), streams(&eve));
    assert_eq!((others.0.len(), others.1.len()), (CALLS.0 - CALLS.1, STREAMS.0 - STREAMS.1), "of all");
    drop((hers, others));
    assert!(waits.call(&ada).is_ok() && waits.stream(&ada).is_ok());
    for id in 0..HELD_MAX as u64 {
        drop(attach(&waits, &questions, "ada", id).await.unwrap());
    }
    assert_eq!(attach(&waits, &questions, "ada", 901).await.err(), Some(NotWatched::TooMany), "a client's own");
    drop(attach(&waits, &questions, "eve", 902).await.unwrap());
    drop(questions);
    assert!(matches!(attach_to_nobody(&waits).await, Err(NotWatched::Engine(_))));
}

async fn attach_to_nobody(waits: &Arc<Waits>) -> Result<(Wait, Stamp), NotWatched> {
    waits.attach(&principal("eve"), condition(903)).await
}

#[tokio::test]
async fn a_handle_is_good_for_its_owner_alone_and_as_it_is() {
    let (waits, ..) = waits();
    let handle = Handle { id: u64::MAX, until: -1, primed_from: Some(5) };
    let asked = ["NSE:INFY@SIM", "close > 1", "1m"];
    let (ada, eve) = (principal("ada"), principal("eve"));
    let sealed = waits.seal(&handle, &ada, &asked);
    assert_eq!(waits.open(&sealed, &ada, &asked), Some(handle));
    assert_eq!(waits.open(&sealed, &eve, &asked), None);
    assert_eq!(waits.open(&sealed, &ada, &["NSE:INFY@SIM", "close > 1", "5m"]), None, "of another question");
    let (other, _) = questions(1);
    assert_eq!(Waits::new(other.clone(), "other").open(&sealed, &ada, &asked), None, "of another folder");
    assert_eq!(Waits::new(other, "secret").open(&sealed, &ada, &asked), Some(handle), "of another process");
    let mut bytes = URL_SAFE_NO_PAD.decode(&sealed).unwrap();
    for at in 0..bytes.len() {
        bytes[at] ^= 1;
        assert_eq!(waits.open(&URL_SAFE_NO_PAD.encode(&bytes), &ada, &asked), None);
        bytes[at] ^= 1;
    }
    for text in ["", "é", &"A".repeat(100_000)] {
        assert_eq!(waits.open(text, &ada, &asked), None);
    }
}
