//! What the standards ask of a client, and the test that shows it.
//!
//! A row for every MUST and SHOULD that binds a client, or that says what a client may rely on. A test
//! is named by the folder or file it is in and its own name; those that begin with `oidc` run against
//! a certified server that nobody here wrote. `tests/standards.rs` looks whether each of them exists.
//!
//! # OAuth 2.0 (RFC 6749)
//!
//! | section | what | shown by, or why not |
//! | --- | --- | --- |
//! | 2.3 | one way to authenticate in a request | `oauth2::tests::the_client_authenticates_in_one_way_at_a_time` |
//! | 2.3.1 | id and secret form-encoded before Basic joins them | `oidc::clients::a_client_authenticates_by_basic_or_in_the_body_at_the_oidc_server`, `wire::tests::basic_credentials_are_form_encoded_before_they_are_joined` |
//! | 2.3.1 | a secret never in the URI, in the body only where it has to be | `oauth2::tests::the_client_authenticates_in_one_way_at_a_time`: the body is a setting, [`Basic`](crate::oauth2::ClientAuth::Basic) what a bare secret means |
//! | 2.3.1, 3.2 | TLS at the token endpoint | `token_client::tests::fakes::an_address_that_shows_the_credential_is_refused_before_anything_is_sent`; loopback is excepted |
//! | 3.1 | the query of the authorization endpoint is kept, TLS | `oauth2::tests::logins::the_address_of_a_login_holds_what_the_standard_asks_for_and_a_secret_of_its_own`; where a person's browser goes, no secret of the client does |
//! | 3.2 | POST, no parameter twice | `oauth2::tests::a_refresh_is_a_form_with_the_client_in_it`, `wire::tests::no_parameter_is_sent_twice` |
//! | 3.3 | scope is a list of words with spaces between; what was granted may be less | `oauth2::tests::a_refresh_asks_for_no_more_than_was_granted` |
//! | 4.1.2 | a code is used once, soon, and so is a state | `oauth2::tests::logins::a_code_that_has_become_a_token_is_never_sent_again`, `oauth2::tests::logins::two_callbacks_at_once_send_one_code`, `oidc::logins::a_code_with_pkce_of_the_oidc_server_begins_a_session` |
//! | 4.1.3 | the redirect URI again, identical; `client_id` where the client does not authenticate | `oauth2::tests::logins::a_code_is_redeemed_with_the_verifier_of_its_login` |
//! | 4.4.3 | no refresh token with client credentials | `oauth2::tests::a_client_with_credentials_of_its_own_takes_no_refresh_token` |
//! | 5.1 | unknown members are ignored, sizes not assumed | `oauth2::tests::all_of_a_reply_gets_into_the_token`, `wire::tests::a_member_is_wanted_where_it_belongs_and_nowhere_else` |
//! | 5.1 | `expires_in` may be missing | `oauth2::tests::a_lifetime_that_makes_no_sense_is_unknown` |
//! | 5.2 | errors are told by their codes | `oauth2::tests::codes_about_the_client_are_settings`, `oauth2::tests::only_a_refresh_token_is_refused_for_good` |
//! | 6 | a refresh asks for no larger scope | `oauth2::tests::a_refresh_asks_for_no_more_than_was_granted` |
//! | 6 | the old refresh token is discarded for the new one | `oidc::rotations::a_thousand_rotations_at_the_oidc_server_fail_no_call_and_spend_no_token_twice` |
//! | 6 | without a new one the old one is kept | `rotation::a_missing_refresh_token_keeps_the_old_one_where_rotation_is_not_a_must` |
//! | 7.1 | the type of a token in any case; none of an unknown type is used | `oauth2::tests::a_token_of_an_unknown_type_is_not_used_and_the_refresh_token_is_saved` |
//! | 10.3, 10.4 | tokens stay confidential, a refresh token goes to its issuer only | `secrets::no_exchange_that_fails_shows_a_secret`, `store_file::store_all_files_are_for_their_owner_only_whatever_was_left_behind`, `token_client::tests::sockets::redirects_are_not_followed` |
//! | 10.12 | a state that binds the callback to the login | `oauth2::callback::a_callback_of_another_login_is_refused_whatever_it_brings` |
//!
//! # Bearer tokens (RFC 6750)
//!
//! | section | what | shown by, or why not |
//! | --- | --- | --- |
//! | 2 | one way of sending the token | `origins::headers_that_the_caller_set_under_our_names_are_replaced_and_others_stay` |
//! | 2.1, 2.3 | in `Authorization`, never in the query | [`Placement`](crate::provider::Placement) knows headers only, and its default is this one |
//! | 3 | attributes of a challenge, among other challenges | `challenge::tests::a_challenge_for_another_scheme_or_inside_a_text_does_not_speak_for_ours` |
//! | 3.1 | `invalid_token`: a new token, and once more | `oidc::sessions::a_token_that_the_oidc_server_has_forgotten_is_replaced_and_the_call_repeated` |
//! | 3.1 | `insufficient_scope`: no refresh | `challenges::a_token_that_lacks_a_scope_is_not_exchanged_for_it` |
//! | 5.3 | TLS, and the certificate checked | `origins::plain_http_is_refused_unless_it_is_loopback_or_said_to_be_dangerous`; the API's connection is made by the client that is wrapped |
//! | 5.3 | the certificate of the token endpoint is checked | `oidc::mtls::a_certificate_of_somebody_else_is_no_proof_to_the_oidc_server` |
//!
//! # Assertions (RFC 7521, RFC 7523)
//!
//! | section | what | shown by, or why not |
//! | --- | --- | --- |
//! | 7523, 2.1 | `assertion` and its grant type | `oauth2::tests::assertions::an_assertion_is_read_from_its_file_for_each_request` |
//! | 7523, 2.2 | `client_assertion` and its type; a `client_id` that agrees | `oidc::clients::a_client_signs_for_the_oidc_server_by_each_algorithm_and_for_each_audience` |
//! | 7523, 3 | `iss`, `sub`, `aud`, `exp`, signed | `oauth2::tests::assertions::signed::each_request_has_an_assertion_of_its_own` |
//! | 7523, 3 | no assertion twice, not by a further try either | `oidc::clients::an_assertion_is_a_new_one_for_each_try_at_the_oidc_server` |
//! | rfc7523bis | `aud` is the issuer, one text | `oidc::discovery::an_issuer_is_enough_to_get_and_to_revoke_a_token_of_the_oidc_server`; where only the token endpoint is known, that; a [setting](crate::oauth2::OAuth2) of the key otherwise |
//! | 7523, 3.1, 3.2 | `invalid_grant`, `invalid_client` | `oauth2::tests::asking::an_assertion_that_is_refused_is_a_setting_and_its_refresh_token_is_ignored` |
//!
//! # PKCE (RFC 7636), native apps (RFC 8252), issuer in the response (RFC 9207)
//!
//! | section | what | shown by, or why not |
//! | --- | --- | --- |
//! | 7636, 4.1 | a fresh verifier of 43 to 128 unreserved characters | `oauth2::pkce::no_two_that_were_generated_are_alike_and_no_format_shows_one` |
//! | 7636, 4.2 | S256 | `oauth2::pkce::published_verifiers_have_their_published_challenges` |
//! | 7636, 4.5 | the verifier with the code | `oidc::logins::a_code_with_pkce_of_the_oidc_server_begins_a_session` |
//! | 7636, 7.2 | no falling back to `plain` | there is no other method in the code |
//! | 8252, 6, 8.12 | the person's own browser | the application opens it: this crate has no user interface |
//! | 8252, 7.3, 8.3 | a loopback redirect by address, any port | the redirect URI is the application's; documented at [`authorization`](crate::oauth2::OAuth2::authorization) |
//! | 8252, 8.1 | PKCE | always, see above |
//! | 9207, 2.4 | `iss` is compared, and missed where the server names itself | `oauth2::callback::a_callback_of_another_issuer_is_refused`, `oidc::logins::a_code_with_pkce_of_the_oidc_server_begins_a_session` |
//!
//! # Metadata (RFC 8414, OpenID Connect Discovery)
//!
//! | section | what | shown by, or why not |
//! | --- | --- | --- |
//! | 8414, 3; Discovery, 4 | the two well-known addresses | `oauth2::tests::metadata::metadata_are_looked_for_between_host_and_path_and_then_behind_the_path` |
//! | 8414, 3 | TLS | `oauth2::tests::metadata::an_issuer_that_is_no_https_url_is_asked_nothing` |
//! | 8414, 3.3; Discovery, 4.3 | the issuer identical, else nothing is used | `oauth2::tests::metadata::metadata_of_another_issuer_are_not_used`, `oidc::discovery::an_issuer_that_is_written_in_another_way_than_the_oidc_server_does_is_refused` |
//! | 8414, 2 | Basic where no methods are listed | the client's method is a setting, and Basic what a secret means; lists of methods and grants are not read, since servers are known whose lists are wrong |
//!
//! # Devices (RFC 8628)
//!
//! | section | what | shown by, or why not |
//! | --- | --- | --- |
//! | 3.2, 3.5 | five seconds between tries, or what the server says; slower by five at `slow_down` | `oauth2::tests::device::a_device_asks_as_slowly_as_the_server_wants_until_somebody_has_logged_in` |
//! | 3.5 | backing off where the server is not reached | `oauth2::tests::device::a_device_asks_more_slowly_where_the_server_is_not_well` |
//! | 3.5 | no polling after expiry, refusal or any other error | `oauth2::tests::device::a_device_stops_asking_when_the_code_is_over`, `oidc::logins::a_login_on_another_device_at_the_oidc_server_begins_a_session` |
//! | 3.3.1 | the code is shown beside a complete address | the application shows them; documented at [`DevicePrompt`](crate::oauth2::DevicePrompt) |
//!
//! # Token exchange (RFC 8693)
//!
//! | section | what | shown by, or why not |
//! | --- | --- | --- |
//! | 2.1 | subject and its type; the actor's type with an actor only | `oauth2::tests::asking::a_token_exchange_names_the_subject_and_who_acts_for_it` |
//! | 2.1 | `resource` and `audience` may repeat | the same |
//! | 2.2.1 | `N_A` is no access token and never attached | `oauth2::tests::asking::what_is_no_access_token_is_not_used_as_one` |
//! | 2.2.2 | `invalid_target` | `oauth2::tests::codes_about_the_client_are_settings` |
//!
//! # Certificates (RFC 8705)
//!
//! | section | what | shown by, or why not |
//! | --- | --- | --- |
//! | 2 | `client_id` in every request | `oauth2::tests::assertions::a_client_with_a_certificate_names_itself_and_its_certificate_is_in_the_identity` |
//! | 3 | the same certificate at the API | `oidc::mtls::a_certificate_proves_a_client_to_the_oidc_server_and_binds_its_tokens`: the API's client is the application's |
//! | 5 | `mtls_endpoint_aliases` | `oauth2::tests::metadata::a_client_with_a_certificate_uses_the_addresses_for_such_clients`, `oidc::mtls::a_session_that_a_certificate_is_bound_to_rotates_at_the_oidc_server` |
//! | 6.3, 7.1 | another certificate is another session | `oauth2::tests::assertions::a_client_with_a_certificate_names_itself_and_its_certificate_is_in_the_identity` |
//!
//! # Resources (RFC 8707)
//!
//! | section | what | shown by, or why not |
//! | --- | --- | --- |
//! | 2 | an absolute URI without a fragment | `oauth2::tests::asking::a_resource_that_is_no_absolute_uri_sends_nothing`; a query, which should not be there, is left to who sets it |
//! | 2, 2.2 | may repeat, also at a refresh | `oauth2::tests::asking::resources_are_named_as_often_as_there_are_some_also_at_a_refresh`, `oidc::sessions::a_token_of_the_oidc_server_is_for_the_resource_that_was_asked_for` |
//!
//! # DPoP (RFC 9449)
//!
//! | section | what | shown by, or why not |
//! | --- | --- | --- |
//! | 4.1, 7.1 | one `DPoP` header beside `Authorization: DPoP` | `dpop::sessions::every_request_has_a_proof_of_its_own_over_many_lifetimes_with_one_key`, `dpop::tests::a_token_request_has_one_proof_that_is_made_for_it` |
//! | 4.2 | `typ`, `alg`, the public key and no other in the header | `proof::tests::a_proof_says_all_that_it_has_to_and_is_signed_by_its_key`, `proof::tests::the_header_holds_the_public_key_and_nothing_of_the_private_one` |
//! | 4.2 | `jti` is never used again: 128 random bits | `proof::tests::no_two_proofs_have_the_same_number` |
//! | 4.2, 4.3 | `htu` without query and fragment, normalized | `proof::tests::an_address_is_spelled_as_servers_compare_it` |
//! | 4.2 | `ath` with an access token, and only with one | `proof::tests::the_hash_of_an_access_token_is_that_of_the_standards_example`, `proof::tests::what_was_not_asked_for_is_left_out` |
//! | 5 | a proof with each token request, by the same key for as long as the session lives | `dpop::sessions::every_request_has_a_proof_of_its_own_over_many_lifetimes_with_one_key`, `oidc::dpop::a_dpop_session_rotates_at_the_oidc_server_with_the_key_of_its_login` |
//! | 5 | a refresh token of a public client is bound: no other key is tried | `dpop::keys::a_refresh_token_that_is_bound_to_another_key_needs_a_login`, `oidc::dpop::a_dpop_session_with_another_key_is_refused_by_the_oidc_server` |
//! | 5 | a reply whose `token_type` is another one is not used | `dpop::sessions::a_token_that_is_not_bound_is_used_nowhere_and_its_refresh_token_is_kept`, `dpop::tests::a_token_of_another_type_is_refused_and_what_came_with_it_is_saved_with_its_key` |
//! | 6.1, 7.1 | `invalid_token`: a new token, and once more | `dpop::sessions::a_refused_token_is_replaced_once_and_the_request_sent_again` |
//! | 7.1 | a proof that is refused is no word about the token | `dpop::sessions::the_servers_clock_is_learned_from_what_it_refuses`, `dpop::challenges::a_second_challenge_goes_to_the_caller_and_is_no_refusal_of_the_token` |
//! | 7.1 | what is not known in a challenge is ignored; `algs` is not read, since there is ES256 only | `challenge::tests::a_challenge_of_the_proof_is_found_beside_those_of_other_schemes`, `challenge::tests::nothing_else_is_a_challenge_of_the_proof` |
//! | 7.2 | a challenge of `Bearer` beside that of `DPoP` | `challenge::tests::a_challenge_of_the_proof_is_found_beside_those_of_other_schemes` |
//! | 7.3, 11.1 | a new proof for each sending | `dpop::sessions::every_request_has_a_proof_of_its_own_over_many_lifetimes_with_one_key`: this layer belongs inside of one that sends again by itself |
//! | 8 | 400 with `use_dpop_nonce`: the same request with the nonce, once | `dpop::challenges::a_challenge_is_answered_once_with_the_same_token_and_starts_no_exchange`, `dpop::challenges::a_token_endpoint_that_is_never_content_is_asked_twice_and_nothing_is_spent` |
//! | 8.1 | what cannot be a nonce is none | `dpop::nonces::what_cannot_be_a_nonce_is_none` |
//! | 8.2 | the nonce of a success is that of the next request | `dpop::challenges::the_nonce_in_a_success_is_the_one_of_the_next_request` |
//! | 9 | 401 with `use_dpop_nonce`: the same token with the nonce, once, and no exchange | `dpop::challenges::a_challenge_is_answered_once_with_the_same_token_and_starts_no_exchange` |
//! | 8.2, 9 | the nonces of one server are used at no other | `dpop::nonces::a_nonce_is_kept_for_the_server_that_gave_it_whatever_the_status`; those of a token endpoint are apart from those of an API at the same origin |
//! | 10 | `dpop_jkt` in an authorization request | a [parameter](crate::oauth2::Authorization::parameter) that the application adds, from [`thumbprint`](crate::oauth2::dpop::DpopKey::thumbprint); it is no must |
//! | 11.1 | proofs are made when they are sent, by the server's clock where that is known to differ | `proof::tests::a_proof_goes_by_the_servers_clock_where_that_is_known` |
//! | 11.3 | once there is a nonce, no proof goes without one | `dpop::challenges::the_nonce_in_a_success_is_the_one_of_the_next_request`, `dpop::nonces::a_nonce_is_kept_for_the_server_that_gave_it_whatever_the_status` |
//! | 11.4 | the key stays secret | `dpop::keys::a_store_keeps_the_key_with_the_tokens_and_a_seal_hides_both`, `dpop::tests::no_format_of_a_provider_shows_a_key` |
//!
//! # Revocation (RFC 7009)
//!
//! | section | what | shown by, or why not |
//! | --- | --- | --- |
//! | 2.1 | POST with the token and its kind, the client authenticated | `oauth2::tests::what_is_revoked_is_the_refresh_token_and_the_access_token_where_there_is_no_other`, `oidc::sessions::a_revoked_session_is_over_at_the_oidc_server_with_its_access_token` |
//! | 2.2 | a token that the server does not know is revoked | `oidc::sessions::a_revoked_session_is_over_at_the_oidc_server_with_its_access_token` |
//! | 2.2.1 | after a 503 the token lives; `Retry-After`; `unsupported_token_type` | `oauth2::tests::the_answers_to_a_revocation_mean_what_the_standard_says` |
//!
//! # Best practice (RFC 9700)
//!
//! | section | what | shown by, or why not |
//! | --- | --- | --- |
//! | 2.1.1 | PKCE | see there |
//! | 2.2.1 | sender-constrained tokens | by certificate (RFC 8705) and by key (RFC 9449), see there |
//! | 2.2.2, 4.14.2 | a refresh token that comes twice ends its family: send none twice | `oidc::rotations::a_thousand_rotations_at_the_oidc_server_fail_no_call_and_spend_no_token_twice`, `store_protocol::store_an_intent_is_written_before_the_token_is_spent` |
//! | 2.3 | tokens for an audience | [`resource`](crate::oauth2::OAuth2::resource), see there |
//! | 2.4 | no password grant | there is none |
//! | 2.5 | asymmetric client authentication | `oidc::clients::a_client_signs_for_the_oidc_server_by_each_algorithm_and_for_each_audience` |
//! | 4.3.2 | no tokens in queries | see 2.3 of RFC 6750; a login's callback is the server's, and a code in it is of no use without its verifier |
//! | 4.4 | `iss` against mix-up | see RFC 9207 |
//! | 4.9 | never a token to another server | `redirects::each_kind_of_redirect_carries_its_body_and_never_the_token_to_another_origin` |
//!
//! # HTTP (RFC 9110, RFC 6585)
//!
//! | section | what | shown by, or why not |
//! | --- | --- | --- |
//! | 9.2.2 | no second sending of what may have been applied | `stacks::unanswered::a_reset_connection_is_the_callers_and_the_request_was_sent_once` |
//! | 10.1.1 | `Expect: 100-continue` | the client's that is wrapped |
//! | 10.2.3 | `Retry-After` in both forms | `vendors::throttling::both_forms_of_retry_after_are_a_floor_for_every_session_of_the_layer` |
//! | 11.1, 11.6.1 | schemes in any case, several challenges | `challenge::tests::of_several_challenges_one_that_refuses_the_token_is_enough` |
//! | 15.4 | nothing secret goes along to another origin | `redirects::a_redirect_to_any_other_origin_is_a_typed_error_and_nothing_is_sent_there` |
//! | 15.5.2 | after a second 401 its answer is shown | `refusals::a_request_is_replayed_once_and_then_its_refusal_is_the_callers` |
//! | 6585, 4 | 429 is no logout | `vendors::throttling::a_throttled_vendor_hurts_nobody_whose_token_is_good` |
//!
//! # gRPC (gRFC A6, A54, A83, A97)
//!
//! | section | what | shown by, or why not |
//! | --- | --- | --- |
//! | Trailers-Only | a refusal in the headers | `grpc::refusals::a_call_refused_at_once_is_sent_again_and_its_caller_sees_nothing_of_it` |
//! | A6 | a committed call is not repeated | `grpc::refusals::a_call_refused_after_it_was_committed_ends_so_and_the_next_has_a_newer_token` |
//! | status mapping | `grpc-status` counts before that of HTTP; without it the table | `challenge::tests::grpc_refuses_by_its_own_status_and_then_http_has_no_say`, `challenge::tests::grpc_without_a_status_in_its_headers_is_judged_by_that_of_http` |
//! | A54, A97 | which codes a call without a token may end with | `grpc::no_token::each_failure_has_the_code_that_grfc_a97_gives_it_and_our_error_behind_it` |
//! | A83, A97 | early, beside requests, shared, last error during a pause | `valid_token::a_due_token_is_refreshed_beside_requests_and_delays_none`, `valid_token::without_a_token_the_last_error_comes_at_once_and_the_pauses_grow_to_two_minutes`, `one_exchange::a_failure_is_shared_by_all_who_waited` |
