// Parses an AsyncAPI document with AsyncAPI's own parser: `node check.mjs FILE`. Exit code 0: no error and no warning.
import { readFileSync } from 'node:fs';
import { argv, exit } from 'node:process';
import { DiagnosticSeverity, Parser } from '@asyncapi/parser';

const HINT = DiagnosticSeverity?.Information ?? 2;
const file = argv[2];
const { document, diagnostics } = await new Parser().parse(readFileSync(file, 'utf8'), { source: file });
const wrong = diagnostics.filter(({ severity }) => severity < HINT);
for (const { code, message, path } of wrong) console.error(`${file}: ${path.join('.')}: ${code}: ${message}`);
if (!document || wrong.length) exit(1);
console.log(`${document.channels().all().length} channels, ${document.operations().all().length} operations`);
