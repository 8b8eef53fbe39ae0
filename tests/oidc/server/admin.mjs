// For tests only, and for this machine only. Bodies and answers are JSON.
//
//   POST /admin/mint     {client_id, scope?, resource?, jkt?} -> {refresh_token, grant_id}
//                        a session as a login would begin it; `jkt` binds it to a DPoP key
//   POST /admin/approve  {user_code}    what a person does on the page of the device grant
//   POST /admin/deny     {user_code}
//   POST /admin/client   {client_id, ..metadata}    changes a client: a new secret, for instance
//   POST /admin/faults   see faults.mjs
//   POST /admin/forget   {access_token}    it is refused from now on
//   GET  /admin/state?grant_id=..    {reused, alive, rotations, ..counts}
//   GET  /admin/keys     the private keys of the clients that sign, as PEM
import { read } from './api.mjs';

export function admin({ provider, store, faults, settings }) {
  const grantFor = async (clientId, scope, resources) => {
    const grant = new provider.Grant({ accountId: 'alice', clientId });
    grant.addOIDCScope(scope);
    for (const resource of resources) grant.addResourceScope(resource, scope);
    return grant.save();
  };

  const decide = async ({ user_code: userCode }, change) => {
    const code = await provider.DeviceCode.findByUserCode(userCode.replace(/[^a-z]/gi, ''));
    if (!code) throw new Error('no such user code');
    await change(code);
    await code.save();
    return {};
  };

  const actions = {
    async mint({ client_id: clientId, scope = 'openid offline_access read', resource, jkt }) {
      const client = await provider.Client.find(clientId);
      const resources = [resource ?? []].flat();
      const grantId = await grantFor(clientId, scope, resources);
      const token = new provider.RefreshToken({
        accountId: 'alice', client, grantId, gty: 'authorization_code', scope, resource, jkt,
        expiresWithSession: false, rotations: 0,
      });
      return { refresh_token: await token.save(), grant_id: grantId };
    },
    approve: (asked) => decide(asked, async (code) => {
      const { scope = 'openid', resource = [] } = code.params;
      Object.assign(code, {
        accountId: 'alice', scope, resource: code.params.resource,
        grantId: await grantFor(code.clientId, scope, [resource].flat()),
      });
    }),
    deny: (asked) => decide(asked, (code) => {
      Object.assign(code, { error: 'access_denied', errorDescription: 'no' });
    }),
    async client(metadata) {
      const known = store.get('Client', metadata.client_id);
      store.set('Client', metadata.client_id, { ...known, ...metadata });
      return {};
    },
    async faults(rates) {
      faults.set(rates);
      return {};
    },
    async forget({ access_token: token }) {
      await (await provider.AccessToken.find(token))?.destroy();
      return {};
    },
  };

  const state = (grantId) => {
    const token = store.find('RefreshToken', (it) => it.grantId === grantId && !it.consumed);
    return {
      ...faults.counts,
      reused: store.reused,
      alive: store.get('Grant', grantId) !== undefined && token !== undefined,
      rotations: token?.rotations ?? null,
    };
  };

  return async function serve(request, response, pathname) {
    const { remoteAddress } = request.socket;
    if (!['127.0.0.1', '::1', '::ffff:127.0.0.1'].includes(remoteAddress)) {
      return response.writeHead(403).end();
    }
    const name = pathname.slice('/admin/'.length);
    const query = new URL(request.url, 'http://localhost').searchParams;
    let answer;
    if (request.method === 'GET') {
      answer = { state: () => state(query.get('grant_id')), keys: settings.privateKeys }[name]?.();
    } else {
      const action = Object.hasOwn(actions, name) ? actions[name] : undefined;
      answer = await action?.(JSON.parse(await read(request)));
    }
    if (answer === undefined) return response.writeHead(404).end();
    return response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
  };
}
