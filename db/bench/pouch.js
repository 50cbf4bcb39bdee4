// The peer of the sync: PouchDB against express-pouchdb, both in memory.
//
//   node pouch.js serve          prints its port, then the requests so far for each line it reads
//   node pouch.js client URL     reads a command for each line and prints what it took
'use strict';
const PouchDB = require('pouchdb');
PouchDB.plugin(require('pouchdb-adapter-memory'));
const http = require('http');
const lines = require('readline').createInterface({ input: process.stdin });
const say = (o) => process.stdout.write(JSON.stringify(o) + '\n');

function serve() {
  const app = require('express')();
  let requests = 0;
  app.use((req, res, next) => { requests++; next(); });
  app.use('/', require('express-pouchdb')(PouchDB.defaults({ adapter: 'memory' }), { mode: 'minimumForPouchDB', inMemoryConfig: true }));
  const server = app.listen(0, '127.0.0.1', () => say({ port: server.address().port }));
  server.keepAliveTimeout = 600000;
  lines.on('line', () => say({ requests }));
  lines.on('close', () => process.exit(0));
}

function client(url) {
  const local = new PouchDB('mine', { adapter: 'memory' });
  // One connection that stays open, as the other side of the comparison has.
  const agent = new http.Agent({ keepAlive: true });
  const remote = new PouchDB(url, { fetch: (u, o) => PouchDB.fetch(u, Object.assign({ agent }, o)) });
  const options = { batch_size: 1000 };
  const moved = (r) => (r.push ? r.push.docs_written + r.pull.docs_written : r.docs_written);
  const commands = {
    fill: async (path) => {
      const docs = JSON.parse(require('fs').readFileSync(path, 'utf8'));
      return (await local.bulkDocs(docs)).length;
    },
    edit: async (n) => {
      const all = await local.allDocs({ include_docs: true, limit: Number(n) });
      return (await local.bulkDocs(all.rows.map((r) => Object.assign(r.doc, { notes: 'changed' })))).length;
    },
    push: async () => moved(await local.replicate.to(remote, options)),
    pull: async () => moved(await local.replicate.from(remote, options)),
    sync: async () => moved(await local.sync(remote, options)),
  };
  let chain = Promise.resolve();
  lines.on('line', (line) => {
    const [name, arg] = line.split(' ');
    chain = chain.then(async () => {
      const from = process.hrtime.bigint();
      const docs = await commands[name](arg);
      say({ docs, ms: Number(process.hrtime.bigint() - from) / 1e6 });
    }).catch((err) => { say({ error: String(err.stack || err) }); process.exit(1); });
  });
  lines.on('close', () => process.exit(0));
}

if (process.argv[2] === 'serve') serve(); else client(process.argv[3]);
