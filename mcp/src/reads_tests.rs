use super::*;
use std::sync::mpsc;

fn caller(name: &str) -> Caller {
    Caller::new(Principal::named(name), Instant::now(), CancellationToken::new())
}

#[tokio::test]
async fn one_client_has_its_turns_and_leaves_some_to_others() {
    let reads = Reads::default();
    let (ada, bob) = (caller("ada"), caller("bob"));
    let hers: Vec<_> = std::iter::from_fn(|| reads.begin(&ada).ok()).collect();
    assert_eq!(hers.len(), TURNS.1);
    let refused = reads.begin(&ada).unwrap_err();
    assert!(refused.code == "too_many_reads" && refused.retryable, "{refused:?}");
    let his: Vec<_> = std::iter::from_fn(|| reads.begin(&bob).ok()).collect();
    assert_eq!(his.len(), TURNS.0 - TURNS.1);
    drop(hers);
    assert!(reads.begin(&ada).is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_ends_with_its_read_and_gives_its_place_back_no_sooner() {
    let reads = Reads::default();
    let ada = caller("ada");
    let (began, has_begun) = mpsc::channel();
    let (tell, goes_on) = mpsc::channel::<()>();
    let read = reads.begin(&ada).unwrap();
    let place = read.place(200 * MIB).await.unwrap();
    let work = {
        let place = Arc::clone(&place);
        tokio::spawn(async move {
            let steps = place.run(move |stop| {
                began.send(()).unwrap();
                while !stop.is_over() {
                    std::thread::yield_now();
                }
                goes_on.recv().ok();
                Some(())
            });
            steps.await
        })
    };
    has_begun.recv().unwrap();
    drop((place, read));
    // It has been told to end; until it has, its memory is not anybody else's.
    let again = reads.begin(&ada).unwrap();
    let mut second = Box::pin(again.place(200 * MIB));
    assert!(tokio::time::timeout(Duration::ZERO, &mut second).await.is_err());
    tell.send(()).unwrap();
    assert!(second.await.is_ok());
    work.await.unwrap().unwrap();
}

#[tokio::test]
async fn what_takes_too_long_is_given_up_inside_the_guards_time() {
    let reads = Reads::default();
    let mut late = caller("ada");
    late.deadline = Instant::now();
    let read = reads.begin(&late).unwrap();
    let never = read.within(std::future::pending::<Result<(), Refusal>>()).await.unwrap_err();
    assert!(never.code == "too_busy" && never.retryable, "{never:?}");
    let read = reads.begin(&late).unwrap();
    drop(read.place(1).await.unwrap());
    let refused = read.within(std::future::pending::<Result<(), Refusal>>()).await.unwrap_err();
    assert!(refused.code == "too_slow" && !refused.retryable, "{refused:?}");
    let ada = caller("ada");
    let read = reads.begin(&ada).unwrap();
    assert!(read.deadline <= ada.deadline && read.deadline <= Instant::now() + READ_WITHIN, "both count");
}
