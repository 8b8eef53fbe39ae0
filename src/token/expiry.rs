//! When a token dies, from what the vendor said and when it was asked. Pure.

use std::time::Duration;

use super::{Lifetime, Secret, Token, jwt};
use crate::clock::Moment;

/// When something dies, and how long its whole life is: windows scale with the latter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Expiry {
    pub(crate) at: Moment,
    pub(crate) lifetime: Duration,
}

/// Whether a token came out of an exchange just now, or from somewhere older.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Age {
    /// A reply to a request that was sent at this moment.
    Fresh { asked_at: Moment, now: Moment },
    /// A seed or a stored token, first seen now.
    Seed { now: Moment },
}

/// What a vendor stated, in our terms: zero is unknown, more than ten years is ten years.
pub(crate) fn stated(lifetime: Duration) -> Lifetime {
    match lifetime {
        Duration::ZERO => Lifetime::Unknown,
        some => Lifetime::In(some.min(LONGEST)),
    }
}

/// When the access token dies; none means that only a refusal will tell.
pub(crate) fn access(token: &Token, age: Age, default: Option<Duration>) -> Option<Expiry> {
    resolve(token.lifetime(), token.access_token()?, age, default)
}

/// When the refresh token dies; none means that nobody knows.
pub(crate) fn refresh(token: &Token, age: Age, default: Option<Duration>) -> Option<Expiry> {
    resolve(
        token.refresh_lifetime(),
        token.refresh_token()?,
        age,
        default,
    )
}

/// Whether nothing but the refresh token itself says when it dies: coming back unchanged, it does
/// not live longer.
pub(crate) fn refresh_tells_itself(token: &Token) -> bool {
    let refresh = token.refresh_token();
    token.refresh_lifetime() == Lifetime::Unknown
        && refresh.is_some_and(|refresh| jwt::claims(refresh.expose()).is_some())
}

fn resolve(
    stated: Lifetime,
    secret: &Secret,
    age: Age,
    default: Option<Duration>,
) -> Option<Expiry> {
    match stated {
        Lifetime::In(lifetime) => Some(age.expiry_in(lifetime)),
        Lifetime::At(wall) => {
            let at = Moment::at_wall(wall, age.now());
            let lifetime = at.remaining(age.counts_from());
            Some(Expiry { at, lifetime })
        }
        Lifetime::Unknown => from_jwt(secret, age).or_else(|| Some(age.expiry_in(default?))),
    }
}

/// A fresh JWT lives `exp - iat` from when it was asked for, whatever the vendor's clock shows; an
/// older one has only its absolute `exp`.
fn from_jwt(secret: &Secret, age: Age) -> Option<Expiry> {
    let claims = jwt::claims(secret.expose())?;
    let whole = claims.iat.and_then(|iat| claims.exp.checked_sub(iat));
    if let (Age::Fresh { .. }, Some(lifetime)) = (age, whole) {
        return Some(age.expiry_in(lifetime.min(LONGEST)));
    }
    let now = age.now();
    let ahead = claims.exp.saturating_sub(now.unix()).min(LONGEST);
    let behind = now.unix().saturating_sub(claims.exp);
    let at = now.after(ahead).before(behind);
    Some(Expiry {
        at,
        lifetime: whole.unwrap_or(ahead).min(LONGEST),
    })
}

// === impl Age ===

impl Age {
    pub(crate) fn now(self) -> Moment {
        match self {
            Age::Fresh { now, .. } | Age::Seed { now } => now,
        }
    }

    /// The moment that relative lifetimes count from.
    pub(crate) fn counts_from(self) -> Moment {
        match self {
            Age::Fresh { asked_at, .. } => asked_at,
            Age::Seed { now } => now,
        }
    }

    fn expiry_in(self, lifetime: Duration) -> Expiry {
        Expiry {
            at: self.counts_from().after(lifetime),
            lifetime,
        }
    }
}

/// Ten years. Longer lifetimes are taken for this one, so that no arithmetic has to be careful.
const LONGEST: Duration = Duration::from_secs(10 * 366 * 86_400);

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

    use super::*;

    const ASKED: Moment = Moment::new(Duration::from_secs(100), Duration::from_secs(10_000));

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn fresh() -> Age {
        Age::Fresh {
            asked_at: ASKED,
            now: ASKED.after(secs(3)),
        }
    }

    fn jwt(exp: u64, iat: Option<u64>) -> String {
        let iat = iat.map_or(String::new(), |iat| format!(",\"iat\":{iat}"));
        let payload = URL_SAFE_NO_PAD.encode(format!("{{\"exp\":{exp}{iat}}}"));
        format!("e30.{payload}.c2ln")
    }

    #[test]
    fn lifetimes_count_from_when_the_request_was_sent() {
        let token = Token::new("a").with_lifetime(secs(1799));
        let expiry = access(&token, fresh(), None).unwrap();
        assert_eq!(
            expiry,
            Expiry {
                at: ASKED.after(secs(1799)),
                lifetime: secs(1799)
            }
        );
    }

    #[test]
    fn a_fresh_jwt_is_not_bound_to_the_vendors_wall_clock() {
        // The vendor's clock is an hour behind ours: by `exp` alone the token would be dead.
        let token = Token::new(jwt(7_000, Some(6_400)));
        let expiry = access(&token, fresh(), None).unwrap();
        assert_eq!(expiry.at, ASKED.after(secs(600)));
    }

    #[test]
    fn a_seeds_jwt_dies_at_its_absolute_exp() {
        let seed = Age::Seed { now: ASKED };
        let alive = access(&Token::new(jwt(10_060, Some(9_460))), seed, None).unwrap();
        assert_eq!(
            alive,
            Expiry {
                at: ASKED.after(secs(60)),
                lifetime: secs(600)
            }
        );
        let dead = access(&Token::new(jwt(9_990, Some(9_000))), seed, None).unwrap();
        assert!(dead.at.reached(ASKED));
    }

    #[test]
    fn zero_is_unknown_and_falls_back_to_the_jwt_then_to_the_default() {
        let opaque = Token::new("opaque").with_lifetime(Duration::ZERO);
        assert_eq!(access(&opaque, fresh(), None), None);
        let defaulted = access(&opaque, fresh(), Some(secs(900))).unwrap();
        assert_eq!(defaulted.at, ASKED.after(secs(900)));
        let token = Token::new(jwt(10_300, Some(10_000))).with_lifetime(Duration::ZERO);
        assert_eq!(
            access(&token, fresh(), Some(secs(900))).unwrap().lifetime,
            secs(300)
        );
    }

    #[test]
    fn absurd_lifetimes_are_capped() {
        let token = Token::new("a").with_lifetime(Duration::MAX);
        assert_eq!(access(&token, fresh(), None).unwrap().lifetime, LONGEST);
        let token = Token::new(jwt(200_000_000_000, Some(1)));
        assert_eq!(access(&token, fresh(), None).unwrap().lifetime, LONGEST);
    }
}
