//! The committed code is what `tonic_build` writes, so what is said of it is said of generated code.

use std::{fs, path::Path};

use tonic_build::manual::{Builder, Method, MethodBuilder, Service};

/// What the tests and the example are compiled with.
const COMMITTED: &str = include_str!("generated.rs");
const PLACE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/grpc/generated.rs");

#[test]
fn the_generated_code_is_what_tonic_build_writes() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("grpc");
    fs::create_dir_all(&folder).unwrap();
    Builder::new().out_dir(&folder).compile(&[service()]);
    let written = fs::read_to_string(folder.join("notes.Notes.rs")).unwrap();
    if std::env::var_os("TOWER_REAUTH_GENERATE").is_some() {
        fs::write(PLACE, &written).unwrap();
        return;
    }
    assert!(
        written == COMMITTED,
        "this tonic_build writes other code than tests/grpc/generated.rs; to take it: \
         TOWER_REAUTH_GENERATE=1 cargo test --all-features --test grpc generated_code"
    );
}

fn service() -> Service {
    let service = Service::builder().name("Notes").package("notes");
    service
        .comment("One method of each kind.")
        .method(method("keep", "Keep").build())
        .method(method("collect", "Collect").client_streaming().build())
        .method(method("list", "List").server_streaming().build())
        .method(
            method("converse", "Converse")
                .client_streaming()
                .server_streaming()
                .build(),
        )
        .build()
}

fn method(name: &str, route: &str) -> MethodBuilder {
    let method = Method::builder().name(name).route_name(route);
    let method = method.input_type("super::super::Note");
    let method = method.output_type("super::super::Note");
    method.codec_path("tonic_prost::ProstCodec")
}
