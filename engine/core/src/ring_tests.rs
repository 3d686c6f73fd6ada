use super::*;

fn message(first: u64, count: u64) -> Vec<Input> {
    (first..first + count).map(|seed| Input::Config { hash: [0; 32], seed, version: String::new() }).collect()
}

fn pop(consumer: &mut RingConsumer) -> Vec<u64> {
    let mut seeds = Vec::new();
    let count = consumer.pop_message(|received| {
        let Input::Config { seed, .. } = received.input else { return Err(()) };
        assert_eq!(received.receive_ts, Nanos::new(seed as i64 / 10));
        seeds.push(seed);
        Ok(())
    });
    assert_eq!(count, Ok(seeds.len()));
    seeds
}

#[test]
fn a_message_goes_as_a_whole_or_not_at_all() {
    let (mut producer, mut consumer) = ring(4);
    let mut three = message(0, 3);
    assert!(producer.push_message(Nanos::new(0), &mut three));
    assert!(three.is_empty());
    let mut two = message(10, 2);
    assert!(!producer.push_message(Nanos::new(1), &mut two));
    assert_eq!(two.len(), 2, "nothing has left");
    assert_eq!(pop(&mut consumer), [0, 1, 2]);
    assert!(producer.push_message(Nanos::new(1), &mut two));
    assert!(producer.push_message(Nanos::new(2), &mut message(20, 1)));
    assert!(producer.push_message(Nanos::new(2), &mut Vec::new()), "nothing is easily pushed");
    assert_eq!(pop(&mut consumer), [10, 11], "the next message is not touched");
    assert_eq!(pop(&mut consumer), [20]);
    assert_eq!(pop(&mut consumer), []);
}

#[test]
fn a_message_larger_than_the_ring_goes_in_pieces() {
    let (mut producer, mut consumer) = ring(4);
    let mut nine = message(0, 9);
    let mut got = Vec::new();
    assert!(!producer.push_message(Nanos::ZERO, &mut nine));
    assert_eq!(nine.len(), 5);
    while !producer.push_message(Nanos::ZERO, &mut nine) {
        got.extend(pop(&mut consumer));
    }
    assert!(producer.push_message(Nanos::new(1), &mut message(10, 1)));
    got.extend(pop(&mut consumer));
    assert_eq!(got, (0..9).collect::<Vec<_>>());
    assert_eq!(pop(&mut consumer), [10]);
}

#[test]
fn a_piece_does_not_end_its_message() {
    let (mut producer, mut consumer) = ring(4);
    assert!(producer.push_message(Nanos::ZERO, &mut message(9, 1)));
    let mut five = message(0, 5);
    assert!(!producer.push_message(Nanos::ZERO, &mut five), "three of them fit");
    assert_eq!(pop(&mut consumer), [9]);
    assert!(!producer.push_message(Nanos::ZERO, &mut five), "two are left, and one fits: now it is all or none");
    assert_eq!(pop(&mut consumer), [0, 1, 2]);
    assert!(producer.push_message(Nanos::ZERO, &mut five));
    assert_eq!(pop(&mut consumer), [3, 4]);

    let mut nine = message(0, 9);
    assert!(producer.push_message(Nanos::ZERO, &mut message(9, 1)));
    assert!(!producer.push_message(Nanos::ZERO, &mut nine), "three of them fit");
    assert_eq!(pop(&mut consumer), [9]);
    assert!(!producer.push_message(Nanos::ZERO, &mut nine), "one more fits");
    assert_eq!(pop(&mut consumer), [0, 1, 2, 3], "two pieces are still one message");
}

#[test]
fn an_error_ends_the_message_where_it_happened() {
    let (mut producer, mut consumer) = ring(4);
    producer.push_message(Nanos::ZERO, &mut message(0, 3));
    assert_eq!(consumer.pop_message(|_| Err("no")), Err("no"));
    assert_eq!(pop(&mut consumer), [1, 2]);
}

/// A million messages from one thread to another: all there, in order, and each whole.
#[test]
fn messages_cross_threads_in_order() {
    let (mut producer, mut consumer) = ring(64);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut inputs = Vec::new();
            for seed in 0..1_000_000u64 {
                inputs.extend(message(seed, 1 + seed % 3));
                while !producer.push_message(Nanos::new(seed as i64), &mut inputs) {
                    std::thread::yield_now();
                }
            }
        });
        let mut seed = 0;
        while seed < 1_000_000 {
            let mut at = seed;
            let count = consumer.pop_message(|received| {
                assert!(matches!(received.input, Input::Config { seed, .. } if seed == at));
                at += 1;
                Ok::<_, ()>(())
            });
            match count {
                Ok(0) => std::thread::yield_now(),
                count => {
                    assert_eq!(count, Ok(1 + seed as usize % 3));
                    seed += 1;
                }
            }
        }
    });
}
