// node-postgres: a pool over TLS, parameters, several statements, types, errors, streaming of rows.
const fs = require('fs');
const { Client, Pool } = require(process.env.CLIENT_NODE_MODULES + '/pg');
const options = { host: '127.0.0.1', port: +process.env.CLIENT_PORT, user: 'demo',
                  password: process.env.CLIENT_PASSWORD, database: 'dev' };
const secure = { ...options, ssl: { ca: fs.readFileSync(process.env.CLIENT_CA) } };

async function call(name, run) {
  let error = '';
  try { await run(); } catch (failure) { error = String(failure); console.error(name, failure); }
  fs.appendFileSync(process.env.CLIENT_RESULTS, JSON.stringify({ name, error }) + '\n');
}
function same(found, wanted) {
  const [a, b] = [JSON.stringify(found), JSON.stringify(wanted)];
  if (a !== b) throw new Error(`${a} is not ${b}`);
}

(async () => {
  const client = new Client(options);
  await call('connect', () => client.connect());
  await call('connect verified', async () => {
    const tls = new Client(secure);
    await tls.connect();
    await tls.end();
  });
  await call('DDL and DML', async () => {
    await client.query('DROP TABLE IF EXISTS node_t');
    await client.query('CREATE TABLE node_t (id INT, name VARCHAR(10), n NUMERIC(5,2))');
    const done = await client.query("INSERT INTO node_t VALUES (1, 'a', 1.5), (2, NULL, 2)");
    same(done.rowCount, 2);
  });
  await call('parameters', async () => {
    const found = await client.query('SELECT id, n FROM node_t WHERE id = $1', [1]);
    same(found.rows, [{ id: 1, n: '1.50' }]);
  });
  await call('named statement', async () => {
    for (const id of [1, 2]) {
      const found = await client.query(
        { name: 'by_id', text: 'SELECT name FROM node_t WHERE id = $1', values: [id] });
      same(found.rows[0].name, id === 1 ? 'a' : null);
    }
  });
  await call('several statements', async () => {
    const found = await client.query('SELECT 1 AS a; SELECT 2 AS a');
    same(found.map((one) => one.rows[0].a), [1, 2]);
  });
  await call('transaction', async () => {
    await client.query('BEGIN');
    await client.query('DELETE FROM node_t');
    await client.query('ROLLBACK');
    same((await client.query('SELECT COUNT(*)::INT AS n FROM node_t')).rows[0].n, 2);
  });
  await call('error, then the same connection', async () => {
    let code = '';
    try { await client.query('SELECT nothing FROM node_t'); } catch (error) { code = error.code; }
    same(code, '42703');
    await client.query('SELECT 1');
  });
  await call('pool', async () => {
    const pool = new Pool({ ...options, max: 3 });
    const found = await Promise.all([1, 2, 3, 4, 5].map((n) => pool.query('SELECT $1::INT AS n', [n])));
    same(found.map((one) => one.rows[0].n), [1, 2, 3, 4, 5]);
    await pool.end();
  });
  await client.end();
})();
