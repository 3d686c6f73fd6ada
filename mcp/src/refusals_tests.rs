use super::*;

#[test]
fn a_reason_has_one_line_a_minute_and_none_is_left_out() {
    let (refusals, began) = (Refusals::default(), Instant::now());
    for reason in ["bearer", "host"] {
        let (mut lines, mut due) = (Vec::new(), None);
        // A thousand in five minutes, in bursts; what falls due is told before.
        for burst in 0..10 {
            let now = began + Duration::from_secs(30) * burst;
            if let Some(at) = due.take_if(|at| *at <= now) {
                lines.push(refusals.take(reason, at));
            }
            for _ in 0..100 {
                match refusals.note(reason, now) {
                    Next::Tell => lines.push(1),
                    Next::TellAt(at) => assert_eq!(due.replace(at), None, "two lines fall due"),
                    Next::Wait => assert!(due.is_some(), "it is never told"),
                }
            }
        }
        lines.extend(due.map(|at| refusals.take(reason, at)));
        assert_eq!((lines[0], lines.iter().sum::<u64>()), (1, 1_000), "{lines:?}");
        assert!(lines.len() <= 7, "{reason}: {lines:?}");
        assert_eq!(refusals.note(reason, began + 20 * EVERY), Next::Tell, "after a quiet time it is the first again");
    }
}
