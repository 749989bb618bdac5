//! What the answers of the providers mean for the call, and for the devices.

use crate::call::model::Moment;
use crate::ring::device::Device;
use crate::ring::push::{Push, Pushed};

/// What the caller learns when the callee has no device that can ring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RingWhenNoDevice {
    /// The call fails at once.
    #[default]
    Fail,
    /// The call goes on: a subscriber of the push jobs may ring the callee.
    Accept,
}

impl RingWhenNoDevice {
    pub fn parse(text: &str) -> Option<Self> {
        match text.trim() {
            "fail" => Some(Self::Fail),
            "accept" => Some(Self::Accept),
            _ => None,
        }
    }
}

/// What became of the ringing of one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// At least one phone rings, or may ring.
    Rung,
    /// There is no device, or every one is dead or has no provider here.
    NoDevice,
    /// A provider refuses us, with its code: the keys or settings are wrong.
    ProviderRefused(String),
    /// The providers failed or were throttled; the first code.
    NotRung(String),
}

impl Verdict {
    pub fn of(pushes: &[Push]) -> Self {
        let all = || pushes.iter().map(|push| &push.pushed);
        if all().any(|pushed| matches!(pushed, Pushed::Accepted | Pushed::NoAnswer)) {
            return Self::Rung;
        }
        let refusal = |pushed: &Pushed| match pushed {
            Pushed::RefusedUs(code) => Some(Self::ProviderRefused(code.clone())),
            _ => None,
        };
        let failure = |pushed: &Pushed| match pushed {
            Pushed::Failed(code) => Some(Self::NotRung(code.clone())),
            _ => None,
        };
        all().find_map(refusal).or_else(|| all().find_map(failure)).unwrap_or(Self::NoDevice)
    }
}

/// How many pushes a provider refused because of us.
pub fn refusals(pushes: &[Push]) -> usize {
    pushes.iter().filter(|push| matches!(push.pushed, Pushed::RefusedUs(_))).count()
}

/// The dead devices, each with the moment of its death if the provider named one. A provider that
/// refuses us is not believed: with wrong keys, good devices look dead.
pub fn dead<'a>(devices: &'a [Device], pushes: &[Push]) -> Vec<(&'a Device, Option<Moment>)> {
    let all = || devices.iter().zip(pushes);
    let refuses_us = |provider| {
        all().any(|(device, push)| {
            device.address.platform.provider() == provider && matches!(push.pushed, Pushed::RefusedUs(_))
        })
    };
    all()
        .filter(|(device, _)| !refuses_us(device.address.platform.provider()))
        .filter_map(|(device, push)| match push.pushed {
            Pushed::Dead { since } => Some((device, since)),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn push(pushed: Pushed) -> Push {
        Push { pushed, took: Duration::ZERO }
    }

    fn any_pushed() -> impl Strategy<Value = Pushed> {
        prop_oneof![
            Just(Pushed::Accepted),
            Just(Pushed::NoAnswer),
            Just(Pushed::Dead { since: None }),
            Just(Pushed::NotAsked),
            Just(Pushed::RefusedUs("InvalidProviderToken".into())),
            Just(Pushed::Failed("TooManyRequests".into())),
        ]
    }

    proptest! {
        #[test]
        fn the_best_answer_decides_in_any_order(mut pushed in prop::collection::vec(any_pushed(), 0..9)) {
            let verdict = |pushed: &[Pushed]| {
                Verdict::of(&pushed.iter().cloned().map(push).collect::<Vec<_>>())
            };
            let before = verdict(&pushed);
            pushed.reverse();
            prop_assert_eq!(&verdict(&pushed), &before);
            let has = |one: fn(&Pushed) -> bool| pushed.iter().any(one);
            let may_ring = has(|one| matches!(one, Pushed::Accepted | Pushed::NoAnswer));
            let refused = has(|one| matches!(one, Pushed::RefusedUs(_)));
            let failed = has(|one| matches!(one, Pushed::Failed(_)));
            prop_assert_eq!(before == Verdict::Rung, may_ring);
            prop_assert_eq!(matches!(before, Verdict::ProviderRefused(_)), !may_ring && refused);
            prop_assert_eq!(matches!(before, Verdict::NotRung(_)), !may_ring && !refused && failed);
        }
    }

    #[test]
    fn what_to_do_without_a_device_is_fail_or_accept() {
        assert_eq!(RingWhenNoDevice::parse("fail"), Some(RingWhenNoDevice::Fail));
        assert_eq!(RingWhenNoDevice::parse(" accept "), Some(RingWhenNoDevice::Accept));
        assert_eq!(RingWhenNoDevice::parse("maybe"), None);
    }
}
