use super::*;

fn named(name: &str) -> Principal {
    Principal::named(name)
}

fn open(connections: &Connections, count: usize, now: Instant) -> Vec<Connection> {
    (0..count).map(|_| connections.open_at(now).unwrap()).collect()
}

fn is_ended(connection: &Connection) -> bool {
    connection.0.end.is_cancelled()
}

#[test]
fn the_oldest_without_a_bearer_makes_room_and_no_sooner_than_it_could_be_heard() {
    let (connections, began) = (Connections::default(), Instant::now());
    let first = open(&connections, UNPROVEN_MAX, began);
    let passed = first[0].pass(&named("ada")).unwrap();
    let next = open(&connections, 1, began);
    assert!(!first.iter().any(is_ended), "there was room");
    assert_eq!(connections.open_at(began).err(), Some(began + HEARD_WITHIN), "each is given time");
    let last = open(&connections, 3, began + HEARD_WITHIN);
    let ended: Vec<usize> = (0..first.len()).filter(|&at| is_ended(&first[at])).collect();
    assert_eq!(ended, [1, 2, 3], "the oldest that has shown none");
    assert!(first[1].pass(&named("ada")).is_none(), "it came too late");
    drop((passed, first));
    assert_eq!(connections.known().all.len(), 4);
    drop((next, last));
    assert!(connections.known().all.is_empty());
}

#[test]
fn of_those_with_a_bearer_one_that_rests_makes_room_of_whoever_has_most() {
    let (connections, began) = (Connections::default(), Instant::now());
    let (mut kept, mut under_way) = (Vec::new(), Vec::new());
    for at in 0..PROVEN_MAX {
        let connection = connections.open_at(began).unwrap();
        let name = if at < 10 { "ada" } else { "eve" };
        let request = connection.pass(&named(name)).unwrap();
        // Ada's rest; of Eve's, all but two work.
        if at >= 10 && at != 50 && at != 40 {
            under_way.push(request);
        }
        kept.push(connection);
    }
    let pass = |name| {
        let connection = connections.open_at(began).unwrap();
        connection.pass(&named(name)).map(|request| (connection, request))
    };
    let first = pass("bob").unwrap();
    let second = pass("bob").unwrap();
    let ended: Vec<usize> = (0..kept.len()).filter(|&at| is_ended(&kept[at])).collect();
    assert_eq!(ended, [40, 50], "those of whoever has most");
    let third = pass("bob").unwrap();
    assert!(is_ended(&kept[0]), "then of the next");
    assert!(first.0.pass(&named("bob")).is_some() && first.0.has_passed(), "one that is known needs no room");
    let mut more = vec![second, third];
    for _ in 0..9 {
        more.push(pass("bob").unwrap());
    }
    assert!(pass("bob").is_none(), "all work");
}
