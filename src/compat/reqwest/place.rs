//! Where a URL of reqwest is.

use ::reqwest::Url;

use crate::{
    attach,
    layer::Core,
    provider::{OriginIndex, Origins},
};

/// Which declared origin `url` is at. One without a host is at none: unlike a URI of the `http`
/// crate, it never stands for the one peer of a connection.
pub(super) fn origin_of(core: &Core, url: &Url) -> Option<OriginIndex> {
    find(&core.session.profile().origins, url)
}

/// Which of the origins that came with a token `url` is at.
pub(super) fn origin_by(core: &Core, brought: &Origins, url: &Url) -> Option<OriginIndex> {
    let profile = core.session.profile();
    attach::origin_of_token(profile, brought, |origins| find(origins, url))
}

pub(super) fn find(origins: &Origins, url: &Url) -> Option<OriginIndex> {
    origins.find_parts(url.scheme(), url.host_str()?, url.port_or_known_default())
}

/// Whether `url` is where a response came from, and not what reqwest makes up for one that was
/// converted from the `http` crate's and never sent.
pub(super) fn is_told(url: &Url) -> bool {
    url.as_str() != "http://no.url.provided.local/"
}
