//! How much is too much: requests of one key, and wrong keys from one address.

use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
    num::NonZeroU32,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use sha2::{Digest, Sha256};
use theazo_api::ErrorCode;
use tokio::time::Instant;

use crate::{
    config::RateLimit,
    error::{AppError, AppResult},
};

/// How long mistakes are remembered after the first.
const FORGIVEN_AFTER: Duration = Duration::from_secs(60);

/// How many keys or addresses are remembered at once. Those that were quiet longest are forgotten first.
const REMEMBERED: usize = 10_000;

/// The error of whoever must wait.
fn too_many(message: String, wait: Duration) -> AppError {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    let mut error = AppError::new(ErrorCode::RateLimited, message).with("retryAfter", seconds.max(1));
    error.retry_after = Some(seconds.max(1));
    error
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Forgets half of what is remembered when it is too much.
fn forget_oldest<K: Clone + Eq + std::hash::Hash, V>(map: &mut HashMap<K, V>, last: impl Fn(&V) -> Instant) {
    if map.len() < REMEMBERED {
        return;
    }
    let mut times: Vec<Instant> = map.values().map(&last).collect();
    let middle = times.len() / 2;
    let (_, median, _) = times.select_nth_unstable(middle);
    let median = *median;
    map.retain(|_, value| last(value) > median);
}

/// Both limits of a control plane.
pub struct Throttle {
    /// Of requests.
    pub rates: Rates,
    /// Of wrong keys.
    pub guard: Guard,
}

impl Throttle {
    /// The limits of a configuration.
    pub fn new(rate_limit: Option<RateLimit>, wrong_keys_per_minute: Option<NonZeroU32>) -> Self {
        Self { rates: Rates::new(rate_limit), guard: Guard::new(wrong_keys_per_minute) }
    }
}

/// A bucket of requests for each key: it holds a burst, and fills at the rate.
pub struct Rates {
    limit: Option<RateLimit>,
    buckets: Mutex<HashMap<String, Bucket>>,
}

struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Rates {
    /// Buckets of this size, or none.
    pub fn new(limit: Option<RateLimit>) -> Self {
        Self { limit, buckets: Mutex::default() }
    }

    /// Takes one request from the bucket of a key.
    pub fn take(&self, key_id: &str, now: Instant) -> AppResult<()> {
        let Some(limit) = &self.limit else { return Ok(()) };
        let (rate, burst) = (f64::from(limit.per_second.get()), f64::from(limit.burst.get()));
        let mut buckets = lock(&self.buckets);
        if !buckets.contains_key(key_id) {
            forget_oldest(&mut buckets, |bucket| bucket.at);
        }
        let bucket = buckets.entry(key_id.to_owned()).or_insert(Bucket { tokens: burst, at: now });
        let passed = now.saturating_duration_since(bucket.at).as_secs_f64();
        bucket.tokens = (bucket.tokens + passed * rate).min(burst);
        bucket.at = now;
        if bucket.tokens >= 1.0 {
            bucket.tokens -= 1.0;
            return Ok(());
        }
        let wait = Duration::from_secs_f64((1.0 - bucket.tokens) / rate);
        let message = format!("this API key may make {} requests a second; slow down", limit.per_second);
        Err(too_many(message, wait).with("limit", "requestsPerSecond").with("value", limit.per_second.get()))
    }
}

/// Remembers which addresses send wrong keys, and which keys worked from there.
pub struct Guard {
    limit: Option<NonZeroU32>,
    addresses: Mutex<HashMap<IpAddr, Record>>,
}

struct Record {
    mistakes: u32,
    since: Instant,
    last: Instant,
    /// Hashes of the keys that worked.
    worked: HashSet<[u8; 32]>,
}

impl Guard {
    /// Allows so many mistakes a minute, or any number.
    pub fn new(limit: Option<NonZeroU32>) -> Self {
        Self { limit, addresses: Mutex::default() }
    }

    /// Refuses a key from an address that sent too many wrong ones, unless this one worked from there before.
    pub fn check(&self, address: IpAddr, key: &str, now: Instant) -> AppResult<()> {
        let Some(limit) = self.limit else { return Ok(()) };
        let addresses = lock(&self.addresses);
        let Some(record) = addresses.get(&address) else { return Ok(()) };
        let forgiven_at = record.since + FORGIVEN_AFTER;
        if record.mistakes < limit.get() || now >= forgiven_at || record.worked.contains(&hash(key)) {
            return Ok(());
        }
        let message = "too many API keys from this address were not valid; wait before the next one".to_owned();
        Err(too_many(message, forgiven_at - now))
    }

    /// Notes that a key from an address was wrong.
    pub fn note_failure(&self, address: IpAddr, now: Instant) {
        self.with_record(address, now, |record| {
            if now >= record.since + FORGIVEN_AFTER {
                (record.mistakes, record.since) = (0, now);
            }
            record.mistakes = record.mistakes.saturating_add(1);
        });
    }

    /// Notes that a key from an address worked.
    pub fn note_success(&self, address: IpAddr, key: &str, now: Instant) {
        self.with_record(address, now, |record| {
            if record.worked.len() >= REMEMBERED {
                record.worked.clear();
            }
            record.worked.insert(hash(key));
        });
    }

    fn with_record(&self, address: IpAddr, now: Instant, change: impl FnOnce(&mut Record)) {
        if self.limit.is_none() {
            return;
        }
        let mut addresses = lock(&self.addresses);
        if !addresses.contains_key(&address) {
            forget_oldest(&mut addresses, |record| record.last);
        }
        let record = addresses.entry(address).or_insert_with(|| Record {
            mistakes: 0,
            since: now,
            last: now,
            worked: HashSet::new(),
        });
        record.last = now;
        change(record);
    }
}

fn hash(key: &str) -> [u8; 32] {
    Sha256::digest(key).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    const THERE: IpAddr = IpAddr::V6(std::net::Ipv6Addr::LOCALHOST);

    #[test]
    fn a_key_has_its_burst_and_then_its_rate_and_says_how_long_to_wait() {
        let of = |number| NonZeroU32::new(number).unwrap();
        let rates = Rates::new(Some(RateLimit { per_second: of(2), burst: of(4) }));
        let start = Instant::now();
        let after = |milliseconds| start + Duration::from_millis(milliseconds);
        let taken = |key, at| (0..10).take_while(|_| rates.take(key, at).is_ok()).count();

        assert_eq!((taken("one", start), taken("two", start)), (4, 4), "each key has a bucket of its own");
        let refused = rates.take("one", after(100)).unwrap_err();
        assert_eq!((refused.detail.code.as_str(), refused.retry_after), ("rate_limited", Some(1)));
        assert_eq!(refused.detail.details["retryAfter"], 1);
        assert_eq!((taken("one", after(500)), taken("one", after(1_500)), taken("one", after(60_000))), (1, 2, 4));
    }

    #[test]
    fn row_39_wrong_keys_are_counted_by_address_and_a_key_that_worked_goes_on() {
        let (guard, start) = (Guard::new(NonZeroU32::new(20)), Instant::now());
        guard.note_success(HERE, "good", start);
        for _ in 0..20 {
            guard.check(HERE, "wrong", start).unwrap();
            guard.note_failure(HERE, start);
        }

        let refused = guard.check(HERE, "wrong", start + Duration::from_secs(10)).unwrap_err();
        assert_eq!((refused.detail.code.as_str(), refused.retry_after), ("rate_limited", Some(50)));
        guard.check(HERE, "good", start).unwrap();
        guard.check(THERE, "wrong", start).unwrap();
        guard.check(HERE, "wrong", start + FORGIVEN_AFTER).unwrap();
    }

    #[test]
    fn what_is_remembered_of_addresses_is_bounded() {
        let (guard, start) = (Guard::new(NonZeroU32::new(20)), Instant::now());

        for number in 0..50_000_u32 {
            guard.note_failure(IpAddr::V4(number.into()), start + Duration::from_millis(number.into()));
        }

        let addresses = lock(&guard.addresses);
        assert!(addresses.len() <= REMEMBERED, "{}", addresses.len());
        assert!(addresses.contains_key(&IpAddr::V4(49_999.into())), "the last ones are those that are remembered");
    }
}
