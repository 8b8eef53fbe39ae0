//! What servers have said about the proofs that they want.

use std::{
    collections::HashMap,
    fmt,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::UNIX_EPOCH,
};

use http::{HeaderMap, header::DATE};

use crate::{
    clock::Moment,
    provider::{ProofFault, Told},
};

/// The latest word of each server: nonces of one are of no use at another.
pub(super) struct Nonces<K>(Mutex<HashMap<K, Told>>);

// === impl Nonces ===

impl<K: Eq + Hash + Clone> Nonces<K> {
    pub(super) fn told(&self, server: &K) -> Option<Told> {
        self.lock().get(server).cloned()
    }

    /// Takes note of what a response says, whatever its status (RFC 9449, section 8.2). Gives what the
    /// next proof has to look like, where this one was not good and another may be.
    pub(super) fn hear(
        &self,
        server: &K,
        headers: &HeaderMap,
        fault: Option<ProofFault>,
        now: Moment,
    ) -> Option<Told> {
        let nonce = nonce(headers);
        if nonce.is_none() && fault.is_none() {
            return None;
        }
        let mut servers = self.lock();
        let mut told = servers.get(server).cloned().unwrap_or_default();
        if nonce.is_some_and(|nonce| told.nonce.as_deref() != Some(nonce)) {
            told.nonce = nonce.map(Arc::from);
        }
        let helps = match fault {
            Some(ProofFault::Nonce) => nonce.is_some(),
            Some(ProofFault::Invalid) => told.learn_the_time(headers, now),
            None => false,
        };
        if servers.len() >= SERVERS && !servers.contains_key(server) {
            // Any other: it costs that one's next request a challenge.
            let other = servers.keys().next().cloned();
            other.and_then(|other| servers.remove(&other));
        }
        servers.insert(server.clone(), told.clone());
        helps.then_some(told)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, Told>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K> Default for Nonces<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K> fmt::Debug for Nonces<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nonces").finish_non_exhaustive()
    }
}

// === impl Told ===

impl Told {
    /// Goes by the server's clock from now on, where that is another one. Only a refused proof says
    /// so: the date of any other response may be that of a cache.
    fn learn_the_time(&mut self, headers: &HeaderMap, now: Moment) -> bool {
        let Some(date) = date(headers) else {
            return false;
        };
        let own = i64::try_from(now.unix().as_secs()).unwrap_or(i64::MAX);
        let ahead = date.saturating_sub(own);
        let differs = ahead.abs_diff(self.ahead) > TOLERATED;
        if differs {
            self.ahead = ahead;
        }
        differs
    }
}

/// The nonce in a response, if there is one that makes sense (RFC 9449, section 8.1).
fn nonce(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all("dpop-nonce").iter();
    let (first, second) = (all.next()?, all.next());
    let nonce = first.to_str().ok().filter(|_| second.is_none())?;
    let is_allowed = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\');
    let good = !nonce.is_empty() && nonce.len() <= LONGEST && nonce.bytes().all(is_allowed);
    good.then_some(nonce)
}

fn date(headers: &HeaderMap) -> Option<i64> {
    let date = httpdate::parse_http_date(headers.get(DATE)?.to_str().ok()?).ok()?;
    i64::try_from(date.duration_since(UNIX_EPOCH).ok()?.as_secs()).ok()
}

/// Far more than anybody needs, and not too much for a header.
const LONGEST: usize = 1024;
/// How many seconds clocks may differ by: a date is of whole seconds, and has travelled.
const TOLERATED: u64 = 5;
/// Whose words are kept at once. Origins may come with tokens, and so from a server.
const SERVERS: usize = 1024;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::HeaderValue;

    use super::*;

    const NOW: Moment = Moment::new(Duration::ZERO, Duration::from_secs(784_111_777));

    fn says(name: &'static str, value: &'static str) -> HeaderMap {
        let value = HeaderValue::from_static(value);
        [(http::HeaderName::from_static(name), value)]
            .into_iter()
            .collect()
    }

    fn nonce_of(told: Option<Told>) -> Option<String> {
        Some(told?.nonce?.to_string())
    }

    #[test]
    fn a_nonce_is_kept_for_the_server_that_gave_it_whatever_the_status() {
        let nonces = Nonces::default();
        assert_eq!(nonces.hear(&1, &says("dpop-nonce", "n1"), None, NOW), None);
        assert_eq!(nonce_of(nonces.told(&1)).as_deref(), Some("n1"));
        assert_eq!(nonces.told(&2), None);
        nonces.hear(&1, &HeaderMap::new(), None, NOW);
        assert_eq!(
            nonce_of(nonces.told(&1)).as_deref(),
            Some("n1"),
            "the last one stays good"
        );
        nonces.hear(&1, &says("dpop-nonce", "n2"), None, NOW);
        assert_eq!(nonce_of(nonces.told(&1)).as_deref(), Some("n2"));
    }

    #[test]
    fn a_challenge_is_worth_an_answer_only_with_a_nonce_in_it() {
        let nonces = Nonces::default();
        let fault = Some(ProofFault::Nonce);
        assert_eq!(nonces.hear(&1, &HeaderMap::new(), fault, NOW), None);
        let told = nonces.hear(&1, &says("dpop-nonce", "n1"), fault, NOW);
        assert_eq!(nonce_of(told).as_deref(), Some("n1"));
    }

    #[test]
    fn what_cannot_be_a_nonce_is_none() {
        let nonces = Nonces::default();
        let long: &'static str = "n".repeat(LONGEST + 1).leak();
        for bad in ["", "a b", "a\"b", "a\\b", "a\tb", long] {
            nonces.hear(&1, &says("dpop-nonce", bad), None, NOW);
            assert_eq!(nonce_of(nonces.told(&1)), None, "{bad:.20}");
        }
        let mut twice = says("dpop-nonce", "n1");
        twice.append("dpop-nonce", HeaderValue::from_static("n2"));
        nonces.hear(&1, &twice, None, NOW);
        assert_eq!(nonce_of(nonces.told(&1)), None);
    }

    #[test]
    fn the_servers_clock_counts_only_where_it_refused_a_proof_for_it() {
        // 784 111 777 seconds, and ten minutes more.
        let date = says("date", "Sun, 06 Nov 1994 08:59:37 GMT");
        let nonces = Nonces::default();
        nonces.hear(&1, &date, None, NOW);
        assert_eq!(nonces.told(&1), None);
        let told = nonces.hear(&1, &date, Some(ProofFault::Invalid), NOW);
        assert_eq!(told.map(|told| told.ahead), Some(600));
        // It has been told already: another proof would be no better.
        assert_eq!(nonces.hear(&1, &date, Some(ProofFault::Invalid), NOW), None);
        assert_eq!(nonces.told(&1).map(|told| told.ahead), Some(600));
    }

    #[test]
    fn only_so_many_servers_are_remembered_and_the_last_one_is() {
        let nonces = Nonces::default();
        for server in 0..3 * SERVERS {
            nonces.hear(&server, &says("dpop-nonce", "n1"), None, NOW);
            assert!(nonces.told(&server).is_some(), "{server}");
        }
        assert!(nonces.lock().len() <= SERVERS);
        nonces.hear(&0, &HeaderMap::new(), Some(ProofFault::Nonce), NOW);
        assert!(nonces.lock().len() <= SERVERS, "of those that say nothing");
    }
}
