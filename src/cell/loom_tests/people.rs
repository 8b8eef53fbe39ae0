//! Logins that wait for a person who never answers: whatever ends their session ends them.

use std::future::pending;

use bytes::Bytes;
use http::Request;

use super::*;
use crate::provider::{SendFuture, TokenClient, Transport};

/// Nobody sends anything.
struct NoVendor;

impl Transport for NoVendor {
    fn send(&self, _: Request<Bytes>, _: &Arc<dyn Clock>) -> SendFuture {
        Box::pin(async { Err(ProviderError::transient("nobody is there")) })
    }
}

fn cell_of_a_person(clock: &ManualClock) -> Arc<Cell> {
    let cell = Cell::plain(clock, Arc::new(Floor::new()));
    Arc::new(cell.with_login(true))
}

/// A flight whose refresh token is refused, and a person who does not answer.
fn flies(mut ticket: Ticket, clock: &ManualClock) {
    let client = TokenClient::new(Arc::new(NoVendor), Arc::new(clock.clone()));
    let refused = ProviderError::refused("no such session");
    let session = Profile::new("model").session();
    let result = match ticket.begin_login(refused, &session, &client) {
        Ok(exchange) => block_on(exchange.by_the_deadline(pending())),
        Err(error) => Err(error),
    };
    ticket.land(result);
}

/// `end` while the flight becomes a login: it ends, and so does the wait of who has joined it.
fn ended_by(name: &str, end: fn(&Arc<Cell>)) {
    explore(name, ALL, move || {
        let clock = ManualClock::new();
        let cell = cell_of_a_person(&clock);
        let (ticket, join) = flying(&cell, Need::Usable);
        let flight = thread::spawn(move || flies(ticket, &clock));
        end(&cell);
        block_on(join);
        flight.join().unwrap();
        assert!(is_at_rest(&cell));
        let status = cell.status();
        assert!(!status.logging_in);
        assert!(!status.is_login_required(), "it was not refused");
    });
}

#[test]
fn a_shutdown_ends_a_login_whenever_it_comes() {
    ended_by("shutdown racing a login", |cell| cell.shut_down());
}

#[test]
fn the_last_handle_ends_a_login_whenever_it_goes() {
    ended_by("the last handle racing a login", |cell| cell.close());
}

#[test]
fn a_token_handed_over_ends_a_login_whenever_it_comes() {
    ended_by("replace racing a login", |cell| {
        cell.adopt(token("handed over")).unwrap();
    });
}

#[test]
fn a_revocation_ends_a_login_whenever_it_comes() {
    ended_by("revoke racing a login", |cell| {
        // Either the flight is over, or it is about to be.
        match cell.begin_revocation() {
            Ok(revocation) => revocation.ticket.abandon(),
            Err(under_way) => drop(block_on(under_way)),
        }
    });
}
