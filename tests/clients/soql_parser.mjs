// Reads a JSON list of SOQL queries and writes, for each of them, its object and its conditions, or why it is none.
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';

const { parseQuery } = createRequire(`${process.cwd()}/`)('@jetstreamapp/soql-parser-js');

function conditions(clause) {
  if (!clause) return [];
  const found = clause.left ? [[clause.left.field, clause.left.operator, clause.left.value]] : [];
  return [...found, ...conditions(clause.right)];
}

const answers = JSON.parse(readFileSync(0, 'utf8')).map((text) => {
  try {
    const query = parseQuery(text);
    return { object: query.sObject, conditions: conditions(query.where) };
  } catch (error) {
    return { error: String(error.message).slice(0, 300) };
  }
});
process.stdout.write(JSON.stringify(answers));
