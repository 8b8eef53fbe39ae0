//! Sending a request a second time.
//!
//! A refused request is sent once more with a newer token, if there is a second copy of it: a
//! *spare*, taken before the first sending. A spare of the head is a clone. A spare of the body is
//! to be had where the body is empty, or a whole buffer that is shared and not copied; the types
//! are recognised at run time, so that no bound and no type parameter is needed, and the check is a
//! constant in optimised builds. A body of any other kind is sent as it is; if its request is
//! refused, the exchange still happens, and the response goes to the caller. What became of a refused
//! request is said by [`Replay`], on its response.

mod outcome;

use std::{any::Any, convert::Infallible, io};

use bytes::Bytes;
use http::Request;
use http_body::Body;
use http_body_util::{
    BodyExt, Empty, Full,
    combinators::{BoxBody, UnsyncBoxBody},
};

pub use self::outcome::Replay;

use crate::error::BoxError;

/// A second copy of `request`, without the token, if it can honestly be sent twice.
pub(crate) fn spare<B: 'static>(request: &Request<B>) -> Option<Request<B>> {
    let mut spare = Request::new(spare_body(request.body())?);
    *spare.method_mut() = request.method().clone();
    *spare.uri_mut() = request.uri().clone();
    *spare.version_mut() = request.version();
    *spare.headers_mut() = request.headers().clone();
    *spare.extensions_mut() = request.extensions().clone();
    Some(spare)
}

fn spare_body<B: 'static>(body: &B) -> Option<B> {
    same_type(body, |_: &Empty<Bytes>| Some(Empty::new()))
        .or_else(|| same_type(body, |full: &Full<Bytes>| Some(full.clone())))
        .or_else(|| same_type(body, |text: &String| text.is_empty().then(String::new)))
        .or_else(|| boxed::<B, Infallible>(body))
        .or_else(|| boxed::<B, BoxError>(body))
        .or_else(|| boxed::<B, io::Error>(body))
}

/// Boxed bodies that are empty.
fn boxed<B: 'static, E: 'static>(body: &B) -> Option<B> {
    same_type(body, |body: &BoxBody<Bytes, E>| {
        body.is_end_stream()
            .then(|| BoxBody::new(Empty::new().map_err(never)))
    })
    .or_else(|| {
        same_type(body, |body: &UnsyncBoxBody<Bytes, E>| {
            body.is_end_stream()
                .then(|| UnsyncBoxBody::new(Empty::new().map_err(never)))
        })
    })
}

/// Calls `make` if `B` is `K`.
fn same_type<B: 'static, K: 'static>(body: &B, make: impl FnOnce(&K) -> Option<K>) -> Option<B> {
    let known = (body as &dyn Any).downcast_ref::<K>()?;
    let mut made = make(known);
    (&mut made as &mut dyn Any)
        .downcast_mut::<Option<B>>()?
        .take()
}

fn never<E>(error: Infallible) -> E {
    match error {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has_spare<B: 'static>(body: B) -> bool {
        spare(&Request::new(body)).is_some()
    }

    #[test]
    fn bodies_that_are_empty_or_shared_have_a_spare() {
        assert!(has_spare(Empty::<Bytes>::new()));
        assert!(has_spare(Full::new(Bytes::from_static(b"shared"))));
        assert!(has_spare(String::new()));
        assert!(has_spare(
            Empty::<Bytes>::new().map_err(never::<BoxError>).boxed()
        ));
        assert!(has_spare(
            Empty::<Bytes>::new()
                .map_err(never::<io::Error>)
                .boxed_unsync()
        ));
    }

    #[test]
    fn bodies_that_would_have_to_be_copied_or_read_have_none() {
        assert!(!has_spare(String::from("copied")));
        assert!(!has_spare(Full::new(Bytes::from_static(b"x")).boxed()));
        assert!(!has_spare(()));
    }

    #[test]
    fn a_spare_has_the_whole_head() {
        let mut request = Request::put("https://api.example.com/1?q")
            .header("x-a", "b")
            .body(String::new())
            .unwrap();
        request.extensions_mut().insert(7_u8);
        *request.version_mut() = http::Version::HTTP_2;
        let spare = spare(&request).unwrap();
        assert_eq!(spare.method(), request.method());
        assert_eq!(spare.uri(), request.uri());
        assert_eq!(spare.headers(), request.headers());
        assert_eq!(spare.version(), request.version());
        assert_eq!(spare.extensions().get::<u8>(), Some(&7));
    }
}
