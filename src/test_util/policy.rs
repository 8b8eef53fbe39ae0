//! How tokens look and how long they live, and the making of such tokens.

use std::{sync::Arc, time::Duration};

use super::{
    book::{Access, Book, Refresh},
    sessions::Sessions,
    signer::{Claims, NumericDate, Purpose},
};
use crate::clock::Clock;

/// How tokens look and how long they live.
#[derive(Clone, Debug)]
pub(super) struct Policy {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) access: AccessStyle,
    pub(super) access_lifetime: Duration,
    pub(super) refresh: RefreshStyle,
    pub(super) refresh_lifetime: Duration,
    /// For how long a spent refresh token may be spent again.
    pub(super) grace: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AccessStyle {
    Jwt,
    JwtWithoutExp,
    Opaque,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RefreshStyle {
    Jwt,
    /// Base64 with padding, two dashes, hexadecimal digits: has to be encoded in a form.
    DashedHex,
    Opaque,
}

// === impl Sessions ===

impl Sessions {
    pub(super) fn issue_access(&self, book: &mut Book, session: u64) -> String {
        let number = book.next_access;
        book.next_access += 1;
        let (iat, exp) = NumericDate::span(self.unix(), self.policy.access_lifetime);
        let jti = format!("{number}-{}", random_hex(8));
        match self.policy.access {
            AccessStyle::Jwt => self.sign(Purpose::Access, session, jti, iat, Some(exp)),
            AccessStyle::JwtWithoutExp => self.sign(Purpose::Access, session, jti, iat, None),
            AccessStyle::Opaque => {
                let access = Access {
                    number,
                    session,
                    expires: exp,
                };
                let token = random_hex(32);
                book.opaque.insert(token.clone(), access);
                token
            }
        }
    }

    pub(super) fn issue_refresh(&self, book: &mut Book, session: u64) -> String {
        let (iat, exp) = NumericDate::span(self.unix(), self.policy.refresh_lifetime);
        let token = match self.policy.refresh {
            RefreshStyle::Jwt => {
                self.sign(Purpose::Refresh, session, random_hex(16), iat, Some(exp))
            }
            RefreshStyle::DashedHex => dashed_hex(),
            RefreshStyle::Opaque => random_hex(32),
        };
        let refresh = Refresh {
            session,
            expires: exp,
            spent: None,
        };
        book.refresh.insert(token.clone(), refresh);
        token
    }

    pub(super) fn sign(
        &self,
        purpose: Purpose,
        sid: u64,
        jti: String,
        iat: NumericDate,
        exp: Option<NumericDate>,
    ) -> String {
        let sub = format!("user-{sid}");
        self.signer.sign(&Claims {
            sub,
            jti,
            sid,
            purpose,
            iat,
            exp,
        })
    }
}

/// Like the vendor's sample, always with characters that a form has to encode.
fn dashed_hex() -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    // These two bytes and the length give a plus, a slash and padding.
    let mut bytes = vec![0xfb, 0xef, 0xff];
    bytes.extend((0..25).map(|_| fastrand::u8(..)));
    format!("{}--{}", STANDARD.encode(bytes), random_hex(20))
}

pub(super) fn random_hex(bytes: usize) -> String {
    (0..bytes)
        .map(|_| format!("{:02x}", fastrand::u8(..)))
        .collect()
}
