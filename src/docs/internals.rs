//! How the house is built, for those who change it.
//!
//! # Three rings
//!
//! Dependencies point inwards only; `tests/layering.rs` holds them to it.
//!
//! ```text
//! inside   token  clock  error  provider  cell      no HTTP bodies, no I/O, time is an argument
//! middle   attach  challenge  grpc  replay  peek  layer  service  future  handle    what a request meets
//! outside  token_client  oauth2  vendor  compat  test_util  docs        ways to get, plug in, look at
//! ```
//!
//! The builder, in `layer/builder.rs`, is the one place in the middle that names an outside module: it puts
//! the built-in token client in place.
//!
//! # The way of a request
//!
//! 1. `service.rs`: may this request carry a token? (`attach.rs`, the profile's origins.)
//! 2. One load of the [snapshot](crate::handle::Generation) and one comparison with its
//!    *attention*, the earliest moment at which anything has to be done. Before that moment: insert
//!    the prebuilt headers, call the inner service. That is the whole fast path.
//! 3. Attention reached and the token still good: `Session::attend` may begin a flight *beside* the
//!    request, which goes on at once.
//! 4. The token dead: `future::send_when_usable`, one boxed future, waits for the flight.
//! 5. `future.rs`: the response. If `challenge.rs` says that it refuses the token, `recover` gets a
//!    newer one and sends the spare that `replay` kept
//!    (`replay/spare.rs` by type, `replay/tee.rs` for bodies that are followed while they are sent).
//!
//! reqwest's requests are of another type and cannot go that way. `compat/reqwest/send.rs` takes
//! them along the same stations in one async function, whoever carries them: the inner service, or
//! the rest of a middleware chain. It is the second place to look at when a rule changes.
//!
//! # Questions that a newcomer asks
//!
//! *Where is a vendor handled whose API says 403 for an expired token?* In its profile: a
//! [`Refusal`](crate::provider::Refusal) of that status. Nothing else knows. One whose API says it in
//! a body: by a layer of its own, `peek.rs`, which marks the response.
//!
//! *Where does the body of another crate become one that can be sent twice?* In
//! `replay/foreign.rs`, as an implementation of `Boxed`, and in one line of `replay/spare.rs`.
//!
//! *Where is gRPC?* What it says, and what its callers want to hear, is in `grpc`. The design had put
//! it into `compat`; but it lies on the way of a request, which names nothing outside.
//!
//! *What happens to waiters when the caller that began the exchange is dropped?* Nothing. The
//! flight's task owns the `Ticket`; callers hold a `Join` each. The essay is in `cell/mod.rs`.
//!
//! *Which file may read the clock?* `clock.rs`. Everything else takes a `Moment`; clippy's
//! `disallowed_methods` refuses the rest.
//!
//! *Who decides whether a refresh token may be sent again?* `cell/ledger.rs`, by the rule that the
//! profile declares and the pure `schedule::respend`.
//!
//! # Where this differs from the first design
//!
//! - A failed exchange says by its *kind* alone whether the refresh token may have been spent; a
//!   second field could contradict it.
//! - A reply that cannot be used but holds a new refresh token hands it over with the error
//!   (`ProviderError::salvaging`), so that nothing that arrived is lost.
//! - The snapshot carries one *attention* deadline instead of the stages fresh, due and expired: a
//!   request compares once, and a pause after a failure costs it nothing.
//! - `with_session` returns a `Result`: a token that no header can hold, or a key whose session is
//!   alive already, is said at once.
//! - A request of reqwest cannot be marked as bare: reqwest lets nobody look at its extensions. As a
//!   middleware it can, by those of the chain.
//! - `ResponseFuture` has no parameter for the provider; nothing in it depends on one.
//! - Waiting, subscriptions and the keeper use wakers under the cell's own lock instead of tokio's
//!   primitives, so that the core can be model-checked.
//! - A 5xx is an *unknown outcome* unless the provider knows that its vendor did not process the
//!   request: only a complete 4xx proves that nothing was spent.
//! - A last resort is not spent *once* more but for as long as nobody answers, each time when the
//!   request before it can no longer be under way. A vendor that had processed the first one refuses
//!   the next for good, which ends it; one that was down takes it. A limit would have turned every
//!   outage that outlives an access token into a lost session, on the word of a 503 or a time-out.
