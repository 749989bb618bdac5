//! The table of devices.

use crate::aws::Failure;
use crate::call::model::{Arrival, Moment};
use crate::ring::device::{Device, DeviceId, Registration, User};

/// Reads the devices that can be rung.
pub trait FindDevices {
    /// The devices of a user that have not expired, in no order.
    fn find(&self, user: &User, now: Arrival) -> impl Future<Output = Result<Vec<Device>, Failure>>;
}

/// Whether a registration was new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registered {
    Added,
    Renewed,
}

/// Registers a device.
pub trait Register {
    /// Takes the address from the user who had it before, in the same transaction. Beyond 25 devices
    /// the one registered longest ago goes.
    fn register(
        &self,
        user: &User,
        id: &DeviceId,
        registration: &Registration,
        now: Arrival,
    ) -> impl Future<Output = Result<Registered, Failure>>;
}

/// Removes a device.
pub trait Forget {
    /// Removes a device, whatever its address is. `Ok(false)` if there was none.
    fn forget(&self, user: &User, id: &DeviceId) -> impl Future<Output = Result<bool, Failure>>;

    /// Removes a device that a provider called dead, unless it was registered again since it was
    /// read, or after `dead_since`.
    fn forget_dead(
        &self,
        device: &Device,
        dead_since: Option<Moment>,
    ) -> impl Future<Output = Result<(), Failure>>;
}
