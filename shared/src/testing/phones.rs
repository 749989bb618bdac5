//! Devices, guards and providers in memory, and ones that refuse everything.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::Duration;

use crate::aws::budget;
use crate::aws::{Failure, Service};
use crate::call::model::{Arrival, Moment, SessionId};
use crate::ring::device::{App, Device, DeviceId, Platform, PushToken, Registration, User};
use crate::ring::guard::{Claimed, Guard, State};
use crate::ring::push::{Push, Pushed, Ring, Ringing};
use crate::ring::registration::{Owner, Write};
use crate::ring::registry::{DevicesTable, FindDevices, Forget, Register, Registered, Registry, Written};

/// A registration as an app sends it.
pub fn registration(platform: Platform, token: &str) -> Registration {
    let token = PushToken::parse(platform, token).unwrap();
    Registration { platform, token, app: App::parse("com.example.app").unwrap() }
}

/// A user of the sample events' service.
pub fn user(id: &str) -> User {
    User::parse("planetkit", id).unwrap()
}

pub fn device_id(text: &str) -> DeviceId {
    DeviceId::parse(text).unwrap()
}

/// A table of devices in memory.
#[derive(Debug, Default)]
pub struct MemoryDevices {
    devices: RefCell<BTreeMap<(String, String), Device>>,
    owners: RefCell<BTreeMap<String, Owner>>,
    between: RefCell<Vec<Write>>,
}

impl MemoryDevices {
    pub fn registry(&self) -> Registry<&Self> {
        Registry::new(self, budget::REGISTER)
    }

    pub fn all(&self) -> Vec<Device> {
        self.devices.borrow().values().cloned().collect()
    }

    pub fn owners(&self) -> Vec<Owner> {
        self.owners.borrow().values().cloned().collect()
    }

    /// Another writer's transaction, which comes between the next reads and their write.
    pub fn meanwhile(&self, writes: Vec<Write>) {
        *self.between.borrow_mut() = writes;
    }

    /// DynamoDB's TTL deletes a device and not yet its owner.
    pub fn lose_device(&self, user: &User, id: &DeviceId) {
        self.devices.borrow_mut().remove(&(user.key(), id.key()));
    }

    fn is_as_expected(&self, write: &Write) -> bool {
        let device =
            |device: &Device| self.devices.borrow().get(&(device.user.key(), device.id.key())).cloned();
        let owner = |owner: &Owner| self.owners.borrow().get(&owner.address.address_key()).cloned();
        let same = |one: Option<Owner>, other: Option<&Owner>| {
            let parts = |owner: &Owner| (owner.user.clone(), owner.device.clone(), owner.expires_at);
            one.as_ref().map(parts) == other.map(parts)
        };
        match write {
            Write::PutDevice { device: put, over } => device(put) == *over,
            Write::PutOwner { owner: put, over } => same(owner(put), over.as_ref()),
            Write::DeleteDevice(gone) => device(gone).as_ref() == Some(gone),
            Write::DeleteOwner(gone) => same(owner(gone), Some(gone)),
        }
    }

    fn apply(&self, writes: &[Write]) {
        let (mut devices, mut owners) = (self.devices.borrow_mut(), self.owners.borrow_mut());
        for write in writes.iter().cloned() {
            match write {
                Write::PutDevice { device, .. } => {
                    devices.insert((device.user.key(), device.id.key()), device);
                }
                Write::PutOwner { owner, .. } => {
                    owners.insert(owner.address.address_key(), owner);
                }
                Write::DeleteDevice(device) => {
                    devices.remove(&(device.user.key(), device.id.key()));
                }
                Write::DeleteOwner(owner) => {
                    owners.remove(&owner.address.address_key());
                }
            }
        }
    }
}

impl DevicesTable for MemoryDevices {
    async fn devices(&self, user: &User) -> Result<Vec<Device>, Failure> {
        Ok(self.all().into_iter().filter(|device| device.user == *user).collect())
    }

    async fn device(&self, user: &User, id: &DeviceId) -> Result<Option<Device>, Failure> {
        Ok(self.devices.borrow().get(&(user.key(), id.key())).cloned())
    }

    async fn owner(&self, address: &Registration) -> Result<Option<Owner>, Failure> {
        Ok(self.owners.borrow().get(&address.address_key()).cloned())
    }

    async fn write(&self, writes: &[Write]) -> Result<Written, Failure> {
        let between = self.between.take();
        self.apply(&between);
        if !writes.iter().all(|write| self.is_as_expected(write)) {
            return Ok(Written::Nothing);
        }
        self.apply(writes);
        Ok(Written::All)
    }
}

impl<T: DevicesTable> DevicesTable for &T {
    async fn devices(&self, user: &User) -> Result<Vec<Device>, Failure> {
        (**self).devices(user).await
    }

    async fn device(&self, user: &User, id: &DeviceId) -> Result<Option<Device>, Failure> {
        (**self).device(user, id).await
    }

    async fn owner(&self, address: &Registration) -> Result<Option<Owner>, Failure> {
        (**self).owner(address).await
    }

    async fn write(&self, writes: &[Write]) -> Result<Written, Failure> {
        (**self).write(writes).await
    }
}

/// Guards in memory.
#[derive(Debug, Default)]
pub struct MemoryGuard {
    states: RefCell<BTreeMap<(String, String), State>>,
}

fn call(service: &str, session: &SessionId) -> (String, String) {
    (service.to_owned(), session.as_str().to_owned())
}

impl Guard for &MemoryGuard {
    async fn claim(&self, service: &str, session: &SessionId, now: Arrival) -> Result<Claimed, Failure> {
        let mut states = self.states.borrow_mut();
        let state = states.get(&call(service, session)).copied();
        if !State::may_be_claimed(state, now) {
            return Ok(Claimed::Anothers);
        }
        states.insert(call(service, session), State::Claimed(now));
        Ok(Claimed::Ours)
    }

    async fn rung(&self, service: &str, session: &SessionId, _: Arrival) -> Result<(), Failure> {
        self.states.borrow_mut().insert(call(service, session), State::Rung);
        Ok(())
    }

    async fn release(&self, service: &str, session: &SessionId, now: Arrival) -> Result<(), Failure> {
        let mut states = self.states.borrow_mut();
        let key = call(service, session);
        if states.get(&key) == Some(&State::Claimed(now)) {
            states.remove(&key);
        }
        Ok(())
    }
}

/// A table that refuses everything: devices and guards.
#[derive(Debug)]
pub struct DeadDevices;

fn dead<T>() -> Result<T, Failure> {
    Err(Failure::TooSlow(Service::DynamoDb))
}

impl Guard for DeadDevices {
    async fn claim(&self, _: &str, _: &SessionId, _: Arrival) -> Result<Claimed, Failure> {
        dead()
    }

    async fn rung(&self, _: &str, _: &SessionId, _: Arrival) -> Result<(), Failure> {
        dead()
    }

    async fn release(&self, _: &str, _: &SessionId, _: Arrival) -> Result<(), Failure> {
        dead()
    }
}

impl FindDevices for DeadDevices {
    async fn find(&self, _: &User, _: Arrival) -> Result<Vec<Device>, Failure> {
        dead()
    }
}

impl Register for DeadDevices {
    async fn register(
        &self,
        _: &User,
        _: &DeviceId,
        _: &Registration,
        _: Arrival,
    ) -> Result<Registered, Failure> {
        dead()
    }
}

impl Forget for DeadDevices {
    async fn forget(&self, _: &User, _: &DeviceId) -> Result<bool, Failure> {
        dead()
    }

    async fn forget_dead(&self, _: &Device, _: Option<Moment>) -> Result<(), Failure> {
        dead()
    }
}

/// Providers in memory. The token decides the answer: `dead…`, `bad…` (refuses us), `429…`, `503…`, `a0…`
/// (no answer); all others are taken.
#[derive(Debug, Default)]
pub struct MemoryPhones {
    rings: RefCell<Vec<(String, String)>>,
    hangs: Cell<bool>,
}

impl MemoryPhones {
    /// The token and the body of every push that was sent.
    pub fn rings(&self) -> Vec<(String, String)> {
        self.rings.borrow().clone()
    }

    /// The next pushes end never: the function is killed in between.
    pub fn hang(&self, hangs: bool) {
        self.hangs.set(hangs);
    }
}

impl Ring for &MemoryPhones {
    async fn ring(&self, call: Ringing<'_>, devices: &[Device]) -> Vec<Push> {
        if self.hangs.get() {
            std::future::pending::<()>().await;
        }
        // Others get their turn, as they do while a provider answers.
        tokio::task::yield_now().await;
        let answer = |device: &Device| {
            let token = device.address.token.reveal();
            self.rings.borrow_mut().push((token.to_owned(), call.job.body().to_owned()));
            let pushed = match token.get(..2) {
                Some("de") => Pushed::Dead { since: None },
                Some("ba") => Pushed::RefusedUs("InvalidProviderToken".to_owned()),
                Some("42" | "50") => Pushed::Failed("throttled".to_owned()),
                Some("a0") => Pushed::NoAnswer,
                _ => Pushed::Accepted,
            };
            Push { pushed, took: Duration::from_millis(1) }
        };
        devices.iter().map(answer).collect()
    }
}
