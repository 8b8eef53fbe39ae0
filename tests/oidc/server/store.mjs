// Where oidc-provider keeps everything: a map that forgets nothing, so that the reuse of a refresh
// token is noticed however long ago it was spent. (Its own one keeps a thousand entries.)
export class Store {
  reused = 0;

  #entries = new Map();

  #spent = new Set();

  adapter = (model) => new Adapter(this, model);

  get(model, id) {
    return this.#entries.get(`${model}:${id}`);
  }

  set(model, id, payload) {
    this.#entries.set(`${model}:${id}`, payload);
  }

  delete(model, id) {
    this.#entries.delete(`${model}:${id}`);
  }

  spend(model, id) {
    const payload = this.get(model, id);
    payload.consumed = Math.floor(Date.now() / 1000);
    if (model === 'RefreshToken') this.#spent.add(id);
  }

  /// Counts also when the family is dead already, and nothing is found.
  look(model, id) {
    if (model === 'RefreshToken' && this.#spent.has(id)) this.reused += 1;
    return this.get(model, id);
  }

  find(model, says) {
    for (const [key, payload] of this.#entries) {
      if (key.startsWith(`${model}:`) && says(payload)) return payload;
    }
    return undefined;
  }

  revoke(grantId) {
    for (const [key, payload] of this.#entries) {
      if (payload.grantId === grantId) this.#entries.delete(key);
    }
  }
}

class Adapter {
  constructor(store, model) {
    this.store = store;
    this.model = model;
  }

  async upsert(id, payload) { this.store.set(this.model, id, payload); }

  async find(id) { return this.store.look(this.model, id); }

  async findByUid(uid) { return this.store.find(this.model, (it) => it.uid === uid); }

  async findByUserCode(code) { return this.store.find(this.model, (it) => it.userCode === code); }

  async consume(id) { this.store.spend(this.model, id); }

  async destroy(id) { this.store.delete(this.model, id); }

  async revokeByGrantId(grantId) { this.store.revoke(grantId); }
}
