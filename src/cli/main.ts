#!/usr/bin/env node
import { asWebMlaError } from '../core/errors.ts';
import { Arguments } from './arguments.ts';
import { bench, printBench } from './bench.ts';
import { chat } from './chat.ts';
import { convert, printConverted } from './convert.ts';
import { evaluateText, printEvaluation } from './evaluate.ts';
import { generate } from './generate.ts';
import { inspect, printInspection } from './inspect.ts';
import { tokenize } from './tokenize.ts';
import { USAGE, UsageError } from './usage.ts';

/** Exit codes: 0 done, 1 an error in the input or the run, 2 wrong usage. */
async function main(argv: readonly string[]): Promise<number> {
  const json = argv.includes('--json');
  const print = (text: string): void => void process.stdout.write(`${text}\n`);
  if (argv.length === 0 || argv.includes('--help') || argv[0] === 'help') {
    process.stdout.write(USAGE);
    return argv.length === 0 ? 2 : 0;
  }
  try {
    const args = new Arguments(argv);
    switch (args.command) {
      case 'inspect': {
        const inspection = await inspect(args);
        print(json ? JSON.stringify(inspection) : printInspection(inspection));
        return 0;
      }
      case 'tokenize': {
        const tokenized = await tokenize(args);
        print(json ? JSON.stringify(tokenized) : tokenized.ids.join(' '));
        return 0;
      }
      case 'generate': {
        const generated = await generate(args, json ? () => {} : (text) => void process.stdout.write(text));
        print(json ? JSON.stringify(generated) : '');
        return 0;
      }
      case 'bench': {
        const measured = await bench(args);
        print(json ? JSON.stringify(measured) : printBench(measured));
        return 0;
      }
      case 'convert': {
        const converted = await convert(args);
        print(json ? JSON.stringify(converted) : printConverted(converted));
        return 0;
      }
      case 'evaluate': {
        const evaluated = await evaluateText(args);
        print(json ? JSON.stringify(evaluated) : printEvaluation(evaluated));
        return 0;
      }
      case 'chat':
        await chat(args);
        return 0;
    }
  } catch (error) {
    if (error instanceof UsageError) {
      if (json)
        print(
          JSON.stringify({
            error: { code: 'bad_request', message: error.message, hint: 'webmla --help', details: {} },
          }),
        );
      else process.stderr.write(`webmla: ${error.message}\n\n${USAGE}`);
      return 2;
    }
    const { code, message, hint, details } = asWebMlaError(error);
    if (json) print(JSON.stringify({ error: { code, message, hint, details } }));
    else process.stderr.write(`webmla: ${code}: ${message}\n${hint === '' ? '' : `${hint}\n`}`);
    return 1;
  }
}

// Dawn keeps threads of its own: the process is ended, not left to end. Standard output is written first.
const code = await main(process.argv.slice(2));
process.stdout.write('', () => process.exit(code));
