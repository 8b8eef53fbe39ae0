//! The vendors, one by one: where the first credential comes from, which settings there are, what an
//! error means and what to do, and what of it is the vendor's word.
//!
//! Errors are [`Error`](crate::Error)s; the code in the first column is shown in the
//! text of its [`provider_error`](crate::Error::provider_error); programs go by the predicates of
//! `Error`. Nothing else of what a vendor says is ever shown: its text is behind
//! [`vendor_said`](crate::provider::ProviderError::vendor_said), since it may hold a piece of a
//! credential.
//!
//! All four adapters were built from public documents, and tried against simulators made from the same
//! documents, not against the live services.
//!
//! # Immersve
//!
//! Adapter: [`vendor::Immersve`](crate::vendor::Immersve). Source: the vendor's public documentation,
//! repository `immersve/immersve-docs`, and the OpenAPI document in it.
//!
//! **First credential.** A cardholder logs in with a wallet. Either your front end does that, and hands the
//! pair of tokens to the builder's [`initial`](crate::layer::AuthLayerBuilder::initial) or to
//! [`replace`](crate::handle::AuthHandle::replace); or the layer does, where it is told how to sign:
//! [`login`](crate::vendor::Immersve::login), with the text of the vendor handed to your signer as it
//! comes (SIWE, Algorand or XRPL). Partners with an API key need no session:
//! [`ImmersveApiKey`](crate::vendor::ImmersveApiKey).
//!
//! **Settings.** The id of the client application, and one of the origins that it allows: the token
//! endpoint asks for an `Origin` header although no browser is involved.
//! [`test_environment`](crate::vendor::Immersve::test_environment) for the vendor's sandbox,
//! [`account_id`](crate::vendor::Immersve::account_id) for the account that calls are about.
//!
//! | code | at | means | do |
//! | --- | --- | --- | --- |
//! | `REFRESH_TOKEN_EXPIRED` | refresh, 403 | too old, or used before | log in again |
//! | `CLIENT_APPLICATION_MISMATCH` | refresh, 403 | it belongs to another client application | correct the id |
//! | `ORIGIN_NOT_ALLOWED` | refresh, 403 | the client application does not know this origin | correct the origin, or allow it at the vendor's |
//! | `INVALID_REQUEST_INPUT` | refresh, 400 | the request is not understood | correct the id |
//! | `FORBIDDEN` | refresh, 403 | not allowed, for no reason that is said | ask the vendor |
//! | `INVALID_SIGNATURE` | login, 403 | the wallet signed something else, or is another one | correct the signer; no login is made by itself any more |
//! | `ACCOUNT_DOES_NOT_EXIST` | login, 403 | nobody has signed up with this wallet | sign up, or [`auto_signup`](crate::vendor::ImmersveLogin::auto_signup); no login is made by itself any more |
//! | `CHALLENGE_EXPIRED` | login, 403 | signing took too long | nothing: the next call gets another text to sign |
//! | `CLIENT_APPLICATION_DOMAIN_NOT_ALLOWED`, `INVALID_CHAIN` | login, 403 | a setting | correct the address of the application, or the network |
//! | 429 | anywhere | too many requests | nothing: the layer waits as long as it is told, for all its sessions, since token requests are counted by address |
//!
//! **Why is a 403 of the API not refreshed?** Because it says nothing about the token. Immersve answers
//! 401 when the token is missing, expired or not valid, and 403 when something is missing, is not
//! allowed, or is against a business rule. A newer token would get the same answer, so the 403 goes to
//! the caller at once. (The 403s in the table are those of the *token endpoint*, which the layer reads
//! by their codes.)
//!
//! **The vendor's word:** refresh tokens are good for one use; access tokens live for about 20 minutes
//! and refresh tokens for about 30 days, and both say when in their `exp`. **Our assumption:** nothing is
//! said of a reply that was lost, so the old refresh token is tried once more when the access token is
//! dead ([`LostReply::LastResort`](crate::provider::LostReply::LastResort)).
//!
//! # Dressipi
//!
//! Adapter: [`vendor::Dressipi`](crate::vendor::Dressipi). Source: the vendor's public documentation at
//! `docs.mapp.com/apidocs`; the vendor is called Mapp Fashion now.
//!
//! **First credential.** A shopper's first visit: `authorization_code` with PKCE. Hand over the code and its
//! verifier ([`authorization_code`](crate::vendor::Dressipi::authorization_code)), or say who asks for
//! one ([`ask_for_code`](crate::vendor::Dressipi::ask_for_code)). The layer can also call the vendor's
//! authorize endpoint itself ([`authorize_by_itself`](crate::vendor::Dressipi::authorize_by_itself)).
//! **Every new code makes a new shopper with an empty profile**, whoever asks for it. Never use either to
//! renew a known shopper: keep that one's refresh token in a store, with a
//! [session of its own](super::howto#serve-many-users).
//!
//! **Settings.** The base URL, which is another one for each customer, with its path; the id of a public
//! client, which has no secret; [`api_key`](crate::vendor::Dressipi::api_key) where the shop's API asks
//! for `x-api-key`.
//!
//! | code | at | means | do |
//! | --- | --- | --- | --- |
//! | `invalid_grant` | refresh, 400 | the refresh token is not good any more | ask for a new code, which makes a new shopper |
//! | `invalid_grant` | code, 400 | the code was used, is too old, or its verifier is another one | get a new code and hand its token to `replace` |
//! | `invalid_client` | refresh, 400 or 401 | no such client | correct the id |
//! | other codes of RFC 6749 | refresh, 400 | the request is not understood | correct what the message names |
//!
//! **Why is nothing ever refreshed after an answer?** Because the API does not refuse a token that is
//! missing or has expired: it answers 200, and leaves the personal part out. So tokens are exchanged by
//! the clock, ahead of time, and a session whose exchange fails answers with an error once its token has
//! died, rather than going on as nobody.
//!
//! **The vendor's word:** tokens live for a day; a reply *may* hold a new refresh token; `redirect_uri`
//! has to be sent when refreshing too. **Our assumptions:** token requests are forms (the encoding is not
//! stated); the header with the old token, which the documentation lists for the token endpoint, is
//! optional there ([`send_old_token`](crate::vendor::Dressipi::send_old_token) sends it).
//!
//! # Marketiger3D
//!
//! Adapter: [`vendor::Marketiger3D`](crate::vendor::Marketiger3D). Source: the vendor's public
//! documentation at `docs.marketiger3d.com`.
//!
//! **First credential.** Email and password, which the layer logs in with by itself where it knows them
//! ([`email_and_password`](crate::vendor::Marketiger3D::email_and_password)); or the pair of a login made
//! elsewhere, as the builder's `initial`.
//!
//! **Settings.** None, but for the base URL: the only host that the documentation shows has `dev` in its
//! name.
//!
//! | code | at | means | do |
//! | --- | --- | --- | --- |
//! | `AUTHENTICATION` | refresh, 401, or 200 with `success: false` | the session is over | log in again |
//! | `AUTHENTICATION` | login, 400 | email or password is wrong | correct them, and build the layer anew: they are not tried again |
//!
//! **The vendor's word:** a refresh needs the old access token beside the refresh token, so a session
//! starts from [both](crate::Token::from_pair); a refresh token lives for 12 hours. **Our assumptions:**
//! each refresh begins the 12 hours anew; using a refresh token a second time may end the session; an access
//! token that does not say when it expires is used until it is refused.
//!
//! # VMware Cloud Services (CSP)
//!
//! Adapter: [`vendor::VmwareCsp`](crate::vendor::VmwareCsp). Source: the vendor's public API
//! documentation, and its public clients where that is silent.
//!
//! **First credential.** A person makes an API token in the console, and gives it a lifetime;
//! [`api_token`](crate::vendor::VmwareCsp::api_token). Where its organisation asks for a second factor,
//! give a function that asks for it ([`passcode`](crate::vendor::VmwareCsp::passcode)): it is called for
//! each exchange, and each passcode is sent once. Services use
//! [`service_account`](crate::vendor::VmwareCsp::service_account), with
//! [`org_id`](crate::vendor::VmwareCsp::org_id) where there are several organisations. With
//! [`watch_api_token`](crate::vendor::VmwareCsp::watch_api_token),
//! [`Status::credential_expires_within`](crate::handle::Status::credential_expires_within) says that a new
//! API token has to be made, before the old one dies.
//!
//! **Settings.** The origins of the services that are called. Another console by
//! [`base_url`](crate::vendor::VmwareCsp::base_url): staging, or the Tanzu twin
//! (`https://console.tanzu.broadcom.com`). Some services want the token in `csp-auth-token`, some in both
//! headers: [`only_csp_auth_token`](crate::vendor::VmwareCsp::only_csp_auth_token),
//! [`also_csp_auth_token`](crate::vendor::VmwareCsp::also_csp_auth_token).
//!
//! | code | at | means | do |
//! | --- | --- | --- | --- |
//! | `invalid_grant` | authorize, 400 or 404 | the API token is not valid, or not any more | make a new one; where it is looked up in a file, replace the file |
//! | 409, other 4xx | authorize | not documented | the message says the status; ask the vendor |
//! | a 400, 401 or 403 after a passcode | authorize | our assumption: the passcode, or the API token that it goes with, was not accepted | nobody is asked again by itself: `replace`, or build the layer anew. (A passcode that nobody gives within five minutes is not refused: the next call asks again.) |
//! | a service account that is not accepted | authorize | | correct its id and secret |
//! | 429, 5xx | anywhere | | nothing: an API token stays the same, so asking again does no harm |
//!
//! **The vendor's word:** access tokens live for 30 minutes, API tokens as long as their maker said, six
//! months by default. An access token outlives its API token. **Our assumption:** that a refusal is told
//! by a `message` that begins with `invalid_grant:`. There is no error code; this form is only to be seen
//! in public clients. The rest of that message holds the tail of the API token.
//!
//! # Any OAuth 2.0 server
//!
//! [`oauth2::OAuth2`](crate::oauth2::OAuth2). The credential of a service is its own. A person's session
//! begins with a login: in a browser ([`authorization`](crate::oauth2::OAuth2::authorization)), on
//! another device ([`device_login`](crate::oauth2::OAuth2::device_login)), or wherever you have made it;
//! hand its token to the builder's [`initial`](crate::layer::AuthLayerBuilder::initial). What is kept of
//! which standard is in [`standards`](super::standards).
//!
//! | code | means | do |
//! | --- | --- | --- |
//! | `invalid_grant`, with a refresh token | it is no longer good, or belongs to another client | the session is over: get a token with `authorization` or `device_login`, and hand it to [`replace`](crate::handle::AuthHandle::replace) |
//! | `invalid_grant`, with the client's own credentials | they are refused as a grant | correct the registration |
//! | `invalid_grant`, with an assertion or a token exchange | the assertion or the subject is refused | check issuer, audience, times and key |
//! | `invalid_dpop_proof` | the proof of possession is not accepted | check the clock, and that the server takes ES256 |
//! | `invalid_client` | the client is not accepted | check the id, the secret, and how the secret is sent |
//! | `unauthorized_client`, `unsupported_grant_type` | this client may not use this grant | allow it in its registration |
//! | `invalid_scope` | the server does not give this scope | correct `scope` |
//! | `invalid_target` | it does not know this resource or audience | correct it |
//! | `temporarily_unavailable`, `server_error`, `slow_down` | not now | nothing |
//!
//! A code in a 5xx decides nothing: whether the refresh token was spent is not known then, unless
//! [the server is declared](crate::oauth2::OAuth2::server_errors_are_transient) to have done nothing.
//!
//! **The standard's word** (RFC 6749, section 6): where a reply holds a new refresh token, the old one is
//! not to be used any more. Whether the server always sends a new one is a setting
//! ([`rotation`](crate::oauth2::OAuth2::rotation)), and so is what a lost reply means
//! ([`lost_reply`](crate::oauth2::OAuth2::lost_reply)).
