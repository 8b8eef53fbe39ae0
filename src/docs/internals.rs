//! How the house is built, for those who change it.
//!
//! # Three rings
//!
//! Dependencies point inwards only; `tests/layering.rs` holds them to it.
//!
//! ```text
//! inside   no HTTP bodies, no I/O, time is an argument
//!          token  clock  lane  error  observe  provider  cell
//! middle   what a request meets
//!          attach  challenge  grpc  replay  peek  layer  service  future  handle
//! outside  ways to get, keep, plug in, look at
//!          token_client  oauth2  vendor  config  store  compat  test_util  docs
//! ```
//!
//! The builder, in `layer/builder.rs`, is the one place in the middle that names outside modules: it puts
//! the built-in token client in place, and a store between the cell and the provider.
//!
//! # The way of a request
//!
//! 1. `service.rs`: may this request carry a token? (`attach.rs`, the profile's origins.)
//! 2. `Core::simple` in `layer.rs`: a coarse reading of the clock, one load of the
//!    [snapshot](crate::handle::Generation) and one comparison with its *attention*, the earliest moment
//!    at which anything has to be done. Before that moment: insert the prebuilt headers, call the inner
//!    service. That is the whole fast path. A token that needs a proof with each request has no such
//!    moment (`Snapshot::simple_until`), and so goes the way of 4.
//! 3. Attention reached and the token still good: `Session::attend` may begin a flight *beside* the
//!    request, which goes on at once.
//! 4. The token dead: `future::send_when_usable`, one boxed future, waits for the flight.
//! 5. `future.rs`: the response. If `challenge.rs` says that it refuses the token, `recover` gets a
//!    newer one and sends the spare that `replay` kept
//!    (`replay/spare.rs` by type, `replay/tee.rs` for bodies that are followed while they are sent).
//!
//! reqwest's requests are of another type and cannot go that way. `compat/reqwest/send.rs` takes
//! them along the same stations, whoever carries them: the inner service, or the rest of a middleware
//! chain. It is the second place to look at when a rule changes, and `recovery.rs` beside it, the twin
//! of `future/recovery.rs`.
//!
//! # Questions that a newcomer asks
//!
//! *Where is a vendor handled whose API says 403 for an expired token?* In its profile: a
//! [`Refusal`](crate::provider::Refusal) of that status. Nothing else knows. One whose API says it in
//! a body: by a layer of its own, `peek.rs`, which marks the response.
//!
//! *Where is a vendor handled that says with the token where its API is?* `Origins` of its profile say
//! that some come with tokens; `attach.rs` then leaves a request to an undeclared origin to the snapshot
//! that is put on it, and once more to the newer one where it is sent again.
//!
//! *Where do I fuzz a new parser?* With one line in `tests/fuzz/mod.rs` and a folder of seeds beside it.
//!
//! *Where does the body of another crate become one that can be sent twice?* In
//! `replay/foreign.rs`, as an implementation of `Boxed`, and in one line of `replay/spare.rs`.
//!
//! *Where does a field of a configuration become a setting?* Where its name stands: in `config/`, one
//! file for each table, which calls the same builder methods as everybody. `config/table.rs` says
//! why serde's derived code is not used.
//!
//! *Where is gRPC?* What it says, and what its callers want to hear, is in `grpc`. The design had put
//! it into `compat`; but it lies on the way of a request, which names nothing outside.
//!
//! *What happens to waiters when the caller that began the exchange is dropped?* Nothing. The
//! flight's task owns the `Ticket`; callers hold a `Join` each. The essay is in `cell/mod.rs`.
//!
//! *Where is DPoP?* How a proof is made: in `oauth2/dpop/`. What the rest has to know of it are two
//! traits in `provider/proof.rs`: a `Binding`, which a profile has, makes a `Prover` for each token, which
//! the snapshot's headers hold. To a token, a cell and a store the key is a secret text and no more. A
//! request meets it in `attach.rs`, and in `future/proven.rs`, which answers challenges.
//!
//! *Who revokes a session, and why in a flight's place?* `cell/revocation.rs` has the reason; the
//! provider asks the vendor, and `store/stored/revoke.rs` leaves the record behind that keeps replicas
//! and old seeds from bringing the session back.
//!
//! *Where does a session log in by itself?* In the flight that found it needed: `cell/login.rs` begins
//! the login in place of the exchange, `cell/ledger/login.rs` says whether there may be one, and
//! `store/stored/login.rs` sees that processes which share a store make one among them. What a vendor
//! is told is in its adapter's `login.rs`.
//!
//! *Which file has the method of a type that has many?* Of a `Token`: what it says is in `token/mod.rs`, how
//! it is made in `making.rs`, its key in `bound.rs`, what a store keeps of it in `kept.rs`. Of an `Error`:
//! what it means is in `error.rs`, how it is made and shown in the two files beside it. Of a `Cell` and a
//! `Session`: the essay in `cell/mod.rs` ends with a list.
//!
//! *Which file may read the clock?* `clock/system.rs`. Everything else takes a `Moment`; clippy's
//! `disallowed_methods` refuses the rest.
//!
//! *Where is an event told?* Where it happens, by `Observers::tell`, after the lock has been dropped and
//! before those who wait are woken. `observe/mod.rs` has the table of names, which its tests compare
//! with what is traced and counted. Reasons for a replay that was not made are words and not
//! [`Replay`](crate::replay::Replay), since that is the middle ring's.
//!
//! *Who decides whether a refresh token may be sent again?* `cell/ledger.rs`, by the rule that the
//! profile declares and the pure `schedule::respend`.
//!
//! *Where is a token request made?* In `oauth2/asking.rs`, of what a grant contributes, one small file
//! each by way of `oauth2/grant.rs`, and of what proves the client, `oauth2/client_auth.rs`. All of it is
//! made anew for each try. Where the endpoints are, `oauth2/server.rs` knows or finds out.
//!
//! *Where is a session kept?* `store/stored/`, a provider around the provider, whose table says what is
//! written when. The cell does no I/O and knows only that there is a store: seeds go to its keeper
//! (`cell::SeedKeeper`), a token that was kept is marked (`Token::is_kept`), and what forbids an
//! exchange for good is asked about again, since a login elsewhere lifts it (`Rules::looks_again`).
//!
//! *Where does a Redis answer become an error?* In `store/redis/failure.rs`, and nowhere else does
//! anything of its text go: it may quote what it was sent. What the server does is in
//! `store/redis/scripts.rs`; `client.rs` keeps the time and the connection, `link.rs` the socket.
//!
//! # Where this differs from the first design
//!
//! - Token requests cannot pass through the layer that waits for them, and can through another one: they
//!   say whose they are. So a token that is asked for with another session's needs no second way. Two
//!   sessions that want each other's first wait until a caller's patience is over.
//! - Sockets, TLS and reconnecting to Redis are ours; the redis crate has the protocol. Its own TLS
//!   lets rustls choose between crypto providers, which panics where there are two, and its
//!   connection manager keeps a connection whose other side has fallen silent. Its cluster client
//!   brings a generator of random numbers and a logger along, so there is none.
//! - Scripts are sent whole: a server that was restarted, or took another's place, knows none by its
//!   name. A read begins with `PERSIST`, which a replica that may lag behind refuses.
//! - A write to Redis that stands there already, to the byte, is *done*. Then a call whose answer was
//!   lost can be sent again without being taken for somebody else's.
//! - A seal holds the whole record, and what stays outside is a copy that has to match. So a file can
//!   be restored from its backup without the key: that marks the intent, which is the one difference
//!   that is let through. `Record` has a field for the sealed text, and `Stored` refuses a record that
//!   is still sealed: it would look like a session without a token.
//! - With a store, two places apply the rule for a lost reply, by the same function: the ledger for
//!   what this process lost, and `store/stored/judge.rs` for what a record says that another lost.
//!   The cell cannot: which token is spent, the store knows.
//! - A lineage is numbered by the time of its login. Records can then be ordered also where a store
//!   has lost what was between them, and a login made meanwhile is not taken for an old one.
//! - A process rotates in memory only where no save of it can have landed: one that landed without an
//!   answer took the intent along, and nothing would keep others from the same refresh token.
//! - One compare-and-set does for intent, save, seed and login: it expects a version, and an intent
//!   or any. A store has four methods.
//! - A replica looks into the store before it takes the lease: of a thousand that are due, one spends,
//!   and the others need one command each instead of three. What a look says counts without the lease,
//!   which is not the safety; only what has to be written waits for it.
//! - A store's clock comes with each read, and a store without one is given the time: so leases and
//!   intents can be tested by hand.
//! - The record remembers the last rotated refresh tokens beside the seeds: an application that kept
//!   one by itself, and hands it over as a seed, would spend it again.
//! - A reply whose loss the rule does not forgive, found in a record, is reported as *refused*: it is
//!   a verdict, and the cell that hears it may never have had the token.
//! - Whether another's intent is over is told by two clocks, the store's and one's own since it was
//!   first seen: the store's may be a wall clock that somebody has set meanwhile. A token's times are
//!   of its process's clock, with how far the store's was ahead of that beside them.
//! - A token client that an exchange of `Stored` hands out sends nothing after its deadline, which is
//!   looked at when a body is read, the last moment that is ours.
//! - An intent that took longer than two seconds to write is taken back unspent. The process may have
//!   been stopped, and others may take it for dead by the time that the vendor is asked.
//! - Where a server is declared to have done nothing at a 5xx, the provider asks again within the same
//!   exchange, if somebody waits. The cell would give its error to all who waited for a refused token,
//!   and each of them would show its caller a 401 that a second try would have cured.
//! - A person's login is a function of the application's that gives a token, not an exchange: it needs
//!   no layer, and its result is a seed like any other.
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
//! - The key of a session travels in its tokens, old ones included, and not beside them: then it is there
//!   wherever a token is, in an exchange, a record, a salvaged reply, and cannot be another one's.
//! - A seed without a key gets one when it is handed over, not when it is spent: so a store has it before
//!   the refresh token is bound to it.
//! - Sessions of the same identity with and without DPoP are different sessions (`SessionParts::binding`):
//!   a bearer token out of a store is not taken for a bound one.
//! - Waiting, subscriptions and the keeper use wakers under the cell's own lock instead of tokio's
//!   primitives, so that the core can be model-checked.
//! - A login is a flight that has gone on: the same ticket, the same task, the same waiters. A flight of
//!   its own would have needed a second thing to join, and a rule for who looks at which.
//! - A login spends no refresh token, and its ticket says so from its beginning on: if its task dies,
//!   the refused token is known to be refused, and nothing is noted as possibly spent.
//! - *Refused* and *unknown outcome* of a login are final. An unknown outcome means here that a code, a
//!   passcode or a signature may have been used up; asking people for another one by itself, as often
//!   as a vendor fails, would be a storm of its own kind. A provider whose login uses nothing up says so
//!   (`ProviderError::of_nothing_spent`).
//! - Nobody who was asked and said nothing has refused: that is transient, and the next call asks again.
//! - An idle session is not logged in to by its keeper. It would ask people at night, who do not answer;
//!   the next request logs in, at once.
//! - A login is of one account. It is made for the layer's first session alone, unless a provider says
//!   that it tells sessions apart: a sibling with another user's token would get this one's.
//! - With a store, a login holds the lease for as long as its person takes, and no intent. A record may
//!   say of itself that a login was refused; that binds the processes which had begun by then, so that
//!   a restart with a better password is not bound.
//! - A lineage is numbered by when its login *began*, and does not land where a newer one has begun
//!   meanwhile: a token that was handed over is not taken away by somebody who signs late.
//! - What waits for people is told when nobody wants its outcome any more (`Exchange::by_the_deadline`);
//!   a token request is not dropped for it.
//! - When an API token dies is a date on `Status`, not an event or a state: it is as true for who looks
//!   later, and who warns of it knows best how early.
//! - A 5xx is an *unknown outcome* unless the provider knows that its vendor did not process the
//!   request: only a complete 4xx proves that nothing was spent.
//! - A last resort is not spent *once* more but for as long as nobody answers, each time when the
//!   request before it can no longer be under way. A vendor that had processed the first one refuses
//!   the next for good, which ends it; one that was down takes it. A limit would have turned every
//!   outage that outlives an access token into a lost session, on the word of a 503 or a time-out.
