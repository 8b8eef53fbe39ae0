//! What came of a check, and what to do.

use std::fmt;

use tower_reauth::Error;

/// What came of a check. It holds no secret: our errors do not, and of those of the `toml` crate only
/// the message is taken, since the rest shows the line.
#[derive(Debug)]
pub(crate) enum Verdict {
    Right,
    /// The configuration cannot be read.
    Unreadable(String),
    /// A setting, or a secret's place, is wrong.
    Setting(String),
    /// The credential is no good, or not any more.
    Credential(String),
    /// The vendor asks for a pause.
    Pause(String),
    /// Nobody answered, or nobody knows what became of it.
    Unanswered(String),
}

// === impl Verdict ===

impl Verdict {
    pub(crate) fn unreadable(error: &toml::de::Error, toml: &str) -> Self {
        let before = error.span().and_then(|span| toml.get(..span.start));
        let message = error.message();
        Self::Unreadable(match before {
            Some(before) if !message.starts_with('`') => {
                format!("line {}: {message}", before.matches('\n').count() + 1)
            }
            _ => message.to_owned(),
        })
    }

    pub(crate) fn of(error: &Error) -> Self {
        let said = error.to_string();
        match error {
            _ if error.is_login_required() => Self::Credential(said),
            _ if error.is_misconfigured() => Self::Setting(said),
            _ if error.is_throttled() => Self::Pause(said),
            _ => Self::Unanswered(said),
        }
    }

    fn parts(&self) -> (&str, &str, &str) {
        match self {
            Self::Right => ("right", "the vendor gave a token", "nothing"),
            Self::Unreadable(said) => (
                "unreadable",
                said,
                "correct that field; the manual, `config`, shows all of each vendor",
            ),
            Self::Setting(said) => (
                "wrong setting",
                said,
                "correct what is named there; nothing was spent",
            ),
            Self::Credential(said) => (
                "no good credential",
                said,
                "log in again, or make a new API token, and put it where the configuration says",
            ),
            Self::Pause(said) => ("throttled", said, "wait, and check again"),
            Self::Unanswered(said) => (
                "no answer",
                said,
                "look at the URL (`base_url`, `token_endpoint`) and the network, and check again",
            ),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (verdict, said, advice) = self.parts();
        write!(f, "{verdict}: {said}\n  do: {advice}")
    }
}
