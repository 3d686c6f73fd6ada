use super::*;
use std::pin::pin;
use std::task::Poll;

fn named(name: &str) -> Principal {
    Principal::named(name)
}

/// What a future comes to if it is asked once.
async fn at_once<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    std::future::poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

#[tokio::test]
async fn nobody_holds_more_than_a_share_and_all_no_more_than_there_are() {
    let shares = Shares::new(5, 2);
    let ada: Vec<_> = std::iter::from_fn(|| shares.try_take(&named("ada"))).collect();
    assert_eq!(ada.len(), 2, "a share");
    assert!(at_once(shares.take(&named("ada"), 1)).await.is_none(), "she waits for herself");
    let bob: Vec<_> = std::iter::from_fn(|| shares.try_take(&named("bob"))).collect();
    let eve: Vec<_> = std::iter::from_fn(|| shares.try_take(&named("eve"))).collect();
    assert_eq!((bob.len(), eve.len()), (2, 1), "five in all");
    drop(ada);
    assert!(at_once(shares.take(&named("eve"), 1)).await.flatten().is_some());
    drop((bob, eve));
    assert!(at_once(shares.take(&named("eve"), 99)).await.flatten().is_some(), "more than a share is a share");
    assert_eq!(shares.own.lock().unwrap().len(), 1, "who holds nothing is forgotten");
}

#[tokio::test]
async fn who_waits_is_served_after_a_share_of_each_other_and_no_later() {
    let shares = Arc::new(Shares::new(1, 1));
    let held = shares.try_take(&named("ada")).unwrap();
    let mut waits = pin!(futures_of(&shares, "ada", 40));
    assert!(at_once(waits.as_mut()).await.is_none());
    let name = named("bob");
    let mut bob = pin!(shares.take(&name, 1));
    assert!(at_once(bob.as_mut()).await.is_none());
    drop(held);
    // At most one of Ada's is before Bob's in the row for all.
    let mut polls = 0;
    while at_once(bob.as_mut()).await.is_none() {
        let _ = at_once(waits.as_mut()).await;
        polls += 1;
        assert!(polls < 5, "Bob waits behind all of Ada's");
    }
}

/// `count` calls of one principal at once, each of which gives its permit back.
async fn futures_of(shares: &Arc<Shares>, name: &str, count: usize) {
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..count {
        let (shares, who) = (Arc::clone(shares), named(name));
        calls.spawn(async move { drop(shares.take(&who, 1).await) });
    }
    calls.join_all().await;
}
