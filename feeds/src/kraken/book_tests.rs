use super::*;
use crate::cases;
use crate::kraken::naive::NaiveBook;
use proptest::prelude::*;

fn level(side: Side, price: &str, qty: &str) -> BookLevel {
    BookLevel::parse(side, price, qty).unwrap()
}

/// Both books after the same levels.
fn both(depth: Depth, messages: &[Vec<(Side, String, String)>]) -> (ChecksumBook, NaiveBook) {
    let (mut book, mut naive) = (ChecksumBook::new(depth), NaiveBook::new(depth.levels()));
    for message in messages {
        book.apply(&message.iter().map(|(side, price, qty)| level(*side, price, qty)).collect::<Vec<_>>());
        let texts = message.iter().map(|(side, price, qty)| (*side, (price.clone(), qty.clone())));
        naive.apply(&texts.collect::<Vec<_>>());
    }
    (book, naive)
}

fn raw(book: &ChecksumBook, side: Side) -> Vec<(i64, i64)> {
    book.checked(side).map(|level| (level.price.price().unwrap().raw(), level.qty.qty().unwrap().raw())).collect()
}

#[test]
fn the_venues_vectors_hold() {
    let Some(folder) = std::env::var_os("TIDEGATE_MARKET_DATA") else {
        return println!("left out, as TIDEGATE_MARKET_DATA is not set: the_venues_vectors_hold");
    };
    let file = std::path::Path::new(&folder).join("kraken/vectors.json");
    let vectors: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let vectors = vectors.as_array().unwrap();
    for vector in vectors {
        let side = |name: &str, side: Side| -> Vec<_> {
            let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
            let levels = vector[name].as_array().unwrap().iter();
            levels.map(|pair| (side, text(&pair[0]), text(&pair[1]))).collect()
        };
        let message = [side("bids", Side::Bid), side("asks", Side::Ask)].concat();
        let (book, naive) = both(Depth::new(25).unwrap(), &[message]);
        assert_eq!(u64::from(book.checksum()), vector["crc32"].as_u64().unwrap(), "{}", vector["name"]);
        assert_eq!(naive.checksum(), book.checksum());
    }
    assert_eq!(vectors.len(), 3);
}

#[test]
fn an_empty_book_has_the_checksum_of_nothing() {
    assert_eq!(ChecksumBook::new(Depth::CHECKED).checksum(), 0);
}

#[test]
fn levels_beyond_the_depth_are_forgotten_and_do_not_come_back() {
    let mut book = ChecksumBook::new(Depth::CHECKED);
    let prices = |book: &ChecksumBook| {
        book.checked(Side::Ask).map(|it| it.price.price().unwrap().to_string()).collect::<Vec<_>>()
    };
    book.apply(&(1..=10).map(|price| level(Side::Ask, &price.to_string(), "1")).collect::<Vec<_>>());
    book.apply(&[level(Side::Ask, "0.5", "1")]);
    assert_eq!(prices(&book).last().unwrap(), "9");
    book.apply(&[level(Side::Ask, "0.5", "0"), level(Side::Ask, "11", "1")]);
    assert_eq!(prices(&book).last().unwrap(), "11", "the venue would have sent the tenth, if it still stood");
}

fn any_level() -> impl Strategy<Value = (Side, String, String)> {
    let price = (1u32..60, 0usize..4).prop_map(|(price, zeros)| format!("0.0{price:02}{}", "0".repeat(zeros)));
    let qty = (0u32..4, 0usize..12).prop_map(|(qty, zeros)| format!("{qty}.{}", "0".repeat(zeros + 1)));
    (any::<bool>(), price, qty)
        .prop_map(|(is_bid, price, qty)| (if is_bid { Side::Bid } else { Side::Ask }, price, qty))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases::count(20_000, 200_000).max(256) as u32))]

    /// Whatever is written, with whatever zeros: the levels and the checksum are those of the texts.
    #[test]
    fn the_book_is_that_of_the_texts(
        messages in proptest::collection::vec(proptest::collection::vec(any_level(), 0..30), 0..8),
        depth in prop_oneof![Just(10u16), Just(25)],
    ) {
        let (book, naive) = both(Depth::new(depth).unwrap(), &messages);
        prop_assert_eq!(book.checksum(), naive.checksum());
        for side in Side::BOTH {
            prop_assert_eq!(raw(&book, side), naive.raw(side));
        }
        prop_assert!(book.sides.iter().all(|side| side.len() <= usize::from(depth)));
    }
}
