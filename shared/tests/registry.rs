//! The registry's rules, on a table in memory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use proptest::prelude::*;
use ringback::call::model::Arrival;
use ringback::ring::device::{Device, Platform};
use ringback::ring::registration::{DEVICES, Write};
use ringback::ring::registry::{FindDevices, Forget, Register, Registered};
use ringback::testing::phones::{MemoryDevices, device_id, registration, user};
use ringback::testing::{ARRIVAL, block_on};

const DAY: u64 = 86_400_000;

fn later(milliseconds: u64) -> Arrival {
    Arrival { milliseconds: ARRIVAL.milliseconds + milliseconds }
}

fn register(table: &MemoryDevices, who: &str, device: &str, token: &str, at: Arrival) -> Registered {
    let address = registration(Platform::Fcm, token);
    block_on(table.registry().register(&user(who), &device_id(device), &address, at)).unwrap()
}

fn find(table: &MemoryDevices, who: &str, at: Arrival) -> Vec<Device> {
    block_on(table.registry().find(&user(who), at)).unwrap()
}

#[test]
fn registering_the_same_again_renews_it() {
    let table = MemoryDevices::default();
    assert_eq!(register(&table, "bob", "phone", "t", ARRIVAL), Registered::Added);
    assert_eq!(register(&table, "bob", "phone", "t", later(200 * DAY)), Registered::Renewed);
    assert_eq!(find(&table, "bob", later(469 * DAY)).len(), 1);
    assert_eq!(find(&table, "bob", later(471 * DAY)).len(), 0, "expired, though still in the table");
    assert_eq!(register(&table, "bob", "phone", "t", later(471 * DAY)), Registered::Added);
}

#[test]
fn beyond_25_devices_the_one_registered_longest_ago_goes_with_its_address() {
    let table = MemoryDevices::default();
    for number in 0..DEVICES as u64 {
        register(&table, "bob", &format!("phone-{number}"), &format!("t{number}"), later(number));
    }
    register(&table, "bob", "phone-0", "t0", later(100));
    assert_eq!(register(&table, "bob", "new", "new", later(101)), Registered::Added);
    let ids: Vec<String> =
        find(&table, "bob", later(102)).iter().map(|device| device.id.as_str().into()).collect();
    assert_eq!(ids.len(), DEVICES);
    assert!(ids.contains(&"phone-0".into()) && !ids.contains(&"phone-1".into()), "{ids:?}");
    assert_eq!(table.owners().len(), DEVICES);
}

#[test]
fn another_writer_in_between_makes_a_registration_plan_again() {
    let other = MemoryDevices::default();
    register(&other, "carol", "phone", "t", ARRIVAL);
    let theirs = vec![
        Write::PutDevice { device: other.all().remove(0), over: None },
        Write::PutOwner { owner: other.owners().remove(0), over: None },
    ];
    let table = MemoryDevices::default();
    table.meanwhile(theirs);
    register(&table, "bob", "phone", "t", later(1));
    assert_eq!(find(&table, "carol", later(2)), []);
    assert_eq!(find(&table, "bob", later(2)).len(), 1);
}

#[test]
fn an_owner_that_outlived_its_device_takes_no_other_device_with_it() {
    let table = MemoryDevices::default();
    register(&table, "bob", "phone", "old", ARRIVAL);
    table.lose_device(&user("bob"), &device_id("phone"));
    register(&table, "bob", "phone", "new", later(1));
    register(&table, "carol", "phone", "old", later(2));
    assert_eq!(find(&table, "bob", later(3)).len(), 1);
}

#[test]
fn a_forgotten_device_leaves_its_address_free() {
    let table = MemoryDevices::default();
    register(&table, "bob", "phone", "t", ARRIVAL);
    let forget = |who| block_on(table.registry().forget(&user(who), &device_id("phone"))).unwrap();
    assert!(!forget("carol"));
    assert!(forget("bob"));
    assert!(!forget("bob"));
    assert!(table.owners().is_empty());
}

#[derive(Clone, Debug)]
enum Step {
    Register(u8, u8, u8),
    Forget(u8, u8),
    Dead(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0_u8..3, 0_u8..30, 0_u8..30).prop_map(|(who, id, token)| Step::Register(who, id, token)),
        1 => (0_u8..3, 0_u8..30).prop_map(|(who, id)| Step::Forget(who, id)),
        1 => (0_u8..30).prop_map(Step::Dead),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_happens_every_address_has_one_owner_and_every_owner_its_device(
        steps in prop::collection::vec(step(), 0..120),
    ) {
        let table = MemoryDevices::default();
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Register(who, id, token) => {
                    let (who, id, token) = (format!("u{who}"), format!("d{id}"), format!("t{token}"));
                    register(&table, &who, &id, &token, later(number as u64));
                    let found = find(&table, &who, later(number as u64));
                    prop_assert!(found.iter().any(|device| device.address.token.reveal() == token));
                }
                Step::Forget(who, id) => {
                    let (user, id) = (user(&format!("u{who}")), device_id(&format!("d{id}")));
                    block_on(table.registry().forget(&user, &id)).unwrap();
                }
                Step::Dead(nth) => {
                    if let Some(device) = table.all().get(usize::from(nth)) {
                        block_on(table.registry().forget_dead(device, None)).unwrap();
                    }
                }
            }
            let mut owned: Vec<_> = table.owners().into_iter()
                .map(|owner| (owner.user, owner.device, owner.address.address_key())).collect();
            let mut had: Vec<_> = table.all().into_iter()
                .map(|device| (device.user, device.id, device.address.address_key())).collect();
            owned.sort();
            had.sort();
            prop_assert_eq!(owned, had);
            for who in 0..3 {
                let found = find(&table, &format!("u{who}"), later(number as u64)).len();
                prop_assert!(found <= DEVICES);
            }
        }
    }
}
