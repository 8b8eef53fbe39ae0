//! Sending a request a second time.
//!
//! A refused request is sent once more with a newer token, if there is a second copy of it: a
//! *spare*. That of the head is a clone, taken before the first sending. That of the body depends
//! on its type, which is recognised at run time, so that no bound and no type parameter is needed;
//! the check is a constant in optimised builds.
//!
//! | body | its spare |
//! | --- | --- |
//! | `Empty<Bytes>`, `Full<Bytes>`, `Bytes` | a clone, which shares the bytes |
//! | `String` | a copy, up to the cap |
//! | `BoxBody<Bytes, E>`, `UnsyncBoxBody<Bytes, E>`, where `E` is [`BoxError`](crate::BoxError) or `io::Error` | what was sent is kept up to the cap, while it is sent; the rest is read by the second sending |
//! | `axum::body::Body` (feature `axum`), `reqwest::Body` (feature `reqwest`), `tonic::body::Body` (feature `tonic`) | the same |
//! | `BoxBody<Bytes, E>`, `UnsyncBoxBody<Bytes, E>`, where `E` is `Infallible` or `hyper::Error` (feature `https`) | the same, but only if the body was sent whole before the refusal came |
//! | a type that was [registered](crate::layer::AuthLayerBuilder::replay_body) | what its function returns |
//! | any other | none |
//!
//! Nothing is held back: the first frame goes out before the last is made. Frames are kept by
//! reference and let go as soon as there is a response that is no refusal, or when they exceed the
//! [cap](crate::layer::AuthLayerBuilder::replay_cap): the sending goes on then, and only the replay
//! is given up. Where a refusal comes before the body was sent whole, the first sending waits for
//! the newer token as well. With one, it ends with an error, never as if half a body were all of
//! it, and the second sends what the first had and then goes on. Without one, it goes on itself.
//! An error type that nothing but hyper can make, or nobody, leaves no way to say that: such a
//! sending is not cut off, and the refusal goes to the caller.
//!
//! A request without a spare is sent as it is; if it is refused, the exchange still happens, and
//! the response goes to the caller. What became of a refused request is said by [`Replay`], on its
//! response.

mod boxed;
mod foreign;
mod outcome;
mod resumed;
mod spare;
mod tee;

use http::Request;

pub use self::outcome::Replay;
pub(crate) use self::spare::{Bodies, Spare};

/// The head of `request`, for another body.
pub(crate) fn head<B>(request: &Request<B>) -> Request<()> {
    let mut head = Request::new(());
    *head.method_mut() = request.method().clone();
    *head.uri_mut() = request.uri().clone();
    *head.version_mut() = request.version();
    *head.headers_mut() = request.headers().clone();
    *head.extensions_mut() = request.extensions().clone();
    head
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spare_has_the_whole_head() {
        let mut request = Request::put("https://api.example.com/1?q")
            .header("x-a", "b")
            .body(String::new())
            .unwrap();
        request.extensions_mut().insert(7_u8);
        *request.version_mut() = http::Version::HTTP_2;
        let spare = head(&request);
        assert_eq!(spare.method(), request.method());
        assert_eq!(spare.uri(), request.uri());
        assert_eq!(spare.headers(), request.headers());
        assert_eq!(spare.version(), request.version());
        assert_eq!(spare.extensions().get::<u8>(), Some(&7));
    }
}
