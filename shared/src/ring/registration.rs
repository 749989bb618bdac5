//! Which items change when a device is registered or removed. Pure: the table's items go in, the
//! writes of one transaction come out.

use std::cmp::Reverse;

use crate::call::model::{Arrival, Moment};
use crate::ring::device::{Device, DeviceId, Registration, User};
use crate::ring::registry::Registered;

/// Devices a user can have. Beyond it, the ones registered longest ago go.
pub const DEVICES: usize = 25;

/// Google calls a token dead after 270 days without use (Firebase, "Manage FCM registration tokens").
const LIFE_MILLISECONDS: u64 = 270 * 24 * 60 * 60 * 1_000;

/// Who has an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    pub address: Registration,
    pub user: User,
    pub device: DeviceId,
    pub expires_at: Moment,
}

impl Owner {
    fn of(device: &Device) -> Self {
        Self {
            address: device.address.clone(),
            user: device.user.clone(),
            device: device.id.clone(),
            expires_at: device.expires_at,
        }
    }

    fn is(&self, device: &Device) -> bool {
        self.user == device.user && self.device == device.id && self.address.has_address_of(&device.address)
    }
}

/// One write of a transaction, and what the item must be for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    PutDevice { device: Device, over: Option<Device> },
    PutOwner { owner: Owner, over: Option<Owner> },
    DeleteDevice(Device),
    DeleteOwner(Owner),
}

/// What a registration depends on.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// The user's devices.
    pub devices: Vec<Device>,
    /// The owner of the address.
    pub owner: Option<Owner>,
    /// The device that the owner's item names.
    pub former: Option<Device>,
    /// The owners of the addresses that [`leaving`] names.
    pub owners: Vec<Owner>,
}

/// The user's devices whose addresses are given up: this device under another address, and those
/// beyond the bound.
pub fn leaving<'a>(seen: &'a Seen, id: &DeviceId, address: &Registration) -> Vec<&'a Device> {
    let this = seen.devices.iter().filter(|device| device.id == *id);
    let moved = this.filter(|device| !device.address.has_address_of(address));
    moved.chain(beyond_the_bound(seen, id, address)).collect()
}

/// Devices with the address itself do not count: they go anyway.
fn beyond_the_bound<'a>(seen: &'a Seen, id: &DeviceId, address: &Registration) -> Vec<&'a Device> {
    let stays = |device: &&Device| device.id != *id && !device.address.has_address_of(address);
    let mut others: Vec<&Device> = seen.devices.iter().filter(stays).collect();
    others.sort_by_key(|device| (Reverse(device.registered_at), &device.id));
    others.into_iter().skip(DEVICES - 1).collect()
}

/// The writes that register a device.
pub fn register(
    user: &User,
    id: &DeviceId,
    address: &Registration,
    now: Arrival,
    seen: &Seen,
) -> (Vec<Write>, Registered) {
    let device = Device {
        user: user.clone(),
        id: id.clone(),
        address: address.clone(),
        registered_at: moment(now.milliseconds),
        // DynamoDB's TTL counts seconds.
        expires_at: moment((now.milliseconds + LIFE_MILLISECONDS) / 1_000 * 1_000),
    };
    let is_this = |other: &Device| other.user == *user && other.id == *id;
    let over = seen.devices.iter().find(|other| is_this(other)).cloned();
    let registered = match &over {
        Some(known) if known.expires_at.milliseconds() > now.milliseconds => Registered::Renewed,
        _ => Registered::Added,
    };
    // The former owner's item may be all that is left of a device, or the device has a new address.
    let former = seen.former.iter().filter(|former| former.address.has_address_of(address));
    let twins = seen.devices.iter().filter(|other| other.address.has_address_of(address));
    let mut gone: Vec<&Device> = Vec::new();
    for other in former.chain(twins).chain(beyond_the_bound(seen, id, address)) {
        if !is_this(other) && !gone.iter().any(|known| (&known.user, &known.id) == (&other.user, &other.id)) {
            gone.push(other);
        }
    }
    let mut writes = vec![
        Write::PutOwner { owner: Owner::of(&device), over: seen.owner.clone() },
        Write::PutDevice { device, over },
    ];
    writes.extend(gone.into_iter().cloned().map(Write::DeleteDevice));
    let left = leaving(seen, id, address);
    let given_up = seen.owners.iter().filter(|owner| left.iter().any(|device| owner.is(device)));
    writes.extend(given_up.cloned().map(Write::DeleteOwner));
    (writes, registered)
}

/// The writes that remove a device. The address stays with another owner, if it has one.
pub fn forget(device: &Device, owner: Option<Owner>) -> Vec<Write> {
    let owner = owner.filter(|owner| owner.is(device)).map(Write::DeleteOwner);
    [Write::DeleteDevice(device.clone())].into_iter().chain(owner).collect()
}

fn moment(milliseconds: u64) -> Moment {
    // The clock of Lambda is far from both ends.
    Moment::from_milliseconds(milliseconds).unwrap_or(Moment::LATEST)
}
