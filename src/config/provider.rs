//! A provider, described.

use std::{any::type_name, fmt, sync::Arc};

use serde::{Deserialize, Deserializer};

use super::table::{self, Fault, Table};
use crate::{
    Error,
    oauth2::OAuth2,
    provider::{BoxProvider, Provider, ProviderError},
    vendor::{Dressipi, Immersve, ImmersveApiKey, Marketiger3D, VmwareCsp},
};

/// A provider as a configuration describes it: one vendor's, or with `ProviderConfig` alone that of
/// the vendor which the field `vendor` names. The fields are in the [module's documentation](super).
///
/// Reading one looks nothing up, so it can be checked where its secrets are not.
///
/// ```
/// use tower_reauth::{AuthLayer, config::ProviderConfig, vendor::Marketiger3D};
///
/// # fn main() -> Result<(), tower_reauth::BoxError> {
/// let any: ProviderConfig = serde_json::from_str(r#"{"vendor": "marketiger3d"}"#)?;
/// let one: ProviderConfig<Marketiger3D> = serde_json::from_str("{}")?;
/// let auth = AuthLayer::builder(one.provider()?);
/// # let _ = (any, auth);
/// # Ok(())
/// # }
/// ```
pub struct ProviderConfig<P = BoxProvider> {
    make: Arc<Make<P>>,
}

type Make<P> = dyn Fn() -> Result<P, ProviderError> + Send + Sync;

/// A provider that a configuration can describe. Only this crate's can: one of your own has a
/// configuration of your own, which may hold a [`SecretSource`](super::SecretSource).
#[expect(private_bounds, reason = "what it takes is nobody else's")]
pub trait Configured: Provider + Described {}

/// What it takes.
pub(super) trait Described: Sized {
    /// Reads its fields. `beside` are those of others, in the same table.
    fn read(table: &mut Table, beside: &[&str]) -> Result<ProviderConfig<Self>, Fault>;
}

// === impl ProviderConfig ===

impl<P: Provider> ProviderConfig<P> {
    pub(super) fn new(make: impl Fn() -> Result<P, ProviderError> + Send + Sync + 'static) -> Self {
        Self {
            make: Arc::new(make),
        }
    }

    /// The provider, once its secrets were found: one that is missing is said here, and not at the
    /// first call. Those that are exchanged are looked up again for each exchange.
    ///
    /// # Errors
    ///
    /// *Misconfigured*, naming the secret, and what to do.
    pub fn provider(&self) -> Result<P, Error> {
        (self.make)().map_err(Error::misconfigured)
    }

    fn boxed(self) -> ProviderConfig {
        ProviderConfig::new(move || (self.make)().map(BoxProvider::new))
    }
}

impl Described for BoxProvider {
    fn read(table: &mut Table, beside: &[&str]) -> Result<ProviderConfig, Fault> {
        type Read = fn(&mut Table, &[&str]) -> Result<ProviderConfig, Fault>;
        fn of<P: Configured>(table: &mut Table, beside: &[&str]) -> Result<ProviderConfig, Fault> {
            P::read(table, beside).map(ProviderConfig::boxed)
        }
        let vendors: [(&str, Read); 6] = [
            ("immersve", of::<Immersve>),
            ("immersve-api-key", of::<ImmersveApiKey>),
            ("dressipi", of::<Dressipi>),
            ("marketiger3d", of::<Marketiger3D>),
            ("vmware-csp", of::<VmwareCsp>),
            ("oauth2", of::<OAuth2>),
        ];
        let read = table.choice("vendor", &vendors)?;
        let read = read.ok_or_else(|| table.missing("vendor"))?;
        read(table, beside)
    }
}

impl Configured for BoxProvider {}
impl Configured for Immersve {}
impl Configured for ImmersveApiKey {}
impl Configured for Dressipi {}
impl Configured for Marketiger3D {}
impl Configured for VmwareCsp {}
impl Configured for OAuth2 {}

impl<'de, P: Configured> Deserialize<'de> for ProviderConfig<P> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        table::read(deserializer, |mut table| P::read(&mut table, &[]))
    }
}

impl<P> Clone for ProviderConfig<P> {
    fn clone(&self) -> Self {
        Self {
            make: Arc::clone(&self.make),
        }
    }
}

impl<P> fmt::Debug for ProviderConfig<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProviderConfig")
            .field("provider", &type_name::<P>())
            .finish_non_exhaustive()
    }
}
