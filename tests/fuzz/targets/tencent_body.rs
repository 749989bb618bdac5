//! Any text as the bodies of Tencent's callbacks: up to twelve, separated by zero bytes, each with its
//! command on its first line.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ringback::call::CallFacts;
use ringback::call::record::Record;
use ringback::door::request::Unverified;
use ringback::tencent;
use ringback::testing::ARRIVAL;
use ringback_fuzz::{Share, admit, admit_signed, check_facts, check_record, check_spool, expanded, path_to};

fn read(callback: &str, share: Share) -> Option<Record> {
    let route = &tencent::CALL_EVENT;
    let (command, body) = callback.split_once('\n')?;
    let query = format!("SdkAppid=1400000001&{command}");
    let request =
        |query: String| Unverified::new("POST".into(), path_to(route), query, expanded(body, share));
    if command.contains("Sign") {
        let _ = admit_signed(request(query.clone()));
    }
    let verified = admit(route, request(query)).ok()?;
    tencent::read(&verified).ok()?
}

fuzz_target!(|data: &[u8]| {
    let (text, share) = (String::from_utf8_lossy(data), Share::of(data));
    let records: Vec<Record> =
        text.split('\0').take(12).filter_map(|callback| read(callback, share)).collect();
    for record in &records {
        check_record(record);
        if share.is_thorough() {
            check_spool(record, ARRIVAL);
        }
    }
    // Whatever they are about: facts join the same in any order.
    let [first, .., last] = records.as_slice() else { return };
    let joined = |records: &mut dyn Iterator<Item = &Record>| {
        records.fold(CallFacts::default(), |facts, record| facts.join(record.call.clone()))
    };
    let facts = joined(&mut records.iter());
    assert!(facts == joined(&mut records.iter().rev()), "the order of the callbacks decides");
    assert!(facts == facts.clone().join(last.call.clone()), "a repeat changes the call");
    check_facts(first, &facts);
});
