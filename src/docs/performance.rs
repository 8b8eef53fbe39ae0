//! What a request costs, and why.
//!
//! # A good token
//!
//! Nearly every request finds one. It costs a comparison of its origin, a reading of a coarse clock,
//! one load of an `ArcSwap`, and the insertion of headers that are ready; on the way back a look at the
//! response's version and status, and one into its extensions where it has any. It takes no lock and
//! allocates nothing. The README has the figures, beside those of a static header and of what people
//! write by hand.
//!
//! *Lanes.* What each request clones has a count of references: the header's bytes, and what its future
//! keeps the session by. A count that all cores write is a cache line that only one of them has at a
//! time. So there are eight of each, and a thread keeps to one: its lane. The bytes of a token are
//! there once; what is there eight times are their counts, each on a cache line of its own. A session
//! takes about three KiB for it.
//! Two threads that have a clone of the client each make 0.86 to 1.23 times the calls that they make around
//! a static header, with a median of 0.92; if they clone the client for each request it is 0.87 to 1.39, and
//! 0.98. One thread alone has a median of 0.85 (twenty runs of the bench `contention`, on a virtual machine of
//! two cores, 2026-11-27). It goes by how far the cores are from each other: around a static header they
//! share its one count.
//! A header's *name* that was made at run time is counted by the `http` crate, for all lanes at once:
//! name vendors' headers with `HeaderName::from_static`.
//!
//! *Coarse clocks.* Whether the token needs anything is decided by [`Clock::coarse`], which on Linux is
//! the kernel's last tick of the monotonic and of the wall clock, 1 to 10 ms old; the wall clock is read
//! once for each tick that a thread meets. Whatever it finds due
//! or dead is decided again by [`Clock::now`]. A token is not sent any more a tenth of its lifetime
//! before its end, or 30 seconds: that is more than 10 ms for every token that lives longer than a
//! tenth of a second. Elsewhere the two are the same.
//!
//! *Origins.* A request that spells its origin as it was declared is told by its bytes: lower case, and
//! no port where it is the scheme's own. Any other spelling is taken apart, and finds the same.
//!
//! *Clones of a service* count one reference beside the inner service's: that of what the services of a
//! layer share. A service that is cloned more than eight times, as one that is cloned for each request, has
//! copies of that, one for each lane, in 1.6 KiB; its clones count on those. One that makes way
//! for its only clone, as services in a stack do, has none; a clone that is itself cloned often has copies
//! of its own.
//!
//! # Replay
//!
//! With replay on, which is the default, a request whose body can be sent twice costs a clone of its
//! head, and a box to keep it in: three allocations for a request without a body whose headers were not
//! made at run time. Switch it [off](crate::layer::AuthLayerBuilder::replay) where a refusal may reach
//! the caller; the next request gets a newer token either way.
//!
//! # Bound tokens
//!
//! A token that is bound to a key (DPoP) needs another proof with each sending. Such a request does not
//! take the short way: its snapshot has no moment until which the token may be taken as it is, so what a
//! request with a bearer token compares is what it compared before. It costs a boxed future, the lock of
//! its session once, that of the nonces twice, and a signature of ES256, which is nearly all of it: 25
//! to 33 microseconds and 14 allocations a call, where the same call with a bearer token takes 0.4 to 0.5
//! microseconds and 4, the making of the request included (bench `dpop`, the same machine and day).
//!
//! # Size
//!
//! A [`ResponseFuture`](crate::future::ResponseFuture) takes at most 48 bytes more than the inner one.
//! A request that waits for a token holds less than 300 bytes on the heap beyond itself: its place
//! among those who wait, and the timer that says when it has waited long enough.
//!
//! # To measure
//!
//! ```sh
//! cargo bench --all-features --bench summary             # the figures, one a line
//! cargo bench --all-features --bench attach              # a request, beside others
//! cargo bench --all-features --bench attach -- --write   # the README's table and chart
//! cargo run --release -p tower-reauth-gate -- --check    # the gate, against benches/counts.txt
//! cargo bench --all-features --bench contention          # two threads
//! cargo bench --all-features --bench stampede            # ten thousand callers, an expired token
//! cargo bench --all-features --bench replay
//! cargo bench --all-features --bench dpop                # a proof with each request, beside a bearer token
//! cargo run --release --manifest-path benches/peers/Cargo.toml   # beside other crates
//! ```
//!
//! Instructions are counted by valgrind, as the difference between some thousands of calls and twice as
//! many, and those of a bare service are taken off. valgrind hides the vDSO: a reading of the clock is
//! counted as a call of the kernel's, without what the kernel does.
//!
//! [`Clock::coarse`]: crate::clock::Clock::coarse
//! [`Clock::now`]: crate::clock::Clock::now
