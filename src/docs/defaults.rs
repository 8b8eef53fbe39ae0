//! Every number, with its reason.
//!
//! All windows scale with the lifetime of the token, so that one of 20 seconds is handled like one
//! of an hour. Lifetimes count from when the request was sent. A deadline is reached when either
//! the monotonic or the wall clock has reached it.
//!
//! # A token's life
//!
//! | what | value | reason |
//! | --- | --- | --- |
//! | due before its end | a quarter of the lifetime, at most 60 min | early enough to sit out an outage, late enough not to rotate more than needed: each rotation is a risk of its own |
//! | jitter | up to a tenth of the lifetime, only earlier, drawn once for each token | replicas that got their tokens together do not come back together; later would eat the margin |
//! | not due before | half of what was left when it arrived | a token that took most of its life to arrive would be exchanged again at once, and so on |
//! | the vendor's own hint | takes the place of the window | the vendor knows |
//! | not sent any more | a tenth of the lifetime before its end, at most 30 s | the request has to travel, and the server's clock differs |
//! | longest lifetime | ten years | arithmetic need not be careful; nothing real is longer |
//! | lifetime of 0, negative, unreadable or missing | that of the JWT; else the provider's default; else until refused | "0 seconds" is what vendors send who mean "unknown" |
//! | refresh token of an idle session used before its end | a quarter of its lifetime, at most 24 h | for 12 h: after 9 h, which leaves 3 h for an outage |
//!
//! # After a failure
//!
//! | what | value | reason |
//! | --- | --- | --- |
//! | pause while the token is good | 5 to 10 min at random, at most a quarter of what is left | nobody is hurt yet, and the vendor may be recovering |
//! | the same, once a server refuses that token | 1 s after the failure | now somebody is hurt |
//! | pause without a good token | 1 s × 1.6 for each failure in a row, ± 20 %, at most 120 s | every caller gets the last error at once meanwhile |
//! | `Retry-After` | a floor for both, at most 1 h; after a 429 for all sessions of the layer | vendors count by address or by client, not by session; more than an hour is more likely a mistake |
//! | 429 without `Retry-After` | 10 s | |
//! | refused or misconfigured credential that does not rotate | tried again after 5 to 15 min | somebody may have put it right at the vendor's |
//! | refused refresh token | never tried again | it will not come back, and trying looks like an attack |
//! | a refresh token whose fate is unknown (a lost reply, a 5xx), as a last resort | not before the access token is dead, 10 s after the last try began, then as without a token | while the access token is good, waiting costs nothing; after that, giving up would lose the session anyway |
//! | in-flight tries after a lost reply, where the vendor gives it out again | as without a token, while the window is open | the window is short |
//! | what an exchange left owing | again after 50 ms, 250 ms, then every 2 s | it may be the only copy of a refresh token |
//!
//! # OAuth 2.0
//!
//! | what | value | reason |
//! | --- | --- | --- |
//! | tries more of an exchange whose server is declared to have done nothing at a 5xx | 4, after 100, 200, 400 and 800 ms, each ± 20 %, where somebody waits | a refused request can wait for a second or two, and then has an answer; beyond that the cell's pauses count |
//! | an assertion | 60 s | it is used at once; more than the clocks of both sides may differ by helps nobody |
//! | metadata | as long as `Cache-Control: max-age` says, at least 5 min and at most a week; a day where it says nothing | endpoints move once in years, and a server that forgot a cache header must not be asked before every exchange |
//! | metadata read again for a 404 or `invalid_client`, or that could not be read | once a minute | a client that really is unknown must not become a load |
//! | tries of a login on another device | every 5 s, 5 s slower at `slow_down`, twice as slowly where the server is not reached, at most 5 min | RFC 8628, section 3.5 |
//! | such a login | 10 min, where the server does not say | it must say; people need a few |
//!
//! # Refusals
//!
//! | what | value | reason |
//! | --- | --- | --- |
//! | replays of a request | 1 | a second refusal of a newer token is an answer |
//! | kept of a body for its replay | 64 KiB, [settable](crate::layer::AuthLayerBuilder::replay_cap) | what linkerd's proxy keeps for a retry: calls of an API fit, uploads do not fill the memory. A `Full<Bytes>` is shared and has no limit |
//! | read of a body that may refuse the token | 4 KiB, [settable](crate::peek::PeekLayer::cap) | an error's body has a few hundred bytes |
//! | exchanges for refusals | 5 in 30 s for each session | an API that refuses everything must not become a load on the vendor |
//! | quiet after a refusal that was not cured | 30 s, doubling to 5 min, for that origin and generation | one endpoint neither loops nor switches recovery off for the others |
//! | a refusal of what an exchange for one brought, and nobody has taken since, counts as not cured | for 5 min | that is how an endpoint that refuses everything is told where requests are sent once; one answer that does not refuse it, and is no 429 or 5xx, ends it |
//!
//! # Stores
//!
//! | what | value | reason |
//! | --- | --- | --- |
//! | a lease | 10 s, made to last every 3 s | a process that died holds the others up for no longer than an exchange takes; two beats may be lost |
//! | waiting for whoever has the lease or an open intent | looked at after 100 ms, then each time twice as long, at most 1 s; each ± 50 %; for 60 s | the holder is done in less than a second, as a rule; where it is not, a thousand replicas may be waiting; callers have long given up by then |
//! | an intent | what the exchange may take, 10 s or one request of a token client that was given longer, and 2 s for writing it | who finds it open waits that long, by its own clock too where the vendor forgives nothing, since clocks are set; a write that takes longer spends nothing |
//! | an intent that claims to last longer | 5 min | some clock was set; people who confirm a login get as long |
//! | one call of a store | 5 s | stores limit their calls themselves; this is for one that does not |
//! | a session that needs a login, looked up in the store | every 30 s, on demand | somebody may have logged in elsewhere |
//! | seeds that are remembered | 32 | a rollback goes back a few deploys |
//! | rotated refresh tokens that are remembered | 16 | an application that keeps tokens by itself hands over a recent one |
//! | an operation of Redis | 500 ms, settable, and as long for connecting | on one network it takes one; an exchange needs six of them, and the layer gives up after 5 s |
//! | of that for `WAIT` | half | the answer, how many replicas have it, has to come in time |
//! | a call of Redis on a connection that was lost meanwhile | once more, on a new one | whatever is sent is the same if it is done twice; a server that was restarted is no failure |
//! | the nonce of a seal | 24 random bytes | so long that processes which know nothing of each other draw no two alike |
//! | the lock of a file | 2 s | a write takes milliseconds; longer means that a process was stopped while it held it |
//!
//! # Waiting
//!
//! | what | value | reason |
//! | --- | --- | --- |
//! | one try of the token client, head and body | 10 s; of one that begins late, no more than 1 s beyond its exchange | slow vendors answer in a few; a request must not outlive the intent that keeps others from its refresh token |
//! | one more look after it | 250 ms | a process that was stopped meanwhile has its answer, and has to read it |
//! | its connection: name, TCP, TLS | 5 s | what does not connect in 5 s rarely does in 10, and a failed connection proves that nothing was sent |
//! | a token reply | 1 MiB | real ones have a few KiB |
//! | a file that holds a secret | 64 KiB | the longest tokens have a few KiB; a wrong path must not fill the memory |
//! | a login: people | 5 min | time to find the phone, the wallet and the glasses; who needs longer is asked again by the next call |
//! | a login: what follows upon their answer | 30 s more | three requests; a provider that takes longer does not end |
//! | how often a process that waits for its person looks into the store | 3 s | a token that was handed over elsewhere makes the login needless |
//! | details of an API token | once a day, 3 s | it lives for months, and callers may be waiting for the token that is there |
//! | a caller | 30 s, [settable](crate::layer::AuthLayerBuilder::wait_at_most) | longer than any exchange that will succeed |
//! | timers | look at both clocks once a minute | they stand still while the machine is suspended |
