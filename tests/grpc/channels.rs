//! The generated client around every sort of `Channel`, and which origins its calls are at.

use http::Uri;
use tokio_stream::StreamExt;
use tonic::{
    Code, Request,
    service::Interceptor,
    transport::{Channel, Endpoint, channel::Change},
};
use tower::{Layer, ServiceBuilder};
use tower_reauth::{Error, attach::Bare, replay::Replay};

use crate::{
    caller::call,
    notes::{Note, NotesClient},
    server::{Kind, Refuse, Server, Wire},
    stand::{DAY, Stand},
    support::{ORIGIN, Script, secs, token},
};

const TEXTS: [&str; 2] = ["one", "two"];

#[tokio::test]
async fn a_generated_client_compiles_unchanged_around_the_layer() {
    let stand = Stand::refusing(Wire::Plain, Refuse::AtOnce).await;
    let client = NotesClient::new(stand.service())
        .max_decoding_message_size(64)
        .max_encoding_message_size(64);
    let outcome = call(&client, Kind::Unary, &TEXTS).await;
    assert_eq!(outcome.replay, Some(Replay::Replayed));
    // The limits are the client's own, and what is over them fails as it does without the layer.
    let long = "x".repeat(100);
    let with = call(&client, Kind::Unary, &[&long]).await.end.unwrap_err();
    let plain = NotesClient::new(stand.server.endpoint().connect_lazy());
    let plain = plain.max_encoding_message_size(64);
    let without = call(&plain, Kind::Unary, &[&long]).await.end.unwrap_err();
    let told = |status: &tonic::Status| (status.code(), status.message().to_owned());
    assert_eq!(told(&with), told(&without));

    #[derive(Clone)]
    struct Stamp;
    impl Interceptor for Stamp {
        fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, tonic::Status> {
            let name = "x-stamp";
            request.metadata_mut().insert(name, "1".parse().unwrap());
            Ok(request)
        }
    }
    let mut outside = NotesClient::with_interceptor(stand.service(), Stamp);
    outside.keep(Note::new("one")).await.unwrap();
    // With the interceptor on the inside: the layer's service is like any other to tonic.
    let channel = stand.server.endpoint().connect_lazy();
    let inside = ServiceBuilder::new()
        .layer(stand.layer.clone())
        .layer(tonic::service::InterceptorLayer::new(Stamp))
        .service(channel);
    let mut inside = NotesClient::new(inside);
    inside.keep(Note::new("one")).await.unwrap();
    assert_eq!(stand.script.exchanges(), 1);
}

#[tokio::test]
async fn an_interceptor_outside_sees_its_calls_cured_in_all_four_kinds() {
    for kind in Kind::ALL {
        let stand = Stand::refusing(Wire::Plain, Refuse::AtOnce).await;
        let client = NotesClient::with_interceptor(stand.service(), Ok);
        let outcome = call(&client, kind, &TEXTS).await;
        assert_eq!(outcome.code(), Code::Ok, "{kind:?}: {outcome:?}");
        assert_eq!(outcome.replay, Some(Replay::Replayed), "{kind:?}");
    }
}

#[tokio::test]
async fn an_interceptor_inside_does_not_keep_a_call_from_being_cured() {
    for refuse in [Refuse::AtOnce, Refuse::AfterOneMessage, Refuse::Gateway] {
        for kind in Kind::ALL {
            let stand = Stand::refusing(Wire::Plain, refuse).await;
            let service = ServiceBuilder::new()
                .layer(stand.layer.clone())
                .layer(tonic::service::InterceptorLayer::new(Ok))
                .service(stand.server.endpoint().connect_lazy());
            let outcome = call(&NotesClient::new(service), kind, &TEXTS).await;
            assert_eq!(outcome.code(), Code::Ok, "{kind:?}: {outcome:?}");
            assert_eq!(outcome.replay, Some(Replay::Replayed), "{kind:?}");
        }
    }
}

#[tokio::test]
async fn a_generated_client_names_no_authority_and_so_its_calls_are_at_the_channel_s_peer() {
    // Another origin is declared than that of the channel, and nobody minds.
    let stand = Stand::refusing(Wire::Plain, Refuse::AtOnce).await;
    assert_ne!(stand.server.uri, ORIGIN);
    let outcome = call(&stand.client().await, Kind::Unary, &TEXTS).await;
    assert_eq!(outcome.code(), Code::Ok, "{outcome:?}");
    // It is the channel that puts its own authority on each.
    for uri in stand.server.log.uris() {
        assert_eq!(
            uri.to_string(),
            stand.server.uri.clone() + "/notes.Notes/Keep"
        );
    }
}

#[tokio::test]
async fn a_client_with_an_origin_has_that_origin_checked_and_then_replaced_by_the_channel() {
    let stand = Stand::refusing(Wire::Plain, Refuse::AtOnce).await;
    let declared = NotesClient::with_origin(stand.service(), Uri::from_static(ORIGIN));
    let outcome = call(&declared, Kind::Unary, &TEXTS).await;
    assert_eq!(outcome.code(), Code::Ok, "{outcome:?}");
    assert_eq!(outcome.replay, Some(Replay::Replayed));
    let sent = stand.server.log.uris();
    assert!(
        sent.iter()
            .all(|uri| uri.to_string().starts_with(&stand.server.uri))
    );

    let other = Uri::from_static("https://elsewhere.example");
    let undeclared = NotesClient::with_origin(stand.service(), other);
    for kind in Kind::ALL {
        let status = call(&undeclared, kind, &TEXTS).await.end.unwrap_err();
        assert_eq!(status.code(), Code::Unauthenticated, "{status:?}");
        let ours = Error::find(&status).unwrap();
        assert!(ours.is_origin(), "{ours:?}");
        assert!(
            ours.to_string().contains("https://elsewhere.example"),
            "{ours}"
        );
    }
    assert_eq!(
        stand.server.log.uris().len(),
        sent.len(),
        "nothing was sent"
    );
}

#[tokio::test]
async fn an_endpoint_s_origin_is_what_the_server_sees_and_no_matter_of_the_layer() {
    let stand = Stand::refusing(Wire::Plain, Refuse::AtOnce).await;
    let endpoint = stand.server.endpoint();
    let endpoint = endpoint.origin(Uri::from_static("http://notes.example"));
    let client = NotesClient::new(stand.layer.layer(endpoint.connect_lazy()));
    let outcome = call(&client, Kind::Unary, &TEXTS).await;
    assert_eq!(outcome.code(), Code::Ok, "{outcome:?}");
    for uri in stand.server.log.uris() {
        assert_eq!(uri, "http://notes.example/notes.Notes/Keep");
    }
}

#[tokio::test]
async fn a_lazy_channel_connects_with_the_first_call_that_has_a_token() {
    for wire in [Wire::Plain, Wire::Tls] {
        for kind in Kind::ALL {
            let stand = Stand::refusing(wire, Refuse::AtOnce).await;
            let client = NotesClient::new(stand.service());
            let outcome = call(&client, kind, &TEXTS).await;
            assert_eq!(outcome.code(), Code::Ok, "{kind:?}: {outcome:?}");
            assert_eq!(outcome.replay, Some(Replay::Replayed), "{kind:?}");
        }
    }
}

#[tokio::test]
async fn a_channel_that_cannot_connect_fails_as_it_does_without_the_layer() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", port.local_addr().unwrap());
    drop(port);
    let endpoint = Endpoint::from_shared(endpoint).unwrap();
    let stand = Stand::refusing(Wire::Plain, Refuse::AtOnce).await;
    for kind in Kind::ALL {
        let client = NotesClient::new(stand.layer.layer(endpoint.connect_lazy()));
        let with = call(&client, kind, &TEXTS).await.end.unwrap_err();
        let client = NotesClient::new(endpoint.connect_lazy());
        let without = call(&client, kind, &TEXTS).await.end.unwrap_err();
        assert_eq!(with.code(), Code::Unavailable, "{with:?}");
        assert_eq!(
            (with.code(), with.message()),
            (without.code(), without.message())
        );
    }
    assert_eq!(stand.script.exchanges(), 0);
}

#[tokio::test]
async fn a_balanced_channel_shares_one_exchange_among_its_servers() {
    let script = Script::with_lifetime(secs(DAY));
    let stand = Stand::new(Wire::Plain, Refuse::AtOnce, script, |layer| {
        layer.initial(token(0, secs(DAY)))
    });
    let stand = stand.await;
    let other = Server::start(Wire::Plain, Refuse::Gateway).await;
    let servers = [&stand.server, &other];
    let list = Channel::balance_list(servers.map(Server::endpoint).into_iter());
    let (dynamic, changes) = Channel::balance_channel(4);
    for server in servers {
        let insert = Change::Insert(server.uri.clone(), server.endpoint());
        changes.send(insert).await.unwrap();
    }
    for channel in [list, dynamic] {
        let client = NotesClient::new(stand.layer.layer(channel));
        let mut calls = tokio_stream::iter(0..64);
        let mut tasks = tokio::task::JoinSet::new();
        while let Some(number) = calls.next().await {
            let client = client.clone();
            let kind = Kind::ALL[number % 4];
            tasks.spawn(async move { call(&client, kind, &TEXTS).await });
        }
        for outcome in tasks.join_all().await {
            assert_eq!(outcome.code(), Code::Ok, "{outcome:?}");
        }
    }
    for server in servers {
        assert!(!server.log.calls(1).is_empty(), "{}", server.uri);
        let own = |uri: &Uri| uri.to_string().starts_with(&server.uri);
        assert!(
            server.log.uris().iter().all(own),
            "each has its own authority"
        );
    }
    assert_eq!(stand.script.exchanges(), 1);
}

#[tokio::test]
async fn a_call_marked_bare_has_no_token_and_its_refusal_says_nothing_of_the_session_s() {
    let stand = Stand::refusing(Wire::Plain, Refuse::AtOnce).await;
    let mut client = stand.client().await;
    let mut request = Request::new(Note::new("one"));
    request.extensions_mut().insert(Bare);
    let status = client.keep(request).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    assert_eq!(stand.script.exchanges(), 0);
}
