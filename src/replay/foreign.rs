//! Boxed bodies of other crates, each where its feature is on.

#[cfg(feature = "axum")]
mod axum {
    use axum_core::{Error, body::Body};
    use bytes::Bytes;
    use http_body_util::combinators::UnsyncBoxBody;

    use crate::replay::{
        boxed::{Abort, Boxed},
        resumed::Resumed,
        tee::{Aborted, Tee},
    };

    impl Boxed for Body {
        type Within = Error;

        fn empty() -> Self {
            Self::empty()
        }

        fn tee(tee: Tee<Self>) -> Self {
            // The box that is in this body: it is taken as it is, and not put into another.
            Self::new(UnsyncBoxBody::<Bytes, Error>::new(tee))
        }

        fn resumed(resumed: Resumed<Self>) -> Self {
            Self::new(UnsyncBoxBody::<Bytes, Error>::new(resumed))
        }

        fn within(error: Error) -> Error {
            error
        }
    }

    impl Abort for Error {
        fn aborted() -> Option<Self> {
            Some(Self::new(Aborted))
        }
    }
}

#[cfg(feature = "https")]
mod hyper {
    use hyper::Error;

    use crate::replay::boxed::Abort;

    impl Abort for Error {
        /// Only hyper makes one.
        fn aborted() -> Option<Self> {
            None
        }
    }
}

#[cfg(feature = "reqwest")]
mod reqwest {
    use reqwest::{Body, Error};

    use crate::{
        error::BoxError,
        replay::{boxed::Boxed, resumed::Resumed, tee::Tee},
    };

    impl Boxed for Body {
        type Within = BoxError;

        fn empty() -> Self {
            Self::default()
        }

        fn tee(tee: Tee<Self>) -> Self {
            Self::wrap(tee)
        }

        fn resumed(resumed: Resumed<Self>) -> Self {
            Self::wrap(resumed)
        }

        fn within(error: Error) -> BoxError {
            error.into()
        }
    }
}

#[cfg(feature = "tonic")]
mod tonic {
    use bytes::Bytes;
    use http_body_util::combinators::UnsyncBoxBody;
    use tonic::{Status, body::Body};

    use crate::replay::{
        boxed::{Abort, Boxed},
        resumed::Resumed,
        tee::{Aborted, Tee},
    };

    impl Boxed for Body {
        type Within = Status;

        fn empty() -> Self {
            Self::empty()
        }

        fn tee(tee: Tee<Self>) -> Self {
            // The box that is in this body: it is taken as it is, and not put into another.
            Self::new(UnsyncBoxBody::<Bytes, Status>::new(tee))
        }

        fn resumed(resumed: Resumed<Self>) -> Self {
            Self::new(UnsyncBoxBody::<Bytes, Status>::new(resumed))
        }

        fn within(status: Status) -> Status {
            status
        }
    }

    impl Abort for Status {
        fn aborted() -> Option<Self> {
            Some(Self::from_error(Aborted.into()))
        }
    }
}

#[cfg(test)]
#[cfg(all(feature = "axum", feature = "reqwest", feature = "tonic"))]
mod tests;
