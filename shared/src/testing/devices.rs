//! A registry of devices in memory, and one that is out of reach.

use std::cell::RefCell;

use crate::aws::{Failure, Service};
use crate::call::model::{Arrival, Moment};
use crate::ring::device::{Device, DeviceId, Registration, User};
use crate::ring::registry::{FindDevices, Forget, Register, Registered};

const DEVICES_A_USER: usize = 25;
const LIFE_MILLISECONDS: u64 = 270 * 86_400_000;

/// A registry in memory.
#[derive(Debug, Default)]
pub struct MemoryRegistry {
    devices: RefCell<Vec<Device>>,
}

impl MemoryRegistry {
    /// Every device, in the order of registration.
    pub fn devices(&self) -> Vec<Device> {
        self.devices.borrow().clone()
    }
}

fn moment(milliseconds: u64) -> Moment {
    Moment::from_milliseconds(milliseconds).unwrap()
}

impl FindDevices for MemoryRegistry {
    async fn find(&self, user: &User, now: Arrival) -> Result<Vec<Device>, Failure> {
        let mut devices = self.devices();
        devices.retain(|each| each.user == *user && each.expires_at > moment(now.milliseconds));
        Ok(devices)
    }
}

impl Register for MemoryRegistry {
    async fn register(
        &self,
        user: &User,
        id: &DeviceId,
        registration: &Registration,
        now: Arrival,
    ) -> Result<Registered, Failure> {
        let mut devices = self.devices.borrow_mut();
        let is_this = |each: &Device| each.user == *user && each.id == *id;
        let known = devices.iter().any(is_this);
        let has_address = |each: &Device| {
            (each.address.platform, &each.address.token) == (registration.platform, &registration.token)
        };
        devices.retain(|each| !is_this(each) && !has_address(each));
        devices.push(Device {
            user: user.clone(),
            id: id.clone(),
            address: registration.clone(),
            registered_at: moment(now.milliseconds),
            expires_at: moment(now.milliseconds + LIFE_MILLISECONDS),
        });
        if devices.iter().filter(|each| each.user == *user).count() > DEVICES_A_USER {
            let oldest = devices.iter().position(|each| each.user == *user).unwrap();
            devices.remove(oldest);
        }
        Ok(if known { Registered::Renewed } else { Registered::Added })
    }
}

impl Forget for MemoryRegistry {
    async fn forget(&self, user: &User, id: &DeviceId) -> Result<bool, Failure> {
        let mut devices = self.devices.borrow_mut();
        let before = devices.len();
        devices.retain(|each| !(each.user == *user && each.id == *id));
        Ok(devices.len() < before)
    }

    async fn forget_dead(&self, device: &Device, dead_since: Option<Moment>) -> Result<(), Failure> {
        let is_dead =
            |each: &Device| each == device && dead_since.is_none_or(|since| each.registered_at < since);
        self.devices.borrow_mut().retain(|each| !is_dead(each));
        Ok(())
    }
}

/// A registry that refuses everything.
#[derive(Debug)]
pub struct DeadRegistry;

impl FindDevices for DeadRegistry {
    async fn find(&self, _: &User, _: Arrival) -> Result<Vec<Device>, Failure> {
        Err(Failure::TooSlow(Service::DynamoDb))
    }
}

impl Register for DeadRegistry {
    async fn register(
        &self,
        _: &User,
        _: &DeviceId,
        _: &Registration,
        _: Arrival,
    ) -> Result<Registered, Failure> {
        Err(Failure::TooSlow(Service::DynamoDb))
    }
}

impl Forget for DeadRegistry {
    async fn forget(&self, _: &User, _: &DeviceId) -> Result<bool, Failure> {
        Err(Failure::TooSlow(Service::DynamoDb))
    }

    async fn forget_dead(&self, _: &Device, _: Option<Moment>) -> Result<(), Failure> {
        Err(Failure::TooSlow(Service::DynamoDb))
    }
}

// The API owns its registry; tests look at it through a reference.
impl<R: FindDevices> FindDevices for &R {
    async fn find(&self, user: &User, now: Arrival) -> Result<Vec<Device>, Failure> {
        (**self).find(user, now).await
    }
}

impl<R: Register> Register for &R {
    async fn register(
        &self,
        user: &User,
        id: &DeviceId,
        registration: &Registration,
        now: Arrival,
    ) -> Result<Registered, Failure> {
        (**self).register(user, id, registration, now).await
    }
}

impl<R: Forget> Forget for &R {
    async fn forget(&self, user: &User, id: &DeviceId) -> Result<bool, Failure> {
        (**self).forget(user, id).await
    }

    async fn forget_dead(&self, device: &Device, dead_since: Option<Moment>) -> Result<(), Failure> {
        (**self).forget_dead(device, dead_since).await
    }
}
