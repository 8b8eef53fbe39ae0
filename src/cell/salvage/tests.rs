use std::{sync::Arc, time::Duration};

use super::*;
use crate::{
    cell::{Floor, Look, Need, Ticket},
    test_util::ManualClock,
};

/// A session whose access token has expired.
fn cell(clock: &ManualClock) -> Arc<Cell> {
    let cell = Arc::new(Cell::plain(clock, Arc::new(Floor::new())));
    let lifetime = Duration::from_secs(60);
    cell.adopt(Token::from_pair("access-0", "refresh-0").with_lifetime(lifetime))
        .unwrap();
    clock.advance(lifetime);
    cell
}

fn ticket(cell: &Arc<Cell>, need: Need) -> Box<Ticket> {
    match cell.look(need) {
        Look::Fly(ticket, _) => ticket,
        other => panic!("{other:?}"),
    }
}

fn lost() -> ProviderError {
    ProviderError::unknown_outcome("half a reply")
}

fn refresh_token(cell: &Cell) -> Option<String> {
    let snapshot = cell.load();
    let token = snapshot.token.as_ref().unwrap();
    token.refresh_token().map(|it| it.expose().to_owned())
}

/// Whether the refresh token counts as possibly spent, and must not be sent now.
fn is_spent(cell: &Arc<Cell>) -> bool {
    matches!(cell.look(Need::Asked), Look::Fail(_))
}

#[test]
fn what_cannot_be_used_at_all_of_a_broken_reply_saves_no_refresh_token() {
    let cell = cell(&ManualClock::new());
    let broken = lost().salvaging(Token::new("no\nheader"));
    ticket(&cell, Need::Usable).land(Err(broken));
    assert_eq!(refresh_token(&cell).unwrap(), "refresh-0");
    assert!(is_spent(&cell));
}

#[test]
fn the_refresh_token_beside_an_access_token_that_was_saved_is_known_to_be_spent_or_not() {
    let saved = || Token::new("access-1").with_lifetime(Duration::from_secs(3600));
    let unspent = || ProviderError::transient("half a reply");
    for (error, refresh, spent) in [
        (lost().salvaging(saved()), "refresh-0", true),
        (unspent().salvaging(saved()), "refresh-0", false),
        (
            lost().salvaging(saved().with_refresh_token("refresh-1")),
            "refresh-1",
            false,
        ),
    ] {
        let cell = cell(&ManualClock::new());
        ticket(&cell, Need::Usable).land(Err(error));
        assert_eq!(refresh_token(&cell).unwrap(), refresh);
        assert_eq!(is_spent(&cell), spent, "{refresh}");
    }
}

#[test]
fn what_was_saved_of_a_login_has_nothing_of_the_session_before_it() {
    let cell = cell(&ManualClock::new());
    let mut login = ticket(&cell, Need::Usable);
    login.ask.logs_in = true;
    login.land(Err(lost().salvaging(Token::new("access-1"))));
    assert_eq!(refresh_token(&cell), None);
}
