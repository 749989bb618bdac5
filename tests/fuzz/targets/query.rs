//! Any text as the query of each of LINE's four callbacks.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ringback::call::record::Record;
use ringback::door::{access::Verified, request::Unverified};
use ringback::line::{self, notify::Notify, push_job::PushJob};
use ringback::testing::ARRIVAL;
use ringback::text::refusal::Refusal;
use ringback_fuzz::{Share, admit, check_job, check_record, check_spool, path_to};

type Read = fn(&Verified) -> Result<Record, Refusal>;

const RECORDERS: [Read; 3] =
    [line::call_event::read, line::group_call_event::read, line::agent_call_status::read];

fuzz_target!(|data: &[u8]| {
    let query = String::from_utf8_lossy(data).into_owned();
    let request = Unverified::new("GET".into(), path_to(&line::NOTIFY), query, String::new());
    let Ok(verified) = admit(&line::NOTIFY, request) else { return };
    for (position, read) in RECORDERS.into_iter().enumerate() {
        let record = read(&verified);
        // All three become items in the same way, so one of them is enough.
        if let Ok(record) = record
            && position == data.len() % RECORDERS.len()
        {
            check_record(&record);
            if Share::of(data).is_thorough() {
                check_spool(&record, ARRIVAL);
            }
        }
    }
    if let Ok(notify) = Notify::read(&verified) {
        let job = PushJob::new(&notify, ARRIVAL);
        check_job(job.body(), job.attributes());
    }
});
