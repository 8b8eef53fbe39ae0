// A certified authorization server, and an API behind it, for the tests in tests/oidc.
//
//   node server.mjs FOLDER [TLS-FOLDER]
//
// FOLDER is where `npm install` has put node_modules. TLS-FOLDER holds server.pem, server.key and
// ca.pem; with it there is a second listener, over TLS, which asks for client certificates.
//
// Prints one line of JSON, {"port": .., "tls_port": ..}, once it listens, on 127.0.0.1 and on ports
// that were free. It ends when its standard input does, so it never outlives a test that crashed.
//
//   /           oidc-provider: /token, /auth, /device/auth, /token/introspection,
//               /token/revocation, /me, /.well-known/..
//   /api/..     protected: see api.mjs. Also over TLS, where certificate-bound tokens are taken.
//   /admin/..   for tests: see admin.mjs
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

import { admin } from './admin.mjs';
import { api } from './api.mjs';
import { Faults } from './faults.mjs';
import { configuration } from './settings.mjs';
import { Store } from './store.mjs';

// The one line on standard output is the ports; nobody reads it after that.
console.log = console.error;
console.info = console.error;

const [folder, tlsFolder] = process.argv.slice(2);
const load = (name, main) => import(pathToFileURL(join(resolve(folder), 'node_modules', name, main)));
const { default: Provider } = await load('oidc-provider', 'lib/index.js');
const jose = await load('jose', 'dist/webapi/index.js');

const plain = createServer();
const tls = tlsFolder === undefined ? undefined : createTlsServer({
  cert: readFileSync(join(tlsFolder, 'server.pem')),
  key: readFileSync(join(tlsFolder, 'server.key')),
  ca: readFileSync(join(tlsFolder, 'ca.pem')),
  requestCert: true,
  rejectUnauthorized: false,
});
const listen = (server) => new Promise((done) => {
  server.listen(0, '127.0.0.1', () => done(server.address().port));
});
const port = await listen(plain);
const tlsPort = tls && await listen(tls);

const issuer = `http://127.0.0.1:${port}`;
const store = new Store();
const faults = new Faults();
const settings = await configuration({ tlsPort, store, faults });
const provider = new Provider(issuer, settings.provider);
// Every test starts many requests; what goes wrong is in the answers.
provider.on('server_error', (_ctx, error) => console.error(error));

const context = { provider, store, faults, jose, issuer, settings };
const serveOidc = provider.callback();
const serveApi = api(context);
const serveAdmin = admin(context);

async function serve(request, response) {
  const { pathname } = new URL(request.url, issuer);
  if (pathname.startsWith('/admin/')) return serveAdmin(request, response, pathname);
  if (pathname.startsWith('/api')) return serveApi(request, response, pathname);
  if (pathname.startsWith('/interaction/')) {
    // Whoever comes is Alice, and agrees to everything.
    const { prompt } = await provider.interactionDetails(request, response);
    const result = prompt.name === 'login' ? { login: { accountId: 'alice' } } : { consent: {} };
    return provider.interactionFinished(request, response, result, {
      mergeWithLastSubmission: true,
    });
  }
  if (pathname === '/token' && await faults.atToken(response)) return undefined;
  return serveOidc(request, response);
}

for (const server of [plain, tls].filter(Boolean)) {
  // Else a connection may be closed while somebody sends on it, and that call is lost.
  server.keepAliveTimeout = 0;
  server.on('request', (request, response) => {
    serve(request, response).catch((error) => {
      console.error(error);
      response.writeHead(500).end();
    });
  });
}

process.stdin.on('end', () => process.exit(0)).resume();
process.stdout.write(`${JSON.stringify({ port, tls_port: tlsPort ?? null })}\n`);
