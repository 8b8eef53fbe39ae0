// Clients, and how oidc-provider is set up for them.
//
// | client_id | authenticates by | for |
// | --- | --- | --- |
// | basic, post | a secret: see SECRET | client credentials, sessions |
// | jwt-es256, jwt-rs256, jwt-eddsa | private_key_jwt; the keys are at /admin/keys | the same |
// | public | nothing | code with PKCE, device, sessions |
// | dpop, dpop-service | nothing; SECRET by Basic | bound tokens; nonces required at both ends |
// | mtls | a certificate with DNS name client.example | client credentials, sessions, over TLS |
//
// Refresh tokens rotate, and one that comes twice ends its grant. Access tokens live for an hour, or as
// /admin/faults says. They are opaque, unless resource JWT_RESOURCE is asked for.
import { X509Certificate, generateKeyPairSync } from 'node:crypto';

// Has to be form-encoded before it is sent as Basic.
export const SECRET = 's3cret %+&:/?=~ of a client';
export const JWT_RESOURCE = 'https://jwt.api.example';
export const OPAQUE_RESOURCE = 'https://opaque.api.example/v1';

const DEVICE = 'urn:ietf:params:oauth:grant-type:device_code';
const SCOPE = 'openid offline_access read write';

const session = {
  grant_types: ['authorization_code', 'refresh_token', 'client_credentials'],
  redirect_uris: ['http://127.0.0.1/callback'],
  application_type: 'native',
  response_types: ['code'],
  scope: SCOPE,
};

export async function configuration({ tlsPort, store, faults }) {
  const ec = () => generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const own = { ...ec().privateKey.export({ format: 'jwk' }), kid: 'own', alg: 'ES256', use: 'sig' };
  const { d: _secret, ...ownPublic } = own;
  for (const client of clients(tlsPort)) store.set('Client', client.client_id, client);
  let privateKeys;
  // Made when they are asked for: one for RSA takes a while. Their clients are known from then on.
  const sign = () => {
    const pairs = {
      'jwt-es256': ['ES256', ec()],
      'jwt-rs256': ['RS256', generateKeyPairSync('rsa', { modulusLength: 2048 })],
      'jwt-eddsa': ['EdDSA', generateKeyPairSync('ed25519')],
    };
    for (const client of signing(pairs)) store.set('Client', client.client_id, client);
    const pem = ([, { privateKey }]) => privateKey.export({ format: 'pem', type: 'pkcs8' });
    return Object.fromEntries(Object.entries(pairs).map(([id, pair]) => [id, pem(pair)]));
  };
  return {
    publicKeys: { keys: [ownPublic] },
    privateKeys: () => (privateKeys ??= sign()),
    provider: provider({ tlsPort, store, faults, own }),
  };
}

function clients(tlsPort) {
  const secret = { client_secret: SECRET };
  const all = [
    { client_id: 'basic', token_endpoint_auth_method: 'client_secret_basic', ...secret, ...session },
    { client_id: 'post', token_endpoint_auth_method: 'client_secret_post', ...secret, ...session },
    {
      client_id: 'public',
      token_endpoint_auth_method: 'none',
      ...session,
      grant_types: ['authorization_code', 'refresh_token', DEVICE],
    },
    {
      client_id: 'dpop',
      token_endpoint_auth_method: 'none',
      dpop_bound_access_tokens: true,
      ...session,
      grant_types: ['authorization_code', 'refresh_token'],
    },
    {
      client_id: 'dpop-service',
      token_endpoint_auth_method: 'client_secret_basic',
      dpop_bound_access_tokens: true,
      ...secret,
      ...session,
    },
  ];
  if (tlsPort !== undefined) {
    all.push({
      client_id: 'mtls',
      token_endpoint_auth_method: 'tls_client_auth',
      tls_client_auth_san_dns: 'client.example',
      tls_client_certificate_bound_access_tokens: true,
      ...session,
    });
  }
  return all;
}

function signing(pairs) {
  return Object.entries(pairs).map(([id, [alg, { publicKey }]]) => ({
    client_id: id,
    token_endpoint_auth_method: 'private_key_jwt',
    token_endpoint_auth_signing_alg: alg,
    jwks: { keys: [{ ...publicKey.export({ format: 'jwk' }), use: 'sig' }] },
    ...session,
  }));
}

function provider({ tlsPort, store, faults, own }) {
  const certificate = (ctx) => {
    const raw = ctx.socket.getPeerCertificate?.().raw;
    return raw && new X509Certificate(raw);
  };
  const lifetime = () => faults.rates.access_ttl;
  return {
    adapter: store.adapter,
    clientDefaults: { id_token_signed_response_alg: 'ES256' },
    jwks: { keys: [own] },
    cookies: { keys: ['not a secret: this server lives for one test'] },
    scopes: ['openid', 'offline_access', 'read', 'write'],
    clientAuthMethods: [
      'none', 'client_secret_basic', 'client_secret_post', 'private_key_jwt',
      ...(tlsPort === undefined ? [] : ['tls_client_auth']),
    ],
    enabledJWA: {
      clientAuthSigningAlgValues: ['ES256', 'RS256', 'EdDSA', 'Ed25519'],
      dPoPSigningAlgValues: ['ES256', 'EdDSA', 'Ed25519', 'RS256'],
    },
    rotateRefreshToken: () => true,
    issueRefreshToken: async () => true,
    expiresWithSession: async () => false,
    ttl: {
      AccessToken: lifetime,
      ClientCredentials: lifetime,
      RefreshToken: () => 14 * 86400,
      Grant: () => 14 * 86400,
      DeviceCode: () => 600,
      AuthorizationCode: () => 60,
      Interaction: () => 600,
      Session: () => 86400,
      IdToken: () => 3600,
    },
    findAccount: (_ctx, id) => ({ accountId: id, claims: async () => ({ sub: id }) }),
    interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
    loadExistingGrant: async (ctx) => {
      const { scope, resource } = ctx.oidc.params;
      const grant = new ctx.oidc.provider.Grant({
        accountId: ctx.oidc.session.accountId, clientId: ctx.oidc.client.clientId,
      });
      grant.addOIDCScope(scope);
      for (const one of [resource ?? []].flat()) grant.addResourceScope(one, scope);
      await grant.save();
      return grant;
    },
    // RFC 8705, section 5: where clients with certificates have to go.
    discovery: tlsPort === undefined ? {} : {
      mtls_endpoint_aliases: {
        token_endpoint: `https://localhost:${tlsPort}/token`,
        revocation_endpoint: `https://localhost:${tlsPort}/token/revocation`,
      },
    },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      deviceFlow: { enabled: true },
      introspection: { enabled: true },
      revocation: { enabled: true },
      dPoP: {
        enabled: true,
        nonceSecret: Buffer.alloc(32, 7),
        requireNonce: (ctx) => ctx.oidc.client?.clientId.startsWith('dpop') ?? true,
      },
      mTLS: tlsPort === undefined ? { enabled: false } : {
        enabled: true,
        certificateBoundAccessTokens: true,
        tlsClientAuth: true,
        getCertificate: certificate,
        certificateAuthorized: (ctx) => ctx.socket.authorized,
        certificateSubjectMatches: (ctx, property, expected) => property === 'tls_client_auth_san_dns'
          && certificate(ctx).checkHost(expected) !== undefined,
      },
      resourceIndicators: {
        enabled: true,
        useGrantedResource: () => true,
        getResourceServerInfo: (_ctx, resource) => ({
          scope: SCOPE,
          audience: resource,
          accessTokenTTL: undefined,
          accessTokenFormat: resource === JWT_RESOURCE ? 'jwt' : 'opaque',
          jwt: { sign: { alg: 'ES256' } },
        }),
      },
    },
  };
}
