// What node-pg and postgres.js do over API tables. Takes the port, the password and the jira simulator's address;
// writes one JSON object of answers. Both packages are looked up from the working directory.

import { createRequire } from "node:module";
import { join } from "node:path";

const [port, password, jira, where] = process.argv.slice(2);
const load = createRequire(join(process.cwd(), "from-here.js"));
const pg = load("pg");
const Cursor = load("pg-cursor");
const QueryStream = load("pg-query-stream");
const postgres = load("postgres");

const address = { host: "127.0.0.1", port: Number(port), user: "ana", password, database: "acme" };
const FIRST = `SELECT repo, number FROM github.issues WHERE ${where} AND number <= 4 ORDER BY repo, number`;
const PREPARED = `SELECT count(*)::int AS n FROM github.issues WHERE ${where} AND state = $1`;
const LONG = "SELECT count(*) FROM jira.issues WHERE updated >= '2001-01-01 00:00:00+00'";

async function askedJira() {
  while ((await (await fetch(`${jira}/_sim/requests`)).json()).length === 0);
}

async function nodePg() {
  const answers = {};
  const client = new pg.Client({ ...address, ssl: { rejectUnauthorized: false } });
  await client.connect();
  answers.first = (await client.query(FIRST)).rows.map(Object.values);
  answers.prepared = [];
  for (const state of ["open", "closed"]) {
    answers.prepared.push((await client.query({ name: "by_state", text: PREPARED, values: [state] })).rows[0].n);
  }
  const described = await client.query(`SELECT number, created_at FROM github.issues WHERE ${where} LIMIT 0`);
  answers.described = described.fields.map((field) => field.dataTypeID);
  const cursor = client.query(new Cursor(FIRST));
  answers.paged = [(await cursor.read(2)).map(Object.values), (await cursor.read(100)).map(Object.values)];
  await cursor.close();
  answers.streamed = [];
  for await (const row of client.query(new QueryStream(FIRST, [], { batchSize: 2 }))) {
    answers.streamed.push(Object.values(row));
  }
  await client.query("BEGIN");
  await client.query(`CREATE TEMP TABLE kept ON COMMIT DROP AS ${FIRST}`);
  answers.kept = Number((await client.query("SELECT count(*) FROM kept")).rows[0].count);
  answers.error = await client.query(`SELECT number / 0 FROM github.issues WHERE ${where}`).catch((e) => e.code);
  await client.query("ROLLBACK");
  const notified = new Promise((resolve) => client.on("notification", (message) => resolve(message.payload)));
  await client.query("LISTEN changes");
  const other = new pg.Client({ ...address, ssl: { rejectUnauthorized: false } });
  await other.connect();
  await other.query("NOTIFY changes, 'something'");
  answers.notified = await notified;
  const running = client.query(LONG).catch((e) => e.code);
  await askedJira();
  new pg.Client(address).cancel(client, client._getActiveQuery());
  answers.canceled = await running;
  answers.batch = (await client.query("SELECT 1 AS a; " + FIRST)).map((each) => each.rowCount);
  await other.end();
  await client.end();
  return answers;
}

async function postgresJs() {
  const answers = {};
  const sql = postgres({ ...address, ssl: { rejectUnauthorized: false }, max: 2, onnotice: () => {} });
  const low = 4;
  answers.first = await sql`SELECT repo, number FROM github.issues
    WHERE owner = ${"acme"} AND repo IN ${sql(["web", "api"])} AND number <= ${low} ORDER BY repo, number`.values();
  answers.prepared = [];
  for (const state of ["open", "closed"]) answers.prepared.push((await sql.unsafe(PREPARED, [state]))[0].n);
  answers.paged = [];
  await sql.unsafe(FIRST).cursor(3, (rows) => { answers.paged.push(rows.length); });
  answers.described = (await sql`SELECT number, created_at FROM github.issues WHERE owner = 'acme' AND repo = 'web'`
    .describe()).columns.map((column) => column.type);
  answers.kept = await sql.begin(async (inner) => {
    await inner.unsafe(`CREATE TEMP TABLE kept ON COMMIT DROP AS ${FIRST}`);
    const more = [{ repo: "mine", number: 1 }, { repo: "mine", number: 2 }];
    await inner`INSERT INTO kept ${inner(more)}`;
    return Number((await inner`SELECT count(*) FROM kept`)[0].count);
  });
  answers.error = await sql.unsafe(`SELECT number / 0 FROM github.issues WHERE ${where}`).catch((e) => e.code);
  const { promise, resolve } = (() => { let r; const p = new Promise((x) => (r = x)); return { promise: p, resolve: r }; })();
  await sql.listen("changes", resolve);
  await sql.notify("changes", "something");
  answers.notified = await promise;
  const query = sql.unsafe(LONG);
  const running = query.execute().catch((e) => e.code);
  await askedJira();
  query.cancel();
  answers.canceled = await running;
  const copied = [];
  for await (const chunk of await sql.unsafe(`COPY (${FIRST}) TO STDOUT`).readable()) copied.push(chunk.toString());
  answers.copied = copied.join("").trimEnd().split("\n");
  await sql.end();
  return answers;
}

async function main() {
  const program = process.argv[6] === "pg" ? nodePg : postgresJs;
  console.log(JSON.stringify(await program()));
}

await main();
