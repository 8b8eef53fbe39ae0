//! What the layer cannot do, and what it costs.
//!
//! # Secrets in memory
//!
//! The crate's own copies of tokens are overwritten with zeros when they are dropped: [`Secret`],
//! the prebuilt headers, the bodies of token requests and replies. The buffers of hyper, of the TLS
//! library and of the kernel are not, and neither is what an inner service copies out of a header.
//! A token that was sent has been in such buffers.
//!
//! # Redirects inside the inner client
//!
//! A layer sees a request once. A client that follows redirects by itself may carry the token to
//! another host, where the layer cannot see it: most clients strip only `Authorization` then, and
//! not a vendor's own header. Switch it off there, and follow redirects outside of this layer.
//!
//! reqwest tells where a response came from. If that is no declared origin, the token that was sent
//! is rejected, in whatever header it went, and the response marked; see [`compat`](crate::compat).
//! It tells nothing of the hops before the last one, nor of where it was when following failed.
//!
//! # Redirects outside of this layer
//!
//! tower-http's `FollowRedirect` sends each hop through the layer, from a copy of what the caller
//! sent, and so without the token. It takes extensions off where the origin changes: a request that
//! was [`Bare`](crate::attach::Bare) gets the token at the next declared origin, unless its policy
//! has `allow_extension::<Bare>()`. Under [`send_bare_elsewhere`] a header that the *caller* set
//! goes on with it, save for `Authorization` and cookies; `FilterCredentials::remove_all` stops that.
//!
//! # Logins
//!
//! A process that logs in holds the session's lease for as long as its person takes. Meanwhile a
//! process that begins with a seed which the store has never seen waits to write it down, and a
//! revocation in another process fails with *transient*; `replace` waits for nobody, and ends the login.
//! A process that is suspended while somebody is asked loses its lease, and another one may ask as well:
//! the later login counts. Where the store cannot be reached there is no login, also for a credential
//! that does not rotate.
//!
//! That a login was refused is noted in the store, for all processes. Where the note cannot be written,
//! the process that made it knows, and each of the others may try once.
//!
//! Whether a passcode, a code or a signature was used up by a request whose answer is lost, nobody can
//! tell. It is taken for used, and the login for the last one, until a token is handed over or the
//! process begins anew.
//!
//! Assertions that a client signs (`private_key_jwt`) are dated by this machine's clock: keep it right.
//!
//! # What is held while a token is awaited
//!
//! A request without a usable token holds the inner service that was made ready for it: a permit
//! of a concurrency limit, a slot of a buffer. A refused request holds its first response until
//! there is a newer token, since that response is the answer if there will be none; over HTTP/1.1
//! that keeps its connection busy.
//!
//! | of tower | around this layer | under it |
//! | --- | --- | --- |
//! | `Buffer` | holds no slot for a request that waits | holds a slot for a request that waits for its first token, none for a refused one |
//! | `ConcurrencyLimit` | one permit until the answer, both waits and both sendings included | the same as `Buffer`: a replay asks for a permit of its own, so a limit of one does not wait for itself |
//! | `RateLimit` | counts a request once | counts each sending |
//! | `Timeout` | spans both waits and both sendings; the exchange outlives it | spans one sending, and no wait |
//! | `Retry` | each attempt gets the token that is current then, and a replay of its own | repeats the token it was given: a refused one is sent as often as it tries |
//!
//! # reqwest
//!
//! reqwest shows the extensions of its requests to nobody. So as a tower service it is told in
//! another way that a request is to go without a token: by calling the inner client. A token
//! request that comes through the layer which waits for it is found out while a token is due or
//! dead, since finding out takes a copy of the request; at other times nothing but the origin stops
//! it. Each request costs a box and, with replay on, a clone of its head.
//!
//! A time limit that was set on a request includes the wait for a token, and what is left of it is
//! that of each sending. One that was set on the client is that of each sending, from its beginning:
//! it cannot be read.
//!
//! # Replay
//!
//! A refused request is sent a second time if its body is of a [type that allows it](crate::replay)
//! and not longer than the cap of 64 KiB. Other requests are sent once: if such a one is refused,
//! its caller gets the refusal, with [the reason](crate::replay::Replay) on it, and the next
//! request a newer token. Requests that fail without an answer (a reset connection, an HTTP/2
//! stream that was refused) are never sent again by this layer.
//!
//! What is kept of a boxed body is kept by reference: a frame that is a small part of a large
//! buffer keeps all of that buffer in memory until its request is answered. A body that is still
//! being sent when its refusal comes is cut off with an error, which costs its connection over
//! HTTP/1.1 and its stream over HTTP/2.
//!
//! # Refusals inside a body
//!
//! A refusal is told by a response's head. For a vendor that says it in the body only there is
//! [`PeekLayer`](crate::peek::PeekLayer), which holds such a response back until the beginning of its
//! body is there. A gRPC call that is refused in its trailers, after it had begun, rejects its token
//! where its body is tonic's; with other bodies tell the layer by
//! [`AuthHandle::reject`](crate::handle::AuthHandle::reject), with the generation that was current
//! before the call was sent.
//!
//! # DPoP
//!
//! Proofs are signed with ES256, by a key in the memory of the process: not by one in an HSM or an
//! enclave. The crate's own copies of a key are overwritten with zeros when they are dropped. Those
//! of ring, which signs, are not: whoever reads the memory of a process reads its tokens as well.
//!
//! A store keeps a session's key beside its refresh token: without a seal, whoever reads the store has
//! both. An application that has its own key (`OAuth2::dpop_key`) elsewhere leaves
//! thieves of the store nothing that they could use.
//!
//! A server that changes its nonces so fast that the answer to a challenge is too late refuses that
//! request: each token that a request is sent with has one answer. A request that cannot be sent twice,
//! because of its body or with replay switched off, gets the challenge itself, and the next one has the
//! nonce. A challenge is a 401 with a `DPoP` challenge in `WWW-Authenticate`; a gRPC server that says it
//! in a message of its own is not understood.
//!
//! Nonces are forgotten with the process; each first request to an origin is challenged, where nonces
//! are required. Sessions of one provider share them: a server that binds its nonces to a key challenges
//! each session as often as they take turns.
//!
//! A client that follows redirects by itself carries the proof along, which names another address. A
//! server that sees another address than the client, behind a proxy that rewrites paths or hides the
//! scheme, refuses every proof.
//!
//! Clocks are compared by the `Date` of a refused proof only. A server that refuses proofs for their
//! time and shows no date, or that of a clock other than the one it checks with, has to be told the
//! right time in another way.
//!
//! Revocations carry no proof (RFC 7009 has none). Files of feature `serde` know no certificates, no
//! key for DPoP that is kept elsewhere, no assertion that is signed here and is not the client's, no
//! actor of a token exchange, and no logins that ask a person: those are said in code.
//!
//! # Servers without a name
//!
//! Requests that hold a path only, such as those of a generated gRPC client made by `new`, go to the
//! one peer that their service was built for, and each service that a layer makes has such a peer of
//! its own: where one refuses every token, the others still recover. Behind a channel that is balanced
//! over several endpoints all of them are one peer. A proof of possession names the whole address: with
//! DPoP such a request is taken to be at the one declared origin, and refused where there are several.
//!
//! # Memory only
//!
//! Without a [store](crate::store), sessions live in the process. A refresh token that was rotated is
//! lost with it, and a restart needs the seed of a new login. Two processes that share one rotating
//! refresh token spend it twice.
//!
//! # Stores
//!
//! A process that dies between the vendor's answer and the save takes the new refresh token with it:
//! no client can close that gap, only a vendor that gives the answer again. The next process finds
//! the intent, waits until it is over, and goes by the vendor's [rule](crate::provider::LostReply);
//! with a strict vendor the session then needs a login, and says so.
//!
//! A process that is stopped after it has written its intent, for longer than the intent lasts, and
//! then goes on, sends nothing any more with the exchange's token client: another process may have
//! tried the refresh token by that rule meanwhile. A provider that sends with a client of its own has
//! to look at [`Exchange::deadline`](crate::provider::Exchange::deadline) by itself.
//! Nobody believes an intent for more than five minutes: a token client whose requests may take longer
//! can see its refresh token tried by another process meanwhile.
//!
//! A store that forgets writes which it had acknowledged is found out by the processes that know
//! better, and healed. If there are none, a session begins from its seed, which may have been spent.
//!
//! Deadlines in records are times by the wall clock. Where clocks are wrong, or set at work, no token
//! is spent twice for it: an intent that another process left is watched for as long as an exchange
//! takes before the rule is gone by, however old it looks. So the first process after a crash may
//! wait for twelve seconds. How old a token is that another process saved is told by the store's
//! clock. A file has none: where the wall clock was set back, such a token may be taken for new, and
//! sent until it is refused.
//!
//! A seed is told from others by a fingerprint, which only tokens of high entropy have (20 characters
//! or more). Any other seed counts only where there is no record at all; use
//! [`replace`](crate::handle::AuthHandle::replace) for its successor.
//!
//! A request waits for the store to be read once, before the first token: also where the layer was
//! built with an access token that is good.
//!
//! [`FileStore`](crate::store::FileStore) writes tokens in clear, readable by its owner only. It is
//! not for network file systems, and reads and writes the whole file for each exchange.
//! [`MemoryStore`](crate::store::MemoryStore) dies with its process. Text of JSON with escapes, and
//! fields of later releases, pass through buffers of the JSON parser that are not overwritten.
//!
//! # Redis
//!
//! `RedisStore` is as good as the Redis behind it: see there for the settings that keep it from
//! losing what it has acknowledged. A primary that was cut off and does not know yet that another
//! one took its place acknowledges writes that will be lost; `min-replicas-to-write` and
//! `wait_for_replicas` keep it from that.
//!
//! It speaks to one server over TCP. It does not follow to the nodes of a cluster, ask Sentinel, or
//! use Unix sockets: a name or a proxy has to lead to the primary. While a call waits for replicas,
//! the calls of other sessions on the same connection wait as well.
//!
//! Records and the password pass through buffers of the redis crate and of TLS that are not
//! overwritten. Redis holds the tokens in clear, and so do its files and backups, unless they are
//! sealed.
//!
//! # Seals
//!
//! A seal hides tokens, and shows what was changed. It does not show that an older record of the same
//! session was put back: only processes that have seen a newer one notice. When exchanges were made,
//! how many, and about how long the tokens are can be seen. A record that does not open stops its
//! session, new logins included, until the key is there or somebody has removed it from the store.
//!
//! # Secrets in files
//!
//! A file that a configuration names is read when an exchange begins, and by nobody before. A secret
//! that was found missing, or that the vendor has refused, is tried again by itself after 5 to 15
//! minutes only, or at once with [`AuthHandle::refresh`](crate::handle::AuthHandle::refresh). So
//! replace a file by renaming another into its place: one that is still being written is empty, or
//! half of a secret. What goes with each API call (an API key) is read once, when the layer is built.
//!
//! # What `AuthLayer::new` accepts
//!
//! Everything. A missing setting is the answer to each call; use the
//! [builder](crate::AuthLayer::builder) to hear it at once.
//!
//! # A provider that never returns
//!
//! Nothing drops an exchange that may have spent a refresh token. A provider that waits for ever
//! keeps its session from any other exchange; its callers give up after 30 seconds each. The
//! crate's token client limits each request.
//!
//! # Runtimes
//!
//! Exchanges run on the tokio runtime of the caller that found the token missing, with its timer:
//! build it with `enable_time` (or `enable_all`), since tokio's timer panics without. A runtime that
//! is shut down ends its exchange, and the next caller begins anew on its own. A caller that waits
//! there for an exchange elsewhere loses its time limit with the timer, not its token. A current-thread
//! runtime that is alive and not driven freezes the exchange with it: callers elsewhere give up
//! after 30 seconds each until it is driven again or dropped.
//!
//! # One session, one layer
//!
//! Two layers built from the same refresh token know nothing of each other and spend it twice.
//! Build one, and clone it; [`with_session`](crate::AuthLayer::with_session) refuses a second
//! sibling with the same key while the first is alive.
//!
//! # The vendors
//!
//! The adapters were built from public documents and tried against simulators made from the same
//! documents. They have not been tried against the live services.
//!
//! [`Secret`]: crate::token::Secret
//! [`send_bare_elsewhere`]: crate::layer::AuthLayerBuilder::send_bare_elsewhere
