// What goes wrong, and what is counted. POST /admin/faults sets any of the fields of `rates`.
import { setTimeout as sleep } from 'node:timers/promises';

export class Faults {
  rates = {
    api_401: 0, // share of the API's calls that are refused; see api.mjs
    token_5xx: 0, // share of token requests that get a 503 in place of being processed
    token_503_next: 0, // this many of the next token requests get it whatever the rate
    api_delay_ms: 0, // each call waits up to so long before it is looked at
    token_delay_ms: 0,
    access_ttl: 3600, // how long access tokens live, in seconds
    api_nonce_ms: 1000, // the API's DPoP nonce changes so often; the one before is still taken
    seed: 1,
  };

  counts = {
    token_requests: 0, token_5xx: 0, api_calls: 0, api_401: 0, api_refused: 0, api_ok: 0,
    dpop_proofs: 0, dpop_jti_reused: 0, dpop_nonce_challenges: 0,
  };

  #random = generator(1);

  set(rates) {
    Object.assign(this.rates, rates);
    this.#random = generator(this.rates.seed);
  }

  happens(rate) {
    return this.#random() < rate;
  }

  async delay(most) {
    if (most > 0) await sleep(this.#random() * most);
  }

  async atToken(response) {
    this.counts.token_requests += 1;
    await this.delay(this.rates.token_delay_ms);
    const told = this.rates.token_503_next > 0;
    if (told) this.rates.token_503_next -= 1;
    if (!told && !this.happens(this.rates.token_5xx)) return false;
    this.counts.token_5xx += 1;
    response.writeHead(503, { 'content-type': 'text/plain' }).end('not now');
    return true;
  }
}

// Mulberry32: the same faults for the same seed, as far as the order of requests is the same.
function generator(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
