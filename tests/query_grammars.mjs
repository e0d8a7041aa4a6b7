// Reads JSON lists of texts in JQL and in SOQL, and writes for each list why its texts are none, in their order.
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';

const require = createRequire(`${process.cwd()}/`);
const { JastBuilder } = require('@atlassianlabs/jql-ast');
const { isQueryValid } = require('@jetstreamapp/soql-parser-js');

const jql = (text) => new JastBuilder().build(text).errors.map((error) => error.message).join('; ');
const soql = (text) => (isQueryValid(text) ? '' : 'it is no query of SOQL');

const asked = JSON.parse(readFileSync(0, 'utf8'));
process.stdout.write(JSON.stringify({ jql: asked.jql.map(jql), soql: asked.soql.map(soql) }));
