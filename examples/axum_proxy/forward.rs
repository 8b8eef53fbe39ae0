//! What a reverse proxy passes on, and what it keeps. `tests/stacks/proxy.rs` tests this file.

use axum::{Router, body::Body, extract::Request, response::Response};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, Version, header};
use http_body::Frame;
use http_body_util::BodyExt;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use tower::{Layer, ServiceExt};
use tower_reauth::{AuthLayer, Provider};

/// What is about the content. A list of what to leave out would lack the next API key's header.
const PASSED_ON: &str = "accept accept-encoding accept-language accept-ranges cache-control \
    content-encoding content-language content-length content-range content-type date etag \
    if-match if-none-match last-modified range retry-after vary";

/// Passes requests on to `api`, in the name of the session of `auth`.
pub(crate) fn proxy<P: Provider>(
    auth: &AuthLayer<P>,
    http: Client<HttpConnector, Body>,
    api: Uri,
) -> Router {
    let client = auth.layer(http);
    Router::new().fallback(async move |user: Request| {
        let answer = client.oneshot(onward(user, api)?).await;
        back(answer.or(Err(StatusCode::BAD_GATEWAY))?.map(Body::new))
    })
}

/// A user's request as the API may see it. Query and body are what the user asks for, and go on
/// as they are.
fn onward(user: Request, api: Uri) -> Result<Request, StatusCode> {
    let (mut head, body) = user.into_parts();
    // The one would be a tunnel of the user's own, the other would show it the proxy's token.
    if matches!(head.method, Method::CONNECT | Method::TRACE) {
        return Err(StatusCode::METHOD_NOT_ALLOWED);
    }
    let mut uri = api.into_parts();
    uri.path_and_query = head.uri.into_parts().path_and_query;
    head.uri = Uri::from_parts(uri).or(Err(StatusCode::BAD_REQUEST))?;
    head.headers = about_content(&head.headers);
    let via = match head.version {
        Version::HTTP_2 => "2 proxy",
        _ => "1.1 proxy",
    };
    head.headers
        .insert(header::VIA, HeaderValue::from_static(via));
    // The client speaks what it speaks with the API.
    head.version = Version::default();
    Ok(Request::from_parts(head, without_trailers(body)))
}

/// The API's answer as a user may see it.
///
/// A refusal of the proxy's token is none of the user: told of it, the user would look for the
/// fault in what it showed itself. It is the proxy that failed. And a cookie, or a policy of the
/// API's origin, would be taken for the proxy's own.
fn back(answer: Response) -> Result<Response, StatusCode> {
    let (mut head, body) = answer.into_parts();
    match head.status {
        StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
            return Err(StatusCode::BAD_GATEWAY);
        }
        _ => head.headers = about_content(&head.headers),
    }
    head.version = Version::default();
    Ok(Response::from_parts(head, without_trailers(body)))
}

/// Headers without credentials, and without what is of one connection (RFC 9110, section 7.6.1).
fn about_content(headers: &HeaderMap) -> HeaderMap {
    let of_connection = headers.get_all(header::CONNECTION).into_iter();
    let of_connection = of_connection.filter_map(|value| value.to_str().ok());
    let named: Vec<_> = of_connection.flat_map(|value| value.split(',')).collect();
    let passes = |name: &HeaderName| {
        PASSED_ON.split(' ').any(|passed| name == passed)
            && !named.iter().any(|named| name == named.trim())
    };
    let passed = headers.iter().filter(|(name, _)| passes(name));
    let passed = passed.map(|(name, value)| (name.clone(), value.clone()));
    passed.collect()
}

/// A body while it is made. Its trailers are headers that nobody looked through, and no `te` asked
/// for them.
fn without_trailers(body: Body) -> Body {
    let data = |frame: Frame<_>| Frame::data(frame.into_data().unwrap_or_default());
    Body::new(body.map_frame(data))
}
