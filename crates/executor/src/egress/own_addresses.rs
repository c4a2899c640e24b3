//! The addresses of this machine. A tenant that could call them would reach what listens on it, such as metrics, from the inside.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use nix::ifaddrs::getifaddrs;
use tokio::time::Instant;

/// Addresses come and go.
const READ_INTERVAL: Duration = Duration::from_secs(10);

pub(super) struct OwnAddresses {
    read: Mutex<Option<(Instant, Arc<[IpAddr]>)>>,
}

impl OwnAddresses {
    pub(super) const fn new() -> Self {
        Self { read: Mutex::new(None) }
    }

    /// These, for as long as a test runs.
    #[cfg(test)]
    pub(super) fn known(addresses: Vec<IpAddr>) -> Self {
        let later = Instant::now() + Duration::from_secs(3600);
        Self { read: Mutex::new(Some((later, addresses.into()))) }
    }

    pub(super) fn contains(&self, address: IpAddr) -> bool {
        self.read().contains(&address.to_canonical())
    }

    fn read(&self) -> Arc<[IpAddr]> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let known = read.as_ref().filter(|(at, _)| now.duration_since(*at) < READ_INTERVAL);
        if let Some((_, addresses)) = known {
            return Arc::clone(addresses);
        }
        let addresses: Arc<[IpAddr]> = match interfaces() {
            Ok(addresses) => addresses.into(),
            Err(error) => {
                tracing::warn!(%error, "cannot read the addresses of this machine; those read before count");
                read.as_ref().map_or_else(|| [].into(), |(_, addresses)| Arc::clone(addresses))
            }
        };
        *read = Some((now, Arc::clone(&addresses)));
        addresses
    }
}

fn interfaces() -> nix::Result<Vec<IpAddr>> {
    let addresses = getifaddrs()?.filter_map(|interface| interface.address);
    let address = |address: nix::sys::socket::SockaddrStorage| {
        let four = address.as_sockaddr_in().map(|four| IpAddr::from(four.ip()));
        four.or_else(|| address.as_sockaddr_in6().map(|six| IpAddr::from(six.ip())))
    };
    Ok(addresses.filter_map(address).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_addresses_of_all_interfaces_are_known() {
        let own = OwnAddresses::new();
        for address in ["127.0.0.1", "::ffff:127.0.0.1"] {
            assert!(own.contains(address.parse().unwrap()), "{address}");
        }
        assert!(!own.contains("192.0.2.1".parse().unwrap()));
    }
}
