// The protected API: /api/.., any method.
//
// It takes opaque tokens (asked of the provider's store) and JWTs (verified by the provider's keys),
// as Bearer or bound to a key (DPoP, RFC 9449) or a certificate (RFC 8705). A success is JSON that
// says what the token is: {client_id, sub, scope, aud, bound, method, path, body}.
//
// A token bound to a key needs a proof with the API's own nonce; where it lacks or is too old the
// answer is the challenge of RFC 9449, section 9. A new nonce comes with the next answer, whatever
// it is. The nonce of the token endpoint is oidc-provider's and another one.
//
// `api_401` refuses a call the first time that its `x-call` header is seen: the second sending of a
// call is never refused without a reason. Calls without that header may be refused each time.
import { createHash, randomUUID } from 'node:crypto';

const IAT_WINDOW = 300;

export function api({ provider, faults, jose, issuer, settings }) {
  const seen = { calls: new Set(), proofs: new Set() };
  const nonces = new Nonces(faults);
  const keys = jose.createLocalJWKSet(settings.publicKeys);

  async function find(token) {
    if (token.split('.').length === 3) {
      const { payload } = await jose.jwtVerify(token, keys, { issuer, typ: 'at+jwt' });
      const { client_id: client, cnf = {}, sub, scope, aud } = payload;
      return { client, sub, scope, aud, jkt: cnf.jkt, x5t: cnf['x5t#S256'] };
    }
    const found = await provider.AccessToken.find(token)
      ?? await provider.ClientCredentials.find(token);
    if (!found?.isValid) throw new Error('unknown or expired');
    return {
      client: found.clientId, sub: found.accountId, scope: found.scope, aud: found.aud,
      jkt: found.jkt, x5t: found['x5t#S256'],
    };
  }

  async function checkProof(request, pathname, token, jkt) {
    faults.counts.dpop_proofs += 1;
    const verified = await jose.jwtVerify(request.headers.dpop ?? '', jose.EmbeddedJWK, {
      typ: 'dpop+jwt', algorithms: ['ES256', 'EdDSA', 'RS256', 'PS256'],
    });
    const { payload, protectedHeader } = verified;
    const here = `${request.socket.encrypted ? 'https' : 'http'}://${request.headers.host}${pathname}`;
    const ath = createHash('sha256').update(token).digest('base64url');
    const now = Date.now() / 1000;
    if (payload.htm !== request.method) throw new Error('htm');
    if (payload.htu !== here) throw new Error('htu');
    if (payload.ath !== ath) throw new Error('ath');
    if (!(Math.abs(now - payload.iat) < IAT_WINDOW)) throw new Error('iat');
    if (await jose.calculateJwkThumbprint(protectedHeader.jwk) !== jkt) throw new Error('jkt');
    if (seen.proofs.has(payload.jti)) {
      faults.counts.dpop_jti_reused += 1;
      throw new Error('jti');
    }
    seen.proofs.add(payload.jti);
    return nonces.isGood(payload.nonce);
  }

  function refuse(response, scheme, error, nonce) {
    faults.counts.api_refused += 1;
    const headers = { 'www-authenticate': error ? `${scheme} error="${error}"` : scheme };
    if (nonce) headers['dpop-nonce'] = nonce;
    response.writeHead(401, headers).end();
  }

  return async function serve(request, response, pathname) {
    faults.counts.api_calls += 1;
    const body = await read(request);
    await faults.delay(faults.rates.api_delay_ms);
    const [scheme, token] = (request.headers.authorization ?? '').split(' ');
    const isDpop = scheme.toLowerCase() === 'dpop';
    const nonce = isDpop ? nonces.current() : undefined;
    const challenge = isDpop ? 'DPoP' : 'Bearer';
    if (!token) return refuse(response, challenge, undefined, nonce);

    const call = request.headers['x-call'];
    const isFirst = call === undefined || !seen.calls.has(call);
    if (call !== undefined) seen.calls.add(call);
    if (isFirst && faults.happens(faults.rates.api_401)) {
      faults.counts.api_401 += 1;
      return refuse(response, challenge, 'invalid_token', nonce);
    }

    let found;
    try {
      found = await find(token);
      const certificate = request.socket.getPeerCertificate?.().raw;
      const x5t = certificate && createHash('sha256').update(certificate).digest('base64url');
      if (found.x5t && found.x5t !== x5t) throw new Error('another certificate');
      if (isDpop !== (found.jkt !== undefined)) throw new Error('not bound to a key, or not shown so');
    } catch {
      return refuse(response, challenge, 'invalid_token', nonce);
    }
    if (isDpop) {
      try {
        if (!await checkProof(request, pathname, token, found.jkt)) {
          faults.counts.dpop_nonce_challenges += 1;
          return refuse(response, 'DPoP', 'use_dpop_nonce', nonce);
        }
      } catch {
        return refuse(response, 'DPoP', 'invalid_dpop_proof', nonce);
      }
    }
    faults.counts.api_ok += 1;
    const headers = { 'content-type': 'application/json' };
    if (nonce) headers['dpop-nonce'] = nonce;
    const { client, sub, scope, aud, jkt, x5t } = found;
    return response.writeHead(200, headers).end(JSON.stringify({
      client_id: client, sub, scope, aud, bound: jkt ?? x5t, method: request.method,
      path: pathname, body,
    }));
  };
}

class Nonces {
  #faults;

  #made = 0;

  #nonces = [];

  constructor(faults) {
    this.#faults = faults;
  }

  current() {
    const now = Date.now();
    if (this.#nonces.length === 0 || now - this.#made >= this.#faults.rates.api_nonce_ms) {
      this.#made = now;
      this.#nonces = [randomUUID(), ...this.#nonces].slice(0, 2);
    }
    return this.#nonces[0];
  }

  isGood(nonce) {
    return this.#nonces.includes(nonce);
  }
}

export async function read(request) {
  const pieces = [];
  for await (const piece of request) pieces.push(piece);
  return Buffer.concat(pieces).toString();
}
