//! What a browser brings back from a login.

use crate::{provider::ProviderError, token::Secret};

/// The parameters of the address that the browser was sent to. Anybody can make one.
pub(super) struct Callback(Vec<(String, Secret)>);

/// What the login that is under way expects.
pub(super) struct Expected<'a> {
    pub(super) state: &'a Secret,
    pub(super) issuer: Option<&'a str>,
    /// The server is known to say who it is.
    pub(super) names_issuer: bool,
}

// === impl Callback ===

impl Callback {
    /// Of an address or of its query.
    pub(super) fn read(callback: &str) -> Self {
        let callback = callback.split('#').next().unwrap_or_default();
        let query = callback
            .split_once('?')
            .map_or(callback, |(_, query)| query);
        let pairs = form_urlencoded::parse(query.as_bytes());
        Self(
            pairs
                .map(|(name, value)| (name.into_owned(), Secret::from(value.into_owned())))
                .collect(),
        )
    }

    /// The code in it, if it is this login's. The state is looked at first: what another request
    /// brought is not even an error of this one.
    pub(super) fn code(&self, expected: &Expected<'_>) -> Result<Secret, ProviderError> {
        let state = self.one("state")?;
        if !state.is_some_and(|state| is_same(state, expected.state)) {
            return Err(ProviderError::refused(
                "the callback does not belong to this login (its state is another one): begin anew",
            ));
        }
        self.check_issuer(expected)?;
        if let Some(error) = self.one("error")? {
            return Err(said_no(error.expose()));
        }
        let code = self.one("code")?.filter(|code| !code.is_empty());
        code.cloned()
            .ok_or_else(|| ProviderError::refused("the callback holds no code: begin anew"))
    }

    /// RFC 9207, section 2.4.
    fn check_issuer(&self, expected: &Expected<'_>) -> Result<(), ProviderError> {
        let Some(known) = expected.issuer else {
            return Ok(());
        };
        match self.one("iss")? {
            Some(issuer) if issuer.expose() == known => Ok(()),
            None if !expected.names_issuer => Ok(()),
            _ => Err(ProviderError::refused(
                "the callback is not from the server that this login was begun at: \
                 the code is not shown to anybody; begin anew",
            )),
        }
    }

    fn one(&self, name: &str) -> Result<Option<&Secret>, ProviderError> {
        let mut all = self.0.iter().filter(|(known, _)| known == name);
        let first = all.next().map(|(_, value)| value);
        match all.next() {
            None => Ok(first),
            Some(_) => Err(ProviderError::refused(
                "the callback holds a parameter twice: it is not the server's; begin anew",
            )),
        }
    }
}

/// In a time that does not depend on where they differ.
fn is_same(one: &Secret, other: &Secret) -> bool {
    let (one, other) = (one.expose().as_bytes(), other.expose().as_bytes());
    let differing = one.iter().zip(other).fold(0, |sum, (a, b)| sum | (a ^ b));
    one.len() == other.len() && differing == 0
}

/// RFC 6749, section 4.1.2.1. Only what is spelt here is shown.
fn said_no(error: &str) -> ProviderError {
    match error {
        "access_denied" => {
            ProviderError::refused("the person, or the server, has refused the login")
                .code("access_denied")
        }
        "server_error" | "temporarily_unavailable" => {
            ProviderError::transient("the server asks to try the login again later")
        }
        _ => ProviderError::misconfigured(
            "the server does not take the authorization request: \
             check the client id, the redirect URI, the scope and the resource",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::FailureKind;

    fn code(callback: &str, names_issuer: bool) -> Result<String, FailureKind> {
        let state = Secret::from("canary");
        let expected = Expected {
            state: &state,
            issuer: Some("https://id.example"),
            names_issuer,
        };
        let code = Callback::read(callback).code(&expected);
        code.map(|code| code.expose().to_owned()).map_err(|error| {
            assert!(!format!("{error} {error:?}").contains("canary"));
            error.kind()
        })
    }

    #[test]
    fn a_code_is_taken_from_an_address_or_its_query() {
        let query = "code=a%2Fb&state=canary&iss=https%3A%2F%2Fid.example&more=1";
        for callback in [query.to_owned(), format!("http://127.0.0.1/back?{query}#x")] {
            assert_eq!(code(&callback, true).as_deref(), Ok("a/b"));
        }
    }

    #[test]
    fn a_callback_of_another_login_is_refused_whatever_it_brings() {
        for callback in [
            "code=a",
            "code=a&state=canar",
            "code=a&state=canary&state=canary",
            "code=a&state=Canary",
            "error=invalid_request&state=other",
            "code=a&code=b&state=canary",
            "code=&state=canary",
            "state=canary",
            "",
        ] {
            assert_eq!(
                code(callback, false),
                Err(FailureKind::Refused),
                "{callback}"
            );
        }
    }

    #[test]
    fn a_callback_of_another_issuer_is_refused() {
        let with = |issuer: &str| format!("code=a&state=canary&iss={issuer}");
        assert_eq!(code(&with("https://id.example"), false).as_deref(), Ok("a"));
        for other in ["https://id.example/", "https://evil.example", ""] {
            assert_eq!(
                code(&with(other), false),
                Err(FailureKind::Refused),
                "{other}"
            );
        }
        // Where the server always says who it is, silence is somebody else's.
        assert_eq!(code("code=a&state=canary", false).as_deref(), Ok("a"));
        assert_eq!(code("code=a&state=canary", true), Err(FailureKind::Refused));
    }

    #[test]
    fn an_error_in_a_callback_is_told_by_its_code_and_not_shown() {
        for (error, kind) in [
            ("access_denied", FailureKind::Refused),
            ("temporarily_unavailable", FailureKind::Transient),
            ("invalid_scope", FailureKind::Misconfigured),
            ("canary", FailureKind::Misconfigured),
        ] {
            let callback = format!("error={error}&error_description=canary&state=canary");
            assert_eq!(code(&callback, false), Err(kind), "{error}");
        }
    }
}
