// Reads a JSON list of SCIM filters and writes, for each of them, its tree, or why it is none.
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';

const { parse } = createRequire(`${process.cwd()}/`)('scim2-parse-filter');

const answers = JSON.parse(readFileSync(0, 'utf8')).map((text) => {
  try {
    return parse(text);
  } catch (error) {
    return { error: String(error.message).slice(0, 300) };
  }
});
process.stdout.write(JSON.stringify(answers));
