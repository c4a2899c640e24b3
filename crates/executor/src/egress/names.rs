//! Looks up names. A name is asked for once, however many wait for it; answers and failures are known for a while; and no account waits
//! behind the names of another account: look-ups in flight are divided among accounts.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared, WeakShared},
};
use hickory_resolver::{
    TokioResolver,
    config::{ConnectionConfig, NameServerConfig, ResolverConfig, ResolverOpts},
    net::{DnsError, NetError, NoRecords, runtime::TokioRuntimeProvider},
    proto::rr::Name,
    system_conf::read_system_conf,
};
use moka::{Expiry, sync::Cache};

use super::{
    failure::{is_caused_by_lack_of_capacity, lacks_capacity},
    progress::{Phase, Progress},
};
use crate::owner::{Owner, Shares};

/// A name that was just created or corrected is found soon after (RFC 2308 §5 allows hours).
const MAX_NEGATIVE_TTL: Duration = Duration::from_secs(10);
/// How long a failure is known: no answer, or SERVFAIL. RFC 9520 §3.2 asks for at least one second, and at most five minutes.
const FAILURE_TTL: Duration = Duration::from_secs(5);
/// Of names and their addresses.
const MAX_KNOWN_BYTES: u64 = 4 * 1024 * 1024;
/// About what an entry of the cache costs besides its name and addresses.
const ENTRY_BYTES: usize = 200;
/// Look-ups in flight.
const MAX_LOOK_UPS: usize = 256;
/// Sockets of a look-up: two types of address, and each query is sent up to three times.
const LOOK_UP_FILES: usize = 6;
pub(super) const MAX_FILES: usize = MAX_LOOK_UPS * LOOK_UP_FILES;
/// The part of the open files that look-ups may use, if they are few.
const LOOK_UP_PART: usize = 4;
/// How much of what is free an account may have: alone, a fifth of all.
const ACCOUNT_PERCENT: usize = 25;
/// A query without an answer is given up after this, and sent anew. The resolver repeats one earlier than that only while few queries
/// fail: each failure adds to the interval, for all names of a name server. So this is how long a lost packet delays a look-up.
const QUERY_TIMEOUT: Duration = Duration::from_secs(2);
const MAX_QUERIES: usize = 5;
/// Queries in flight over one TCP connection to a name server, for answers that are too long for UDP.
const MAX_ACTIVE_REQUESTS: usize = 512;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unresolved {
    NotFound,
    NoReply,
    Failed,
    /// This process cannot ask.
    NoCapacity,
}

type Addresses = Result<Arc<[IpAddr]>, Unresolved>;
type LookUp = Shared<BoxFuture<'static, Addresses>>;
type LookUps = Arc<Mutex<HashMap<Box<str>, WeakShared<BoxFuture<'static, Addresses>>>>>;

pub(super) struct Names {
    resolver: TokioResolver,
    known: Cache<Box<str>, Known>,
    look_ups: LookUps,
    capacity: Shares,
}

#[derive(Clone)]
struct Known {
    addresses: Addresses,
    ttl: Duration,
}

impl Names {
    /// With no `nameservers`, those of /etc/resolv.conf, or one on this machine if there is no such file (resolv.conf(5)).
    pub(super) fn new(nameservers: &[SocketAddr], max_open_files: usize) -> Result<Self, NetError> {
        let (servers, mut options) = if nameservers.is_empty() {
            system()?
        } else {
            (nameservers.iter().copied().map(name_server).collect(), ResolverOpts::default())
        };
        options.timeout = options.timeout.min(QUERY_TIMEOUT);
        options.attempts = MAX_QUERIES - 1;
        options.max_active_requests = MAX_ACTIVE_REQUESTS;
        // Its cache is bounded in entries but not in bytes, and does not know failures.
        options.cache_size = 0;
        let config = ResolverConfig::from_parts(None, Vec::new(), servers);
        let builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        Ok(Self {
            resolver: builder.with_options(options).build()?,
            known: Cache::<Box<str>, _>::builder()
                .max_capacity(MAX_KNOWN_BYTES)
                .weigher(|name, known: &Known| known.bytes(name))
                .expire_after(Ttl)
                .build(),
            look_ups: LookUps::default(),
            capacity: Shares::new(max_files(max_open_files) / LOOK_UP_FILES, ACCOUNT_PERCENT),
        })
    }

    /// All addresses of a name, at least one. `progress` tells a wait for the owner's share from a wait for the name servers.
    pub(super) async fn addresses(&self, owner: Owner, name: &str, progress: &Progress) -> Addresses {
        if let Some(known) = self.known.get(name) {
            return known.addresses;
        }
        progress.enter(Some(Phase::AwaitLookUp));
        let _share = self.capacity.take(owner, 1).await;
        progress.enter(Some(Phase::Resolve));
        match self.known.get(name) {
            Some(known) => known.addresses,
            None => self.look_up(name).await,
        }
    }

    /// Joins the look-up of the name that is in flight, or starts one. It ends when no run waits for it any more.
    fn look_up(&self, name: &str) -> LookUp {
        let mut look_ups = lock(&self.look_ups);
        if let Some(in_flight) = look_ups.get(name).and_then(WeakShared::upgrade) {
            return in_flight;
        }
        let in_flight = InFlight {
            name: name.into(),
            since: Instant::now(),
            known: self.known.clone(),
            look_ups: Arc::clone(&self.look_ups),
        };
        let resolver = self.resolver.clone();
        let look_up = async move {
            let found = ask(&resolver, &in_flight.name).await;
            in_flight.keep(found.clone());
            found.addresses
        };
        let look_up = look_up.boxed().shared();
        if let Some(weak) = look_up.downgrade() {
            look_ups.insert(name.into(), weak);
        }
        look_up
    }
}

/// A look-up that has begun. Dropped when it has ended, or when no run waits for it any more.
struct InFlight {
    name: Box<str>,
    since: Instant,
    known: Cache<Box<str>, Known>,
    look_ups: LookUps,
}

impl InFlight {
    fn keep(&self, found: Known) {
        if !found.ttl.is_zero() {
            self.known.insert(self.name.clone(), found);
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        lock(&self.look_ups).remove(&self.name);
        // All who waited for it had less time than the name servers were given. The next ones need not wait as well.
        if self.since.elapsed() >= QUERY_TIMEOUT && !self.known.contains_key(&self.name) {
            self.keep(Known::failure(Unresolved::NoReply));
        }
    }
}

impl Known {
    const fn failure(why: Unresolved) -> Self {
        Self { addresses: Err(why), ttl: FAILURE_TTL }
    }

    fn bytes(&self, name: &str) -> u32 {
        let addresses = self.addresses.as_ref().map_or(0, |addresses| size_of_val::<[IpAddr]>(addresses));
        u32::try_from(ENTRY_BYTES + name.len() + addresses).unwrap_or(u32::MAX)
    }
}

struct Ttl;

impl Expiry<Box<str>, Known> for Ttl {
    fn expire_after_create(&self, _: &Box<str>, known: &Known, _: Instant) -> Option<Duration> {
        Some(known.ttl)
    }

    fn expire_after_update(
        &self,
        _: &Box<str>,
        known: &Known,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(known.ttl)
    }
}

async fn ask(resolver: &TokioResolver, name: &str) -> Known {
    let not_found = |ttl| Known { addresses: Err(Unresolved::NotFound), ttl };
    let Ok(mut absolute) = Name::from_ascii(name) else { return not_found(Duration::ZERO) };
    absolute.set_fqdn(true);
    match resolver.lookup_ip(absolute).await {
        Ok(found) => {
            let addresses: Arc<[IpAddr]> = found.iter().collect();
            if addresses.is_empty() {
                return not_found(Duration::ZERO);
            }
            Known {
                addresses: Ok(addresses),
                ttl: found.valid_until().saturating_duration_since(Instant::now()),
            }
        }
        // RFC 2308 §5: without an SOA record, and so without a TTL, it is not cached.
        Err(NetError::Dns(DnsError::NoRecordsFound(NoRecords { negative_ttl, .. }))) => {
            not_found(Duration::from_secs(negative_ttl.unwrap_or(0).into()).min(MAX_NEGATIVE_TTL))
        }
        // The resolver does not always say that it lacked a socket.
        Err(error) if is_caused_by_lack_of_capacity(&error) || lacks_capacity() => {
            Known { addresses: Err(Unresolved::NoCapacity), ttl: Duration::ZERO }
        }
        Err(NetError::Timeout) => Known::failure(Unresolved::NoReply),
        Err(_) => Known::failure(Unresolved::Failed),
    }
}

/// How many of the open files look-ups use at most.
pub(super) fn max_files(max_open_files: usize) -> usize {
    MAX_FILES.min(max_open_files / LOOK_UP_PART)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn system() -> Result<(Vec<NameServerConfig>, ResolverOpts), NetError> {
    match read_system_conf() {
        Ok((config, options)) => Ok((config.name_servers, options)),
        Err(NetError::Io(missing)) if missing.kind() == std::io::ErrorKind::NotFound => {
            Ok((vec![name_server(SocketAddr::from(([127, 0, 0, 1], 53)))], ResolverOpts::default()))
        }
        Err(other) => Err(other),
    }
}

fn name_server(address: SocketAddr) -> NameServerConfig {
    let at_port = |mut connection: ConnectionConfig| {
        connection.port = address.port();
        connection
    };
    NameServerConfig::new(
        address.ip(),
        true,
        vec![at_port(ConnectionConfig::udp()), at_port(ConnectionConfig::tcp())],
    )
}
