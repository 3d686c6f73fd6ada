use super::*;

#[test]
fn chains_of_every_kind_are_told_from_lists() {
    let many = |part: &str, count: usize| part.repeat(count);
    let n = OPERATORS_MAX + 1;
    for chain in [
        format!("select 1{}", many(" + 1", n)),
        format!("select 1 where 1 = 1{}", many(" or true", n)),
        format!("select {}1", many("- ", n)),
        format!("select {}true", many("not ", n)),
        format!("select 1{}", many("::int", n)),
        format!("select true{}", many(" is true", n)),
        format!("select {}1{}", many("(", n), many(")", n)),
        format!("select x{} from y", many("[1]", n)),
        format!("select a{} from y", many(".b", n)),
        format!("select 'a'{}", many(" || 'b'", n)),
        format!("select 1{}", many(" union all select 1", n)),
        format!("select 1 from a{}", many(" natural join a", n)),
        format!("select ts{} from bars", many(" at time zone 'UTC'", n)),
        format!("select 1{}", many(" in (1)", n)),
        format!("select 1{}", many(" between 0 and 1", n)),
        format!("select {}1{}", many("case when true then ", n), many(" end", n)),
    ] {
        let refusal = check(&chain).unwrap_err();
        assert!(refusal.contains("in ('a'"), "{chain:.40}: {refusal}");
    }
    let symbols = many("'NSE:INFY', ", COMMAS_MAX - 1);
    assert_eq!(check(&format!("select * from bars where symbol in ({symbols}'x')")), Ok(()));
    assert!(check(&format!("select {}1", many("1, ", COMMAS_MAX + 1))).is_err());
    assert!(check(&format!("select '{}'", many("x", TEXT_BYTES_MAX))).is_err());
    assert_eq!(check("select 'not closed"), Ok(()), "the parser says where");
}
