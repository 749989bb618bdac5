//! A table of devices in memory, and one that is out of reach.

use std::cell::RefCell;

use crate::aws::{Failure, Service};
use crate::ring::device::{Device, DeviceId, Registration, User};
use crate::ring::registration::{Owner, Write};
use crate::ring::registry::{DevicesTable, Written};

/// A table of devices in memory.
#[derive(Debug, Default)]
pub struct MemoryDevices {
    devices: RefCell<Vec<Device>>,
    owners: RefCell<Vec<Owner>>,
}

impl MemoryDevices {
    /// Every device.
    pub fn devices(&self) -> Vec<Device> {
        self.devices.borrow().clone()
    }

    /// The owner of every address.
    pub fn owners(&self) -> Vec<Owner> {
        self.owners.borrow().clone()
    }

    fn find(&self, user: &User, id: &DeviceId) -> Option<Device> {
        self.devices().into_iter().find(|device| device.user == *user && device.id == *id)
    }

    fn find_owner(&self, address: &Registration) -> Option<Owner> {
        self.owners().into_iter().find(|owner| owner.address.has_address_of(address))
    }

    fn is_as_expected(&self, write: &Write) -> bool {
        // A key holds the address without the app.
        let told = |owner: Owner| (owner.user, owner.device, owner.expires_at);
        match write {
            Write::PutDevice { device, over } => self.find(&device.user, &device.id) == *over,
            Write::DeleteDevice(device) => self.find(&device.user, &device.id).as_ref() == Some(device),
            Write::PutOwner { owner, over } => {
                self.find_owner(&owner.address).map(told) == over.clone().map(told)
            }
            Write::DeleteOwner(owner) => {
                self.find_owner(&owner.address).map(told) == Some(told(owner.clone()))
            }
        }
    }
}

impl DevicesTable for &MemoryDevices {
    async fn devices(&self, user: &User) -> Result<Vec<Device>, Failure> {
        Ok(MemoryDevices::devices(self).into_iter().filter(|device| device.user == *user).collect())
    }

    async fn device(&self, user: &User, id: &DeviceId) -> Result<Option<Device>, Failure> {
        Ok(self.find(user, id))
    }

    async fn owner(&self, address: &Registration) -> Result<Option<Owner>, Failure> {
        Ok(self.find_owner(address))
    }

    async fn write(&self, writes: &[Write]) -> Result<Written, Failure> {
        if !writes.iter().all(|write| self.is_as_expected(write)) {
            return Ok(Written::Nothing);
        }
        let (mut devices, mut owners) = (self.devices.borrow_mut(), self.owners.borrow_mut());
        for write in writes {
            match write {
                Write::PutDevice { device, .. } | Write::DeleteDevice(device) => {
                    devices.retain(|other| (&other.user, &other.id) != (&device.user, &device.id));
                }
                Write::PutOwner { owner, .. } | Write::DeleteOwner(owner) => {
                    owners.retain(|other| !other.address.has_address_of(&owner.address));
                }
            }
            match write {
                Write::PutDevice { device, .. } => devices.push(device.clone()),
                Write::PutOwner { owner, .. } => owners.push(owner.clone()),
                Write::DeleteDevice(_) | Write::DeleteOwner(_) => {}
            }
        }
        Ok(Written::All)
    }
}

/// A table of devices that refuses everything.
#[derive(Debug)]
pub struct DeadDevices;

impl DevicesTable for DeadDevices {
    async fn devices(&self, _: &User) -> Result<Vec<Device>, Failure> {
        Err(Failure::TooSlow(Service::DynamoDb))
    }

    async fn device(&self, _: &User, _: &DeviceId) -> Result<Option<Device>, Failure> {
        Err(Failure::TooSlow(Service::DynamoDb))
    }

    async fn owner(&self, _: &Registration) -> Result<Option<Owner>, Failure> {
        Err(Failure::TooSlow(Service::DynamoDb))
    }

    async fn write(&self, _: &[Write]) -> Result<Written, Failure> {
        Err(Failure::TooSlow(Service::DynamoDb))
    }
}
