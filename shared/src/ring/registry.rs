//! The registry of devices.
//!
//! Two items describe a device: the device itself, under its user, and the owner of its address. A
//! phone that changes hands keeps its address, so that registering it takes the address from the
//! user who had it. All writes of a change are one transaction, each on the condition that its item
//! is still as it was read. When another writer was faster, everything is read and planned again.

use std::time::Duration;

use futures_util::future::try_join_all;

use crate::aws::{Failure, Service, budget::Budget};
use crate::call::model::{Arrival, Moment};
use crate::ring::device::{Device, DeviceId, Registration, User};
use crate::ring::registration::{self, Owner, Seen, Write};

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

/// The table of devices: consistent reads, and writes that all happen or none.
pub trait DevicesTable {
    /// The devices of a user, expired ones too.
    fn devices(&self, user: &User) -> impl Future<Output = Result<Vec<Device>, Failure>>;

    fn device(&self, user: &User, id: &DeviceId) -> impl Future<Output = Result<Option<Device>, Failure>>;

    /// The owner of an address.
    fn owner(&self, address: &Registration) -> impl Future<Output = Result<Option<Owner>, Failure>>;

    /// Writes everything, or nothing if one item is not as its write expects it.
    fn write(&self, writes: &[Write]) -> impl Future<Output = Result<Written, Failure>>;
}

/// What became of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    All,
    /// Nothing: another writer was faster.
    Nothing,
}

/// The registry in a table.
#[derive(Clone, Debug)]
pub struct Registry<T> {
    table: T,
    budget: Budget,
}

/// How often a change is planned again because another writer was faster.
const ATTEMPTS: u32 = 5;

impl<T: DevicesTable> Registry<T> {
    pub fn new(table: T, budget: Budget) -> Self {
        Self { table, budget }
    }

    async fn in_time<R>(&self, work: impl Future<Output = Result<R, Failure>>) -> Result<R, Failure> {
        let too_slow = || Err(Failure::TooSlow(Service::DynamoDb));
        tokio::time::timeout(self.budget.whole, work).await.unwrap_or_else(|_| too_slow())
    }

    /// Writes what `plan` makes of the table, again if another writer was faster.
    async fn change<R>(
        &self,
        plan: impl AsyncFn() -> Result<(Vec<Write>, R), Failure>,
    ) -> Result<R, Failure> {
        let attempts = async {
            for attempt in 1..=ATTEMPTS {
                let (writes, result) = plan().await?;
                if writes.is_empty() || self.table.write(&writes).await? == Written::All {
                    return Ok(result);
                }
                tokio::time::sleep(Duration::from_millis(fastrand::u64(1..=10 * u64::from(attempt)))).await;
            }
            let source = "other writers were faster every time".into();
            Err(Failure::Unavailable { service: Service::DynamoDb, code: "conflict".into(), source })
        };
        self.in_time(attempts).await
    }

    async fn seen(&self, user: &User, id: &DeviceId, address: &Registration) -> Result<Seen, Failure> {
        let (devices, owner) = tokio::try_join!(self.table.devices(user), self.table.owner(address))?;
        let mut seen = Seen { devices, owner, ..Seen::default() };
        if let Some(Owner { user, device, .. }) = &seen.owner {
            seen.former = self.table.device(user, device).await?;
        }
        let left = registration::leaving(&seen, id, address);
        let owners = try_join_all(left.iter().map(|device| self.table.owner(&device.address))).await?;
        seen.owners = owners.into_iter().flatten().collect();
        Ok(seen)
    }
}

impl<T: DevicesTable> FindDevices for Registry<T> {
    async fn find(&self, user: &User, now: Arrival) -> Result<Vec<Device>, Failure> {
        let mut devices = self.in_time(self.table.devices(user)).await?;
        // DynamoDB deletes what has expired within days.
        devices.retain(|device| device.expires_at.milliseconds() > now.milliseconds);
        Ok(devices)
    }
}

impl<T: DevicesTable> Register for Registry<T> {
    async fn register(
        &self,
        user: &User,
        id: &DeviceId,
        registration: &Registration,
        now: Arrival,
    ) -> Result<Registered, Failure> {
        self.change(async || {
            let seen = self.seen(user, id, registration).await?;
            Ok(registration::register(user, id, registration, now, &seen))
        })
        .await
    }
}

impl<T: DevicesTable> Forget for Registry<T> {
    async fn forget(&self, user: &User, id: &DeviceId) -> Result<bool, Failure> {
        self.change(async || {
            let Some(device) = self.table.device(user, id).await? else { return Ok((Vec::new(), false)) };
            let owner = self.table.owner(&device.address).await?;
            Ok((registration::forget(&device, owner), true))
        })
        .await
    }

    async fn forget_dead(&self, device: &Device, dead_since: Option<Moment>) -> Result<(), Failure> {
        if dead_since.is_some_and(|since| device.registered_at > since) {
            return Ok(());
        }
        self.change(async || {
            let (stored, owner) = tokio::try_join!(
                self.table.device(&device.user, &device.id),
                self.table.owner(&device.address)
            )?;
            let unchanged = stored.as_ref() == Some(device);
            Ok((if unchanged { registration::forget(device, owner) } else { Vec::new() }, ()))
        })
        .await
    }
}
