// Reads an organization at an address with jsforce in every way that it has for what a connector reads, and says what it got.
import { createRequire } from 'node:module';

const require = createRequire(`${process.cwd()}/`);
const { Connection, OAuth2 } = require('@jsforce/jsforce-node');

const [address, accessToken, version] = process.argv.slice(2);
const organization = new Connection({ instanceUrl: address, accessToken, version, maxRequest: 1 });
const said = {};

said.objects = (await organization.describeGlobal()).sobjects.length;
said.fields = (await organization.describe('Account')).fields.length;
const first = await organization.query('SELECT Id, Name FROM Opportunity', { autoFetch: false });
said.done = first.done;
said.more = first.nextRecordsUrl ? (await organization.queryMore(first.nextRecordsUrl, { autoFetch: false })).records.length : 0;
said.count = (await organization.query('SELECT COUNT() FROM Opportunity')).totalSize;
// Who one is stands at the login server, which is another host: only the way to its address is taken.
const ask = organization.request.bind(organization);
organization.request = (request, options) =>
  (request.url ?? request).startsWith('https://') ? Promise.resolve({ elsewhere: true }) : ask(request, options);
said.identity = await organization.identity();

const { QueryJobV2 } = require('@jsforce/jsforce-node/lib/api/bulk2.js');
const job = (end) =>
  new QueryJobV2(organization, {
    bodyParams: { query: `SELECT Id, Name FROM Opportunity${end}`, operation: 'query' },
    pollingOptions: { pollInterval: 50, pollTimeout: 20000 },
  });
// A longer result is written to a stream that has ended, so that one page is read.
const read = job(' LIMIT 100');
await read.open();
await read.poll();
said.rows = (await (await read.result()).toArray()).length;
await read.delete();
const dropped = job('');
await dropped.open();
await dropped.abort();
said.state = (await dropped.check()).state;

const client = new OAuth2({ loginUrl: address, clientId: 'unknown', clientSecret: 'unknown', redirectUri: `${address}/back` });
said.refused = await client.refreshToken('unknown').then(() => '', (error) => error.name);
process.stdout.write(JSON.stringify(said));
